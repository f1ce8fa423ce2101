"""`python -m benchmarks.soak`: load, faults and restarts on the real thing.

Prints a JSON object for each fault and each run, and a last one with the verdict; with
`--json` they go to a file instead. Exit code 0 if every event that was sent has ended
exactly once, as counted from outside, and nothing was left behind; else 1, and the
command that repeats it: with the same seed all choices are the same, though when a
thread or a process gets its turn is not. The counted proofs are commands of their own,
each with `--help`:

    ledger      millions of events with faults throughout: the ledger is exact
    exits       closes at random instants: nothing is lost unreported, none is late
    kills       workers killed at random moments: nothing is lost, doubled or hung
    waiters     100,000 who wait: how soon they are woken, how long the loop stalls
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.soak.command import conclude, parser_of, run_quietly, setting
from benchmarks.soak.exits import exits
from benchmarks.soak.journal import Journal
from benchmarks.soak.kills import kills
from benchmarks.soak.ledger import ledger
from benchmarks.soak.soaking import Soak
from benchmarks.soak.waiters import waiters

COMMANDS: dict[str, Callable[[Sequence[str]], int]] = {
    "ledger": ledger,
    "exits": exits,
    "kills": kills,
    "waiters": waiters,
}


def soak(arguments: Sequence[str]) -> int:
    """The soak itself."""
    parser = parser_of("", __doc__)
    parser.add_argument("--minutes", type=float, default=1.0, help="(1)")
    parser.add_argument(
        "--events", type=int, help="end after so many, if time is not up"
    )
    parser.add_argument("--json", type=Path, metavar="OUT", help="where the lines go")
    options = parser.parse_args(arguments)
    journal = Journal(options.json)
    try:
        journal.write({"setting": setting(options)})
        soaking = Soak(options.seed, journal, options.minutes * 60, options.events)
        run_quietly(soaking.run(), options.loop)
        journal.write(soaking.verdict())
    finally:
        journal.close()
    return conclude("", arguments, options.seed, soaking.problems)


def main(arguments: Sequence[str]) -> int:
    """The command."""
    if arguments and arguments[0] in COMMANDS:
        return COMMANDS[arguments[0]](arguments[1:])
    return soak(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
