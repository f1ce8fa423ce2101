"""A program of handlers that wait inside their queue, as plain data.

Rules of residence: what is to happen, and how it is written down. A program is made from a
seed (`making`), run (`playing`) and made smaller (`shrinking`); its `repr` can be pasted
into a test and evaluated with the names of this module.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, fields, replace
from typing import Any

__all__ = ["Act", "Deed", "Events", "Program", "Station", "deeds_of", "lines_of"]


def short_repr(made: Any) -> str:
    """A dataclass as the call that makes it, without what is as by default."""
    given = [
        f"{each.name}={getattr(made, each.name)!r}"
        for each in fields(made)
        if getattr(made, each.name) != each.default
    ]
    return f"{type(made).__name__}({', '.join(given)})"


@dataclass(frozen=True, repr=False)
class Deed:
    """One thing that a handler does.

    `kind`: "sleep" so many `seconds`; "ask": wait for the event with this `number`, which is
    sent if nobody has; "request": the same by `publisher.request`; "send" it; "all":
    `publisher.wait()`; "cancel" the event; "limit": set `max_concurrency` of `key` to
    `number`, 0: none; "several": the deeds of `inner` at once; "fail": raise, on the first
    `number` attempts.
    `how` it waits: "plain"; in a "task"; in a "group"; by "gather"; with a "timeout" of
    `seconds`; or "stray": in a task that it does not wait for.
    """

    kind: str
    number: int = 0
    key: str = ""
    seconds: float = 0.0
    how: str = "plain"
    inner: tuple[Deed, ...] = ()

    __repr__ = short_repr


@dataclass(frozen=True, repr=False)
class Station:
    """A collector. `form`: "async"; "plain": a function; "lazy": one that returns a
    coroutine. `batch`: its size, and `batch_wait` its seconds; `rate`: runs a second."""

    key: str
    form: str = "async"
    topics: tuple[str, ...] = ()
    limit: int = 0
    rate: float = 0.0
    batch: int = 0
    batch_wait: float = 0.0
    tries: int = 1
    backoff: float = 0.0
    timeout: float = 0.0

    __repr__ = short_repr


@dataclass(frozen=True, repr=False)
class Events:
    """One event, by its `number`. Without `keys` and `topic` it goes to all collectors.

    `deeds`: for each collector that may get it, what the handler does. `catches`: the
    handler survives what its waits raise.
    """

    number: int
    keys: tuple[str, ...] = ()
    topic: str = ""
    ordering_key: str = ""
    delay: float = 0.0
    ttl: float = 0.0
    priority: int | None = None
    catches: bool = True
    deeds: tuple[tuple[str, tuple[Deed, ...]], ...] = ()

    __repr__ = short_repr


@dataclass(frozen=True, repr=False)
class Act:
    """What is done from outside `at` a time: "send", "request", "cancel" and "limit", as a
    deed; "remove" or "replace" the collector of `key` (with `number` as its limit);
    "bounds": set max_consumers to `number`."""

    at: float
    kind: str
    number: int = 0
    key: str = ""

    __repr__ = short_repr


@dataclass(frozen=True, repr=False)
class Program:
    """All of it. `observed`: an observer is told of each event, so that requests can be
    followed; `closes_at`: the queue is drained, without a limit, from then on; `router`: ""
    for the queue's own, "select" or "whole" for one that overrides that."""

    order: str = "fifo"
    consumers: int = 1
    least: int = 1
    autoscale: bool = True
    capacity: int = 1000
    overflow: str = "wait"
    propagates: bool = False
    observed: bool = False
    closes_at: float | None = None
    router: str = ""
    stations: tuple[Station, ...] = ()
    events: tuple[Events, ...] = ()
    acts: tuple[Act, ...] = ()
    seed: int | None = field(default=None, compare=False)

    __repr__ = short_repr

    def targets(self, event: Events) -> list[str]:
        """The collectors an event goes to, as long as none is removed."""
        if event.keys:
            return list(dict.fromkeys(event.keys))
        if event.topic:
            return [each.key for each in self.stations if event.topic in each.topics]
        return [each.key for each in self.stations]

    def without_deeds_for(self, numbers: set[int]) -> Program:
        """No deed names an event, or its collector, that is not there."""
        keys = {each.key for each in self.stations}

        def kept(deed: Deed) -> bool:
            names_event = deed.kind in ("ask", "request", "send", "cancel")
            return (not names_event or deed.number in numbers) and (
                not deed.key or deed.key in keys
            )

        def cut(deeds: tuple[Deed, ...]) -> tuple[Deed, ...]:
            return tuple(
                replace(each, inner=cut(each.inner)) for each in deeds if kept(each)
            )

        events = tuple(
            replace(
                event,
                deeds=tuple((key, cut(deeds)) for key, deeds in event.deeds if key in keys),
            )
            for event in self.events
        )
        acts = tuple(
            act
            for act in self.acts
            if (act.kind not in ("send", "request", "cancel") or act.number in numbers)
            and (not act.key or act.key in keys)
        )
        return replace(self, events=events, acts=acts)


def deeds_of(program: Program) -> Iterator[Deed]:
    """All deeds, the inner ones too."""

    def all_of(deeds: tuple[Deed, ...]) -> Iterator[Deed]:
        for each in deeds:
            yield each
            yield from all_of(each.inner)

    for event in program.events:
        for _, deeds in event.deeds:
            yield from all_of(deeds)


def lines_of(program: Program) -> Iterator[str]:
    """A program written down for people."""
    yield (
        f"queue {program.order}, {program.least}..{program.consumers} consumers"
        + ("" if program.autoscale else ", not scaled")
        + (f", capacity {program.capacity} {program.overflow}" * (program.capacity < 1000))
        + ", propagates" * program.propagates
        + ", observed" * program.observed
        + (f", router {program.router}" if program.router else "")
        + ("" if program.closes_at is None else f", closes at {program.closes_at}")
    )
    for station in program.stations:
        yield f"  {station!r}"
    for event in program.events:
        yield f"  {replace(event, deeds=())!r}"
        for key, deeds in event.deeds:
            if deeds:
                yield f"      in {key}: {'; '.join(map(told, deeds))}"
    for act in program.acts:
        what = " ".join(str(each) for each in (act.kind, act.key, act.number) if each != "")
        yield f"  at {act.at:g}: {what}"


def told(deed: Deed) -> str:
    """A deed in a few words."""
    what = deed.kind
    if deed.kind == "sleep":
        return f"sleep {deed.seconds:g}"
    if deed.kind == "several":
        what = f"[{', '.join(map(told, deed.inner))}]"
    elif deed.kind == "limit":
        what = f"limit {deed.key} {deed.number}"
    elif deed.kind != "all":
        what += f" {deed.number}"
    return what if deed.how == "plain" else f"{what} ({deed.how})"
