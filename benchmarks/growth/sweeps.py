"""The sweeps: what grows, for whom, and up to where.

Rules of residence: declarations only. A rival stops where a sample would take too long,
or where it has nothing of the kind.
"""

from __future__ import annotations

from benchmarks.growth.sweep import Line, Sweep, line
from benchmarks.harness.case import MICROSECONDS, Arguments, Unit

__all__ = ["EVENTS", "SWEEPS"]

EVENTS = 100_000  # of ours, with collectors; the others are in proportion
WINDOW = 100

OURS = "collectorqueue"
NEAREST = "event-collector"
EXECUTOR = "ProcessPoolExecutor"

PER_SECOND = Unit("events/s", 1.0, per_second=True)

COLLECTORS = (1, 10, 100, 1_000, 10_000)
FANS = (1, 2, 4, 8, 16, 32, 64)
QUEUED = (1_000, 10_000, 100_000, 1_000_000)
TOPICS = (1, 10, 100, 1_000, 10_000, 100_000)
CONSUMERS = (1, 4, 16, 64, 256, 1_000)
KEYS = (1, 10, 100, 1_000, 10_000, 100_000)
BYTES = (100, 1_000, 10_000, 100_000, 1_000_000)
WORKERS = (1, 2, 3, 4)


def _events() -> Sweep:
    def queued(name: str, rival: str, mode: str, most: int = QUEUED[-1]) -> Line:
        sizes = [size for size in QUEUED if size <= most]

        def arguments(size: int) -> Arguments:
            # Small ones again and again, so that a sample is long enough.
            return {"mode": mode, "rounds": max(1, 50_000 // size)}

        return line(
            name, rival, "bursts", sizes, arguments, lambda size: size, fixed=True
        )

    return Sweep(
        "events",
        "all sent, kept, then all awaited",
        "events in the queue",
        MICROSECONDS,
        {
            OURS: queued(OURS, OURS, "send_nowait"),
            "25-line loop": queued("25-line loop", "25-line loop", "send_nowait"),
            "asyncio.Queue": queued("asyncio.Queue", "asyncio.Queue", "send_nowait"),
            "create_task": queued("create_task", "create_task", "create_task", 100_000),
            NEAREST: queued(NEAREST, NEAREST, "send", 100_000),
        },
    )


def _collectors() -> Sweep:
    def routed(name: str, rival: str, by: str, mode: str, events: int) -> Line:
        def arguments(size: int) -> Arguments:
            return {
                "window": WINDOW,
                "delivery": by,
                "collectors": size,
                "hot": min(size, 10),
                "mode": mode,
            }

        return line(name, rival, "routed", COLLECTORS, arguments, lambda _: events)

    return Sweep(
        "collectors",
        "each event for one of them, the same ten in turn",
        "collectors registered",
        MICROSECONDS,
        {
            OURS: routed(OURS, OURS, "key", "send", EVENTS),
            "blinker": routed("blinker", "blinker", "key", "send_async", EVENTS // 2),
            "pyee": routed("pyee", "pyee", "topic", "emit", EVENTS // 2),
            NEAREST: routed(NEAREST, NEAREST, "key", "send", EVENTS // 5),
        },
    )


def _fan_out() -> Sweep:
    def fan(name: str, rival: str, mode: str, most: int) -> Line:
        def arguments(size: int) -> Arguments:
            return {"window": WINDOW, "collectors": size, "mode": mode}

        def events(size: int) -> int:
            return max(500, most // size // WINDOW * WINDOW)

        return line(name, rival, "fan_out", FANS, arguments, events)

    return Sweep(
        "fan-out",
        "each event for all of them",
        "collectors of one event",
        MICROSECONDS,
        {
            f"{OURS}, plain functions": fan(f"{OURS}, plain", OURS, "plain", EVENTS),
            f"{OURS}, async def": fan(f"{OURS}, async", OURS, "send", EVENTS),
            "blinker": fan("blinker", "blinker", "send_async", EVENTS),
            "pyee": fan("pyee", "pyee", "emit", EVENTS // 2),
            NEAREST: fan(NEAREST, NEAREST, "send", EVENTS // 5),
        },
    )


def _topics() -> Sweep:
    def topical(rival: str, events: int) -> Line:
        def arguments(size: int) -> Arguments:
            return {"window": WINDOW, "topics": size}

        def reaching_all(size: int) -> int:
            return max(events, size)

        return line(
            rival, rival, "topical", TOPICS, arguments, reaching_all, fixed=True
        )

    return Sweep(
        "topics",
        "each event for the next of them",
        "topics subscribed to",
        MICROSECONDS,
        {
            OURS: topical(OURS, EVENTS),
            "blinker": topical("blinker", EVENTS),
            "pyee": topical("pyee", EVENTS // 2),
            NEAREST: topical(NEAREST, EVENTS // 5),
        },
        "Ours and event-collector's are shared among ten collectors; with the others a "
        "topic is a signal or a name.",
    )


def _consumers() -> Sweep:
    def sleeping(rival: str) -> Line:
        def arguments(size: int) -> Arguments:
            return {"window": WINDOW, "consumers": size, "sleep_s": 0.001}

        def events(size: int) -> int:
            return max(300, min(20_000, 100 * size))

        return line(rival, rival, "sleeping", CONSUMERS, arguments, events)

    return Sweep(
        "consumers",
        "handlers that sleep for 1 ms; more is better",
        "consumers",
        PER_SECOND,
        {rival: sleeping(rival) for rival in (OURS, "asyncio.Queue", NEAREST)},
        "With asyncio.Queue a consumer is a worker task.",
    )


def _keys() -> Sweep:
    def keyed(name: str, way: str, sizes: tuple[int, ...]) -> Line:
        def arguments(size: int) -> Arguments:
            return {"way": way, "keys": size}

        # As many as there are keys at most: all of them are live.
        return line(name, OURS, "keyed", sizes, arguments, lambda _: EVENTS, fixed=True)

    return Sweep(
        "keys",
        "100,000 events queued, dealt out to them, then handled in order",
        "ordering keys alive at once",
        MICROSECONDS,
        {
            "with ordering keys": keyed("keys", "ordering_key", KEYS),
            "without": keyed("without", "plain", (KEYS[0], KEYS[-1])),
        },
    )


def _payloads() -> Sweep:
    def carried(name: str, rival: str, most: int, mode: str | None = None) -> Line:
        def arguments(size: int) -> Arguments:
            found: Arguments = {"size_bytes": size}
            return found if mode is None else found | {"mode": mode}

        def events(size: int) -> int:
            return max(100, min(most, 100_000_000 // size))

        return line(name, rival, "carried", BYTES, arguments, events)

    return Sweep(
        "payload-size",
        "bytes there, 100 bytes back, no work, two worker processes",
        "bytes of a payload",
        MICROSECONDS,
        {
            f"{OURS}, processes": carried(OURS, OURS, 20_000, "send"),
            f"{OURS}, on the loop": carried("inline", "inline", 20_000, "send"),
            "pyzmq": carried("pyzmq", "pyzmq", 20_000),
            EXECUTOR: carried(EXECUTOR, EXECUTOR, 2_000),
        },
    )


def _workers() -> Sweep:
    def working(name: str, rival: str, mode: str | None = None) -> Line:
        def arguments(size: int) -> Arguments:
            found: Arguments = {"workers": size}
            return found if mode is None else found | {"mode": mode}

        return line(name, rival, "worked", WORKERS, arguments, lambda size: 400 * size)

    return Sweep(
        "workers",
        "2 ms of work an event; more is better",
        "worker processes",
        PER_SECOND,
        {
            OURS: working(OURS, OURS, "send"),
            "bare processes": working("bare processes", "bare processes"),
            EXECUTOR: working(EXECUTOR, EXECUTOR),
        },
        "No more can run at a time than there are cores, and the parent takes its "
        "share of them. Bare processes have their items from the start.",
    )


SWEEPS = (
    _events(),
    _collectors(),
    _fan_out(),
    _topics(),
    _consumers(),
    _keys(),
    _payloads(),
    _workers(),
)
"""All of them, in the order they are run."""
