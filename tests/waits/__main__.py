"""Random programs of handlers that wait: none hangs, none is refused wrongly.

    python -m tests.waits START END [--seconds N] [--shrink] [--only NAMES] [--quiet]
    python -m tests.waits SEED          # one program: what it is, and what goes wrong
    python -m tests.waits --run FILE    # a program written down in a file, by its repr

A line for each seed that fails, `KIND seed ...`; with --shrink, and for one seed, the
smallest program that still fails so, and its repr. The exit code is 1 if any failed. NAMES
are of features, see `making`.
"""

from __future__ import annotations

import argparse
import logging
import signal
import sys
import time
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

from tests.waits import program as names
from tests.waits.kinds import tags
from tests.waits.making import FEATURES, make
from tests.waits.playing import play
from tests.waits.program import Program, lines_of
from tests.waits.shrinking import shrunk

LONGEST_S = 60  # of real time, for one program


def say(line: str) -> None:
    """To whoever watches, at once."""
    print(line, flush=True)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.waits", usage=__doc__)
    parser.add_argument("start", type=int, nargs="?", default=0)
    parser.add_argument("end", type=int, nargs="?")
    parser.add_argument("--seconds", type=float, default=1e9)
    parser.add_argument("--shrink", action="store_true")
    parser.add_argument("--kind", help="shrink to, and say, only this kind of fault")
    parser.add_argument("--only", help="no other features than these, by commas")
    parser.add_argument("--without", default="", help="not these features, by commas")
    parser.add_argument("--quiet", action="store_true", help="only the sums")
    parser.add_argument("--run", type=Path)
    given = parser.parse_args(arguments)
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    if given.run is not None:
        return show(eval(given.run.read_text(), vars(names)), shrinks=False)
    only = frozenset(given.only.split(",") if given.only else FEATURES)
    only -= frozenset(given.without.split(","))
    if given.end is None:
        return show(make(given.start, only), shrinks=True, kind=given.kind)
    return fuzz(given, only)


def fuzz(given: Any, only: frozenset[str]) -> int:
    begun = time.monotonic()
    found: Counter[str] = Counter()
    done = 0
    for seed in range(given.start, given.end):
        if time.monotonic() - begun > given.seconds:
            break
        done += 1
        program = make(seed, only)
        faults = played(program)
        kinds = {each.kind for each in faults}
        found.update(kinds)
        wanted = kinds if given.kind is None else kinds & {given.kind}
        for kind in sorted(wanted) if not given.quiet else ():
            what = next(each.what for each in faults if each.kind == kind)
            if given.shrink:
                least = smallest(program, kind)
                say(f"{kind} {seed} [{' '.join(tags(least))}]")
                for line in lines_of(least):
                    say(f"    {line}")
                for fault in played(least):
                    say(f"    {fault.kind}: {fault.what[:400]}")
            else:
                say(f"{kind} {seed} {what[:300]}")
    took = time.monotonic() - begun
    say(f"{done} programs in {took:.0f} s: {dict(sorted(found.items()))}")
    return 1 if found else 0


def show(program: Program, *, shrinks: bool, kind: str | None = None) -> int:
    """One program, and the smallest that goes wrong as it does."""
    for line in lines_of(program):
        say(line)
    faults = played(program)
    for each in faults:
        say(f"{each.kind}: {each.what}")
    if faults and shrinks:
        least = smallest(program, kind or faults[0].kind)
        say(f"\nsmallest [{' '.join(tags(least))}]:")
        for line in lines_of(least):
            say(line)
        for each in played(least):
            say(f"{each.kind}: {each.what}")
        say(f"\n{least!r}")
    return 1 if faults else 0


def smallest(program: Program, kind: str) -> Program:
    def fails(smaller: Program) -> bool:
        return any(each.kind == kind for each in played(smaller))

    return shrunk(program, fails)


def played(program: Program) -> list[Any]:
    def too_long(*_: object) -> None:
        say(f"SPIN {program.seed}")
        sys.exit(3)

    signal.signal(signal.SIGALRM, too_long)
    signal.alarm(LONGEST_S)
    try:
        return play(program)
    finally:
        signal.alarm(0)


if __name__ == "__main__":
    sys.exit(main())
