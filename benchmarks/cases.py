"""The cases: what is measured, on which rivals, in which unit.

Rules of residence: declarations only. An entry is one rival doing a case in one way;
the entries of a case are measured in turn, again and again, so that they share the
machine's moods and their ratios mean something.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

__all__ = ["CASES", "Case", "Entry", "Unit"]

OURS = "collectorqueue"
NEAREST = "event-collector"
EVENTS = 1_000_000  # of the windowed cases; the others are in proportion to them

Arguments = dict[str, Any]


@dataclass(frozen=True)
class Unit:
    """How a sample is shown: `scale` times events per second, or seconds per event."""

    name: str
    scale: float
    per_second: bool = False
    per_event: bool = True

    def value(self, sample: float, events: int) -> float:
        """What a rival's function returned, in this unit."""
        if self.per_second:
            return self.scale * events / sample
        return self.scale * (sample / events if self.per_event else sample)


RATE = Unit("M events/s", 1e-6, per_second=True)
MICROSECONDS = Unit("us/event", 1e6)
NANOSECONDS = Unit("ns/name", 1e9)
BYTES = Unit("B/event", 1.0, per_event=False)
MILLISECONDS = Unit("ms, p99", 1e3, per_event=False)


@dataclass(frozen=True)
class Entry:
    """One rival, one way: `function(events, **arguments)`.

    `events` is what a run of full size has; `fixed` where they are the thing measured,
    or where there must be enough of them. Another size is a whole number of `step`.
    """

    label: str
    rival: str
    function: str
    events: int
    arguments: Arguments = field(default_factory=dict)
    fixed: bool = False
    step: int = 1000

    def sized(self, factor: float) -> int:
        """How many events to run."""
        if self.fixed:
            return self.events
        return max(self.step, round(self.events * factor / self.step) * self.step)


@dataclass(frozen=True)
class Case:
    """Entries to compare; `against` are the labels that its table's ratios refer to."""

    name: str
    title: str
    unit: Unit
    entries: tuple[Entry, ...]
    against: tuple[str, ...]


def _windowed(name: str, consumers: int, autoscale: bool) -> Case:
    pool = {"window": 100, "consumers": consumers, "autoscale": autoscale}

    def entry(rival: str, mode: str, events: int = EVENTS) -> Entry:
        label = rival if mode == "await" else f"{rival} {mode}"
        return Entry(label, rival, "windowed", events, pool | {"mode": mode})

    scaling = "autoscaled" if autoscale else "autoscale=False"
    return Case(
        name,
        f"send 100, yield, repeat; max_consumers={consumers}, {scaling}",
        RATE,
        (
            # Three times as many, so that its samples are as long as those of others.
            entry("floor", "await", 3 * EVENTS),
            entry(OURS, "send"),
            entry(OURS, "send_nowait"),
            entry(OURS, "send_many"),
            entry("25-line loop", "send_nowait"),
            entry("asyncio.Queue", "send"),
            entry("asyncio.Queue", "send_nowait"),
            # A tenth: at 1,000,000 its rate was 3 % lower, and each sample took 10 s.
            entry(NEAREST, "send", EVENTS // 10),
        ),
        ("event-collector send", "floor", "25-line loop send_nowait"),
    )


def _for_all(function: str, events: int, **options: Any) -> tuple[Entry, ...]:
    return tuple(
        Entry(rival, rival, function, events, **options)
        for rival in (OURS, "25-line loop", "asyncio.Queue", NEAREST)
    )


def _with_modes(
    function: str, events: int, modes: tuple[str, ...]
) -> tuple[Entry, ...]:
    ways = [(OURS, mode) for mode in modes]
    ways += [("25-line loop", "send_nowait"), ("asyncio.Queue", "send")]
    ways += [(NEAREST, "send")]
    return tuple(
        Entry(f"{rival} {mode}", rival, function, events, {"mode": mode})
        for rival, mode in ways
    )


def _routing() -> Case:
    single = {"window": 100, "consumers": 8, "autoscale": True}
    entries = []
    for mode in ("send", "send_nowait"):
        one = Entry(
            f"one collector, broadcast, {mode}",
            OURS,
            "windowed",
            EVENTS,
            single | {"mode": mode},
        )
        entries += [one, *(_routed(by, mode, 1000, 1000) for by in ("key", "topic"))]
    for by in ("key", "topic"):
        arguments = _to(by, "send", 1000, 1000)
        label = f"event-collector, 1000 collectors, {by}, send"
        entries.append(Entry(label, NEAREST, "routed", EVENTS // 10, arguments))
    return Case(
        "routing",
        "windowed, by KEY and TOPIC among 1,000 collectors",
        RATE,
        tuple(entries),
        ("one collector, broadcast, send", "one collector, broadcast, send_nowait"),
    )


def _routed(by: str, mode: str, collectors: int, hot: int) -> Entry:
    label = f"{collectors} collectors, {by}, {mode}"
    return Entry(label, OURS, "routed", EVENTS, _to(by, mode, collectors, hot))


def _to(by: str, mode: str, collectors: int, hot: int) -> Arguments:
    return {
        "window": 100,
        "delivery": by,
        "collectors": collectors,
        "hot": hot,
        "mode": mode,
    }


def _dispatch() -> Case:
    sizes = (("key", 10), ("key", 100_000), ("topic", 10), ("topic", 1_000_000))
    return Case(
        "dispatch",
        "one look-up of a route, for the same 10 hot names",
        NANOSECONDS,
        tuple(
            Entry(
                f"{names} {by}s",
                OURS,
                "dispatch",
                2 * EVENTS,
                {"by": by, "names": names},
            )
            for by, names in sizes
        ),
        ("10 keys", "10 topics"),
    )


def _index_build() -> Case:
    # A doubling each, so that both sizes miss the processor's caches alike.
    sizes = (
        ("key", 50_000),
        ("key", 100_000),
        ("topic", 500_000),
        ("topic", 1_000_000),
    )
    return Case(
        "index-build",
        "registering names with a queue, for each name",
        NANOSECONDS,
        tuple(
            Entry(f"{names} {by}s", OURS, "index_build", names, {"by": by}, fixed=True)
            for by, names in sizes
        ),
        ("50000 keys", "500000 topics"),
    )


CASES = (
    _windowed("windowed-1", 1, True),
    _windowed("windowed-8", 8, True),
    _windowed("windowed-100", 100, True),
    _windowed("windowed-100-fixed", 100, False),
    Case(
        "burst",
        "500,000 sent, their events kept, then all awaited",
        RATE,
        _with_modes("burst", EVENTS // 2, ("send", "send_nowait")),
        ("event-collector send",),
    ),
    Case(
        "round-trip",
        "publish one, await it, repeat",
        MICROSECONDS,
        _with_modes("round_trip", EVENTS // 20, ("send", "request")),
        ("event-collector send",),
    ),
    Case(
        "memory",
        "tracemalloc over 100,000 queued events, kept",
        BYTES,
        _for_all("memory_per_event", EVENTS // 10, fixed=True),
        (NEAREST,),
    ),
    _routing(),
    _dispatch(),
    Case(
        "dispatch-in-queue",
        "windowed by KEY, the same 10 hot keys",
        RATE,
        (
            _routed("key", "send_nowait", 10, 10),
            _routed("key", "send_nowait", 100_000, 10),
        ),
        ("10 collectors, key, send_nowait",),
    ),
    _index_build(),
    Case(
        "sleeping",
        "100 consumers, handlers that `await asyncio.sleep(0)`",
        RATE,
        tuple(
            Entry(rival, rival, "sleeping", events, {"window": 100, "consumers": 100})
            for rival, events in ((OURS, EVENTS // 2), (NEAREST, EVENTS // 10))
        ),
        (NEAREST,),
    ),
    Case(
        "responsiveness",
        "lag of a 1 ms ticker while 1,000,000 trivial events drain",
        MILLISECONDS,
        tuple(
            Entry(rival, rival, "responsiveness", events)
            for rival, events in (
                (OURS, EVENTS),
                ("25-line loop", EVENTS),
                ("asyncio.Queue", EVENTS),
                # Ten times as many block it for ten times as long.
                (NEAREST, EVENTS // 10),
            )
        ),
        (),
    ),
)
"""All of them, in the order they are run."""
