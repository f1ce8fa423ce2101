"""`python -m benchmarks`: compare the queue with its rivals.

Prints a table for each case and a verdict for each figure to reach; `--json` keeps the
raw numbers. See README.md beside this file.
"""

from __future__ import annotations

import sys

from benchmarks.cases import CASES, EVENTS
from benchmarks.figures import FIGURES
from benchmarks.harness.command import options_of, parser_of, run_suite
from benchmarks.harness.suite import Suite
from benchmarks.rivals import why_not

SUITE = Suite(
    command="python -m benchmarks",
    about=__doc__ or "",
    cases=CASES,
    figures=FIGURES,
    events=EVENTS,
    quick_events=50_000,
    sized_by="a windowed case",
    measure="benchmarks.measure",
    why_not=why_not,
    packages=(
        *("collectorqueue", "uvloop", "msgspec", "event-collector"),
        *("aiochannel", "blinker", "pyee", "taskiq", "orjson", "bubus"),
    ),
)

if __name__ == "__main__":
    sys.exit(run_suite(SUITE, options_of(parser_of(SUITE), SUITE)))
