"""Long runs against the reference.

    python -m tests.model --steps 200000 [--seed 1] [--loop virtual|asyncio|uvloop]
    python -m tests.model storms --seeds 0..5000

The first compares a queue with the reference at every step of programs that hypothesis
chooses; what went wrong is shrunk. The second runs seeded storms of all policies
together. Lines say how far it is; the exit code is 0 if there was no violation.
"""

from __future__ import annotations

import argparse
import logging
import sys

from tests.model.nightly import run_machine, run_storms


def say(line: str) -> None:
    """To whoever watches, at once."""
    print(line, flush=True)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.model")
    parser.add_argument(
        "what", nargs="?", choices=["machine", "storms"], default="machine"
    )
    parser.add_argument("--steps", type=int, default=200_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--loop", choices=["virtual", "asyncio", "uvloop"], default="virtual"
    )
    parser.add_argument("--seeds", default="0..5000", help="of storms: FIRST..END")
    given = parser.parse_args(arguments)
    logging.disable(logging.CRITICAL)  # each failure of a handler would be a line
    if given.what == "storms":
        return 1 if run_storms(*map(int, given.seeds.split("..")), say) else 0
    report = run_machine(given.steps, given.seed, given.loop, say)
    return 1 if report.violations else 0


if __name__ == "__main__":
    sys.exit(main())
