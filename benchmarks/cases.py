"""The cases of the queue beside its rivals: what is measured, on whom, in which unit.

Rules of residence: declarations only. Rivals that are slow in a case run fewer events,
so that samples last about as long.
"""

from __future__ import annotations

from typing import Any

from benchmarks.harness.case import MICROSECONDS, RATE, Arguments, Case, Entry, Unit

__all__ = ["CASES", "EVENTS"]

OURS = "collectorqueue"
NEAREST = "event-collector"
EVENTS = 1_000_000  # of the windowed cases; the others are in proportion to them
TASKS = EVENTS // 5  # for those that make a task of each event
KIQS = EVENTS // 100  # for taskiq
BUBUS = EVENTS // 2000  # a few hundred a second

NANOSECONDS = Unit("ns/name", 1e9)
BYTES = Unit("B/event", 1.0, per_event=False)
MILLISECONDS = Unit("ms, p99", 1e3, per_event=False)


Way = tuple[str, str, int]
"""A rival, how it sends, and how many events."""


def _windowed(name: str, consumers: int, autoscale: bool) -> Case:
    pool = {"window": 100, "consumers": consumers, "autoscale": autoscale}

    def entry(rival: str, mode: str, events: int = EVENTS) -> Entry:
        arguments = pool | {"mode": mode}
        label = _label(rival, mode)
        return Entry(label, rival, "windowed", events, arguments, step=100)

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
            entry("aiochannel", "send_nowait"),
            entry("create_task", "create_task", TASKS),
            entry("blinker", "send_async"),
            entry("pyee", "emit", TASKS),
            entry("taskiq", "await_inplace", KIQS),
            entry("taskiq", "create_task", KIQS),
            entry("bubus", "dispatch", BUBUS),
            # A tenth: at 1,000,000 its rate was 3 % lower, and each sample took 10 s.
            entry(NEAREST, "send", EVENTS // 10),
        ),
        ("event-collector send", "floor", "25-line loop send_nowait"),
    )


def _for_all(
    function: str, rivals: dict[str, int], *, fixed: bool = False, **arguments: Any
) -> tuple[Entry, ...]:
    """One entry a rival, with so many events."""
    return tuple(
        Entry(rival, rival, function, events, arguments, fixed, step=100)
        for rival, events in rivals.items()
    )


def _with_modes(
    function: str, events: int, modes: tuple[str, ...], others: tuple[Way, ...]
) -> tuple[Entry, ...]:
    """Ours in each mode, and the others."""
    ways = [*((OURS, mode, events) for mode in modes), *others]
    return tuple(
        Entry(_label(rival, mode), rival, function, most, {"mode": mode}, step=100)
        for rival, mode, most in ways
    )


def _label(rival: str, mode: str) -> str:
    return rival if mode in ("await", rival) else f"{rival} {mode}"


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
    for label, rival, by, mode, events in (
        ("blinker, 1000 senders", "blinker", "key", "send_async", EVENTS // 2),
        ("blinker, 1000 signals", "blinker", "topic", "send_async", EVENTS // 2),
        ("pyee, 1000 events", "pyee", "topic", "emit", TASKS),
        ("taskiq, 1000 tasks", "taskiq", "key", "await_inplace", KIQS),
        ("bubus, 1000 event types", "bubus", "topic", "dispatch", BUBUS),
    ):
        arguments = _to(by, mode, 1000, 1000)
        entries.append(Entry(label, rival, "routed", events, arguments, step=100))
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
        _with_modes(
            "burst",
            EVENTS // 2,
            ("send", "send_nowait"),
            (
                ("25-line loop", "send_nowait", EVENTS // 2),
                ("asyncio.Queue", "send", EVENTS // 2),
                ("aiochannel", "send_nowait", EVENTS // 2),
                ("create_task", "create_task", TASKS),
                ("blinker", "send_async", TASKS),
                ("pyee", "emit", TASKS),
                ("taskiq", "create_task", KIQS),
                ("bubus", "dispatch", BUBUS),
                (NEAREST, "send", EVENTS // 2),
            ),
        ),
        ("event-collector send",),
    ),
    Case(
        "round-trip",
        "publish one, await it, repeat",
        MICROSECONDS,
        _with_modes(
            "round_trip",
            EVENTS // 20,
            ("send", "request"),
            (
                ("25-line loop", "send_nowait", EVENTS // 20),
                ("asyncio.Queue", "send", EVENTS // 20),
                ("aiochannel", "send_nowait", EVENTS // 20),
                ("create_task", "create_task", EVENTS // 20),
                ("blinker", "send_async", EVENTS // 20),
                ("pyee", "emit", TASKS),
                ("taskiq", "await_inplace", KIQS),
                ("bubus", "dispatch", BUBUS),
                (NEAREST, "send", EVENTS // 20),
            ),
        ),
        ("event-collector send",),
    ),
    Case(
        "memory",
        "tracemalloc over 100,000 queued events, kept (taskiq 10,000, bubus 1,000)",
        BYTES,
        _for_all(
            "memory_per_event",
            dict.fromkeys((OURS, "25-line loop", "asyncio.Queue"), EVENTS // 10)
            | dict.fromkeys(("aiochannel", "create_task", "pyee"), EVENTS // 10)
            | {"blinker": 1, "taskiq": EVENTS // 100, "bubus": 1000}
            | {NEAREST: EVENTS // 10},
            fixed=True,
        ),
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
        _for_all(
            "sleeping",
            {OURS: EVENTS // 2, "asyncio.Queue": EVENTS // 2, "aiochannel": EVENTS // 2}
            | {"create_task": TASKS, "blinker": TASKS, "pyee": TASKS}
            | {"taskiq": KIQS, "bubus": BUBUS, NEAREST: EVENTS // 10},
            window=100,
            consumers=100,
        ),
        (NEAREST,),
    ),
    Case(
        "responsiveness",
        "lag of a 1 ms ticker while 1,000,000 trivial events drain, or as many as said",
        MILLISECONDS,
        # Those that block the loop for longer do so with a tenth as well, or less.
        _for_all(
            "responsiveness",
            dict.fromkeys((OURS, "25-line loop", "asyncio.Queue"), EVENTS)
            | {"aiochannel": EVENTS}
            | dict.fromkeys(("create_task", "blinker", "pyee"), EVENTS // 10)
            | {"taskiq": KIQS, "bubus": BUBUS, NEAREST: EVENTS // 10},
        ),
        (),
    ),
)
"""All of them, in the order they are run."""
