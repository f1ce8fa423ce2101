"""`python -m benchmarks.growth`: how the cost of an event grows with what is more.

Prints a table for each sweep; `--json` keeps the raw numbers, from which `python -m
benchmarks.page` draws a chart for each. See ../README.md.
"""

from __future__ import annotations

import sys

from benchmarks.growth.measure import why_not
from benchmarks.growth.sweeps import EVENTS, SWEEPS
from benchmarks.harness.command import options_of, parser_of, run_suite
from benchmarks.harness.suite import Suite
from benchmarks.workers.calibration import rounds_per_us

SUITE = Suite(
    command="python -m benchmarks.growth",
    about=__doc__ or "",
    cases=tuple(sweep.case for sweep in SWEEPS),
    figures=[],
    events=EVENTS,
    quick_events=EVENTS // 20,
    sized_by="a sweep of collectors",
    measure="benchmarks.growth.measure",
    why_not=why_not,
    packages=(
        *("collectorqueue", "uvloop", "msgspec", "event-collector"),
        *("blinker", "pyee", "pyzmq"),
    ),
)

if __name__ == "__main__":
    shared = {"rounds_per_us": rounds_per_us()}
    sys.exit(run_suite(SUITE, options_of(parser_of(SUITE), SUITE), shared))
