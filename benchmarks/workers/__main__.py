"""`python -m benchmarks.workers`: compare worker processes with their rivals.

Prints a table for each case and a verdict for each figure to reach; `--json` keeps the
raw numbers. `--chart OUT` shows instead from how much work on they pay. See README.md
beside this file.
"""

from __future__ import annotations

import sys
from pathlib import Path

from benchmarks.harness.command import begun_report, options_of, parser_of, run_suite
from benchmarks.harness.report import header
from benchmarks.harness.suite import Suite
from benchmarks.workers.calibration import rounds_per_us
from benchmarks.workers.cases import CASES, EVENTS
from benchmarks.workers.chart import run_chart
from benchmarks.workers.figures import FIGURES
from benchmarks.workers.rivals import why_not

SUITE = Suite(
    command="python -m benchmarks.workers",
    about=__doc__ or "",
    cases=CASES,
    figures=FIGURES,
    events=EVENTS,
    quick_events=10_000,
    sized_by="payload-100B",
    measure="benchmarks.workers.measure",
    why_not=why_not,
    packages=(
        *("collectorqueue", "uvloop", "msgspec"),
        *("loky", "pebble", "pyzmq", "faster-fifo"),
    ),
)


def main() -> int:
    """Run what the command line asks for; 1 if a measurement failed."""
    parser = parser_of(SUITE)
    parser.add_argument(
        "--chart",
        type=Path,
        metavar="OUT.svg",
        help="only this: the cost of an event against its work; --case is ignored",
    )
    options = options_of(parser, SUITE)
    shared = {"rounds_per_us": rounds_per_us()}
    if options.chart is None:
        return run_suite(SUITE, options, shared)
    print(header(begun_report(SUITE, options)), flush=True)
    return run_chart(SUITE, options, shared)


if __name__ == "__main__":
    sys.exit(main())
