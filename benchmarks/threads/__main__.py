"""`python -m benchmarks.threads`: sends from other threads beside their rivals.

Prints a table for each case and a verdict for each figure to reach; `--json` keeps the
raw numbers. See ../README.md.
"""

from __future__ import annotations

import sys

from benchmarks.harness.case import RATE, Case, Entry
from benchmarks.harness.command import options_of, parser_of, run_suite
from benchmarks.harness.suite import Suite
from benchmarks.harness.verdicts import Figure
from benchmarks.threads.measure import why_not

EVENTS = 1_000_000
OURS, NEAREST = "collectorqueue", "call_soon_threadsafe"
OTHERS = ("janus", "culsans", "aiologic")


def entries(threads: int) -> tuple[Entry, ...]:
    """Those that are slow send a fifth, so that samples last about as long."""
    shares = {OURS: EVENTS, NEAREST: EVENTS, **dict.fromkeys(OTHERS, EVENTS // 5)}
    return tuple(
        Entry(rival, rival, "sending", events, {"threads": threads})
        for rival, events in shares.items()
    )


CASES = (
    Case("16-threads", "16 threads send what the loop handles", RATE, entries(16), (NEAREST,)),
    Case("one-thread", "the same from one", RATE, entries(1), (NEAREST,)),
)
FIGURES = [
    Figure("16-threads", OURS, NEAREST, True, 3),
    *(Figure("16-threads", OURS, each, True, 1) for each in OTHERS),
]
SUITE = Suite(
    command="python -m benchmarks.threads",
    about=__doc__ or "",
    cases=CASES,
    figures=FIGURES,
    events=EVENTS,
    quick_events=50_000,
    sized_by="16-threads",
    measure="benchmarks.threads.measure",
    why_not=why_not,
    packages=("collectorqueue", "uvloop", *OTHERS),
)

if __name__ == "__main__":
    sys.exit(run_suite(SUITE, options_of(parser_of(SUITE), SUITE)))
