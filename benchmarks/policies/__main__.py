"""`python -m benchmarks.policies`: what each delivery policy costs an event when it is on.

All beside the same queue without it. Prints a table for each case and a verdict for each
figure to reach; `--json` keeps the raw numbers. See ../README.md.
"""

from __future__ import annotations

import sys

from benchmarks.harness.case import RATE, Case, Entry
from benchmarks.harness.command import options_of, parser_of, run_suite
from benchmarks.harness.suite import Suite
from benchmarks.harness.verdicts import Figure
from benchmarks.policies.measure import why_not

EVENTS = 200_000
OURS = "collectorqueue"
PLAIN = "plain"


def entries(function: str, ways: tuple[str, ...]) -> tuple[Entry, ...]:
    """One a way, each beside the plain one."""
    return tuple(Entry(way, OURS, function, EVENTS, {"way": way}) for way in ways)


ONE_BY_ONE = (
    PLAIN, "ordering_key", "ttl", "delay", "timeout", "retry", "dead_letter", "max_concurrency",
    "rate_limit", "payload_type", "max_bytes", "batch", "all of them",
)  # fmt: skip
CASES = (
    Case("each", "one policy after the other, a trivial handler, windows of 1,000", RATE,
         entries("windowed", ONE_BY_ONE), (PLAIN,)),
    Case("keys", "10,000 live keys, each with events that wait", RATE,
         entries("bursts", (PLAIN, "ordering_key")), (PLAIN,)),
    Case("trivial", "batches of 200, a trivial handler", RATE,
         entries("trivial", (PLAIN, "batch")), (PLAIN,)),
    Case("costly", "batches of 200, a handler that takes 1 us a call", RATE,
         entries("costly", (PLAIN, "batch")), (PLAIN,)),
)  # fmt: skip
FIGURES = [
    Figure("keys", "ordering_key", PLAIN, True, 0.5),
    Figure("trivial", "batch", PLAIN, True, 1.3),
    Figure("costly", "batch", PLAIN, True, 3),
]
SUITE = Suite(
    command="python -m benchmarks.policies",
    about=__doc__ or "",
    cases=CASES,
    figures=FIGURES,
    events=EVENTS,
    quick_events=20_000,
    sized_by="each",
    measure="benchmarks.policies.measure",
    why_not=why_not,
    packages=("collectorqueue", "uvloop"),
)

if __name__ == "__main__":
    sys.exit(run_suite(SUITE, options_of(parser_of(SUITE), SUITE)))
