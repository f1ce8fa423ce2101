"""The cases: what is carried to worker processes and back, by whom, in which unit.

Rules of residence: declarations only. Rivals that are slow in a case carry fewer
events, so that samples last about as long.
"""

from __future__ import annotations

from typing import Any

from benchmarks.harness.case import MICROSECONDS, Case, Entry, Unit

__all__ = ["CASES", "EVENTS"]

EVENTS = 200_000  # of payload-100B; the other cases are in proportion
STEP = 100

OURS = "collectorqueue"
EXECUTOR = "ProcessPoolExecutor"
BARE = "bare processes"
CHUNKED = ("chunksize=1", "chunksize=64", "chunksize=1024")

RATE = Unit("k events/s", 1e-3, per_second=True)
TYPICAL = Unit("us, p50", 1e6, per_event=False)
LATE = Unit("ms, p99", 1e3, per_event=False)
MILLISECONDS = Unit("ms", 1e3, per_event=False)

Arguments = dict[str, Any]


def _entries(
    function: str, arguments: Arguments, slow: int, fast: int, *, fixed: bool = False
) -> tuple[Entry, ...]:
    """All that can carry anything; `slow` events for those that send one at a time."""

    def entry(rival: str, events: int, mode: str | None = None) -> Entry:
        label = rival if mode is None else f"{rival} {mode}"
        more = {} if mode is None else {"mode": mode}
        return Entry(label, rival, function, events, arguments | more, fixed, STEP)

    chunked = (slow, fast, fast)
    return (
        entry(OURS, fast, "send"),
        entry(OURS, fast, "send_nowait"),
        entry(EXECUTOR, slow),
        *map(entry, ["Pool.imap"] * 3, chunked, CHUNKED),
        entry("loky", slow),
        entry("pebble", slow),
        entry("pyzmq", fast),
        entry("faster-fifo", fast),
    )


def _also(
    entries: tuple[Entry, ...], *rivals: str, events: int = 0
) -> tuple[Entry, ...]:
    """The same with these rivals, which have no modes to choose from."""
    first = entries[0]
    arguments = {k: v for k, v in first.arguments.items() if k != "mode"}
    more = (
        Entry(r, r, first.function, events or first.events, arguments, step=STEP)
        for r in rivals
    )
    return (*entries, *more)


def _without(entries: tuple[Entry, ...], *labels: str) -> tuple[Entry, ...]:
    return tuple(each for each in entries if each.label not in labels)


def _carrying(kind: str, work_us: float) -> Arguments:
    return {"kind": kind, "work_us": work_us}


SMALL = _carrying("record", 0)
SHORT = _carrying("record", 50)
LONG = _carrying("record", 2000)
BIG_CHUNK = "Pool.imap chunksize=1024"
IMAP_64 = "Pool.imap chunksize=64"


def _single(function: str, events: int, *, fixed: bool) -> tuple[Entry, ...]:
    """One at a time: chunks play no part."""
    entries = _entries(function, SMALL, events, events, fixed=fixed)
    request = Entry(
        f"{OURS} request",
        OURS,
        function,
        events,
        SMALL | {"mode": "request"},
        fixed,
        STEP,
    )
    kept = _without(entries, f"{OURS} send_nowait", IMAP_64, BIG_CHUNK)
    return (kept[0], request, *kept[1:])


CASES = (
    Case(
        "payload-100B",
        "dicts of 100 bytes there, dicts of 100 bytes back, no work",
        RATE,
        _entries("throughput", SMALL, EVENTS // 10, EVENTS),
        (EXECUTOR, IMAP_64),
    ),
    Case(
        "payload-10KB",
        "dicts of 10 KB there, dicts of 100 bytes back, no work",
        RATE,
        _entries("throughput", _carrying("rows", 0), EVENTS // 20, EVENTS // 10),
        (EXECUTOR, IMAP_64),
    ),
    Case(
        "payload-1MB",
        "bytes of 1 MB there, dicts of 100 bytes back, no work",
        RATE,
        _without(
            _entries("throughput", _carrying("blob", 0), EVENTS // 400, EVENTS // 200),
            BIG_CHUNK,  # a gigabyte each
        ),
        (EXECUTOR, "Pool.imap chunksize=1"),
    ),
    Case(
        "work-50us",
        "dicts of 100 bytes there and back, 50 us of work",
        RATE,
        _also(
            _entries("throughput", SHORT, EVENTS // 10, EVENTS // 4), "inline", BARE
        ),
        (EXECUTOR, BARE),
    ),
    Case(
        "work-2ms",
        "dicts of 100 bytes there and back, 2 ms of work",
        RATE,
        _also(
            _without(
                _entries("throughput", LONG, EVENTS // 100, EVENTS // 100),
                BIG_CHUNK,  # half of all: one process would have nothing to do
            ),
            "inline",
            BARE,
        ),
        (EXECUTOR, BARE),
    ),
    Case(
        "round-trip",
        "send one, wait for its answer, repeat",
        TYPICAL,
        _single("round_trip", EVENTS // 40, fixed=False),
        (EXECUTOR,),
    ),
    Case(
        "loop-lag",
        "lag of a 1 ms ticker while 2 ms of work each are done",
        LATE,
        _also(
            _without(
                _entries("loop_lag", LONG, EVENTS // 100, EVENTS // 100), BIG_CHUNK
            ),
            "inline",
            BARE,
        ),
        (BARE,),
    ),
    Case(
        "parent-cpu",
        "processor time of the parent, all its threads; dicts of 100 bytes, no work",
        MICROSECONDS,
        _entries("parent_cpu", SMALL, EVENTS // 10, EVENTS),
        (EXECUTOR,),
    ),
    Case(
        "start-up",
        "from nothing to the first answer",
        MILLISECONDS,
        _single("start_up", 1, fixed=True),
        (EXECUTOR,),
    ),
)
"""All of them, in the order they are run."""
