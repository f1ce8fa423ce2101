"""The rivals: each module drives one of them, all with the same functions.

Rules of residence: one module a rival, written as its best user would write it. A
function does one case, and returns the seconds from its first send until its last event
is settled, or what else its name says; starting and closing are not timed. `events`
payloads carry the integers from 0. A function that a rival cannot do is left out, and
`LACKS` says why.

    windowed(events, window, consumers, autoscale, mode)    send a window, yield, repeat
    burst(events, mode)                                     send all, then await all
    round_trip(events, mode)                                send one, await it, repeat
    memory_per_event(events)                                bytes of a queued event
    routed(events, window, delivery, collectors, hot, mode) windowed, by key or by topic
    topical(events, window, topics)                         the next of many topics each
    fan_out(events, window, collectors, mode)               each event for all
    sleeping(events, window, consumers, sleep_s)            handlers that sleep
    responsiveness(events)                                  a ticker's lags meanwhile
    dispatch(events, by, names)                             looking a route up, no queue
    index_build(events, by)                                 registering that many names

`mode` is how events are sent: one of the rival's `MODES`. `windowed` also takes
`handler=`, so that a run with `recording(seen)` can show that each event is handled
exactly once.
"""

from __future__ import annotations

import importlib
from types import ModuleType

__all__ = ["NAMES", "load", "why_not"]

NAMES = {
    "floor": "floor",
    "25-line loop": "hand_loop",
    "asyncio.Queue": "asyncio_queue",
    "create_task": "task_per_event",
    "aiochannel": "aiochannel_",
    "blinker": "blinker_",
    "pyee": "pyee_",
    "taskiq": "taskiq_",
    "bubus": "bubus_",
    "event-collector": "event_collector_",
    "collectorqueue": "collectorqueue_",
}
"""The rivals' names, and the modules that drive them."""


def load(rival: str) -> ModuleType:
    """The module that drives a rival. Raises ImportError when it is not installed."""
    return importlib.import_module(f"benchmarks.rivals.{NAMES[rival]}")


def why_not(rival: str, function: str, mode: str | None) -> str | None:
    """Why a rival cannot do a case; None: it can."""
    try:
        module = load(rival)
    except ImportError as error:
        return f"cannot be imported: {error}"
    if function not in vars(module):
        reason: str = module.LACKS[function]
        return reason
    if mode is not None and mode not in module.MODES:
        return f"sends by {', '.join(module.MODES)} only"
    return None
