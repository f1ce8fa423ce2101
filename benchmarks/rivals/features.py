"""What each rival does and does not do: numbers are read fairly only beside it.

Rules of residence: a few plain words each, about a rival as its module here drives it.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

__all__ = ["COLUMNS", "FEATURES", "Features"]


@dataclass(frozen=True)
class Features:
    """Of one rival, in the order of the table's columns."""

    bounded: str
    errors_apart: str
    results_back: str
    routing: str
    several_consumers: str
    order: str


COLUMNS = tuple(each.name.replace("_", " ") for each in fields(Features))
NO_QUEUE = "no queue"

FEATURES = {
    "floor": Features(
        bounded=NO_QUEUE,
        errors_apart="no: raised in the sender",
        results_back="yes",
        routing="no",
        several_consumers="no",
        order="as called",
    ),
    "25-line loop": Features(
        bounded="no",
        errors_apart="no: the first one ends the worker",
        results_back="yes",
        routing="no",
        several_consumers="no",
        order="as sent",
    ),
    "asyncio.Queue": Features(
        bounded="it can be; not here",
        errors_apart="by hand: into the future",
        results_back="by hand: a future each",
        routing="no",
        several_consumers="by hand: a task each",
        order="as sent",
    ),
    "create_task": Features(
        bounded="no: by awaiting each window",
        errors_apart="yes: kept in the task",
        results_back="yes",
        routing="no",
        several_consumers="all at once",
        order="begun as sent",
    ),
    "aiochannel": Features(
        bounded="it can be; not here",
        errors_apart="by hand: into the future",
        results_back="by hand: a future each",
        routing="no",
        several_consumers="by hand: a task each",
        order="as sent",
    ),
    "blinker": Features(
        bounded=NO_QUEUE,
        errors_apart="no: raised in the sender, the other receivers are skipped",
        results_back="yes",
        routing="by signal and sender",
        several_consumers="no",
        order="as sent; of receivers none",
    ),
    "pyee": Features(
        bounded="no: a task each",
        errors_apart="yes: an `error` event",
        results_back="no",
        routing="by name",
        several_consumers="all at once",
        order="begun as sent",
    ),
    "taskiq": Features(
        bounded="no: in line, or a task each",
        errors_apart="yes: kept in the result",
        results_back="yes, by asking again and again",
        routing="by name, one each",
        several_consumers="all at once, or in line",
        order="begun as sent",
    ),
    "bubus": Features(
        bounded="refuses over 50; off here",
        errors_apart="yes: kept in the event",
        results_back="yes",
        routing="by type, or all",
        several_consumers="no",
        order="as sent",
    ),
    "event-collector": Features(
        bounded="no",
        errors_apart="yes: kept in the event",
        results_back="yes",
        routing="by key, by topic, or all",
        several_consumers="autoscaled",
        order="begun as sent",
    ),
    "collectorqueue": Features(
        bounded="waits, refuses or drops",
        errors_apart="yes: kept in the event",
        results_back="yes",
        routing="by key, by topic, or all",
        several_consumers="autoscaled",
        order="begun as sent; by ordering key",
    ),
}
