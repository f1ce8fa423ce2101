"""The fuzzers, for as long as there is time: what comes in from outside breaks nothing.

    python -m tests.fuzz --seconds 300 --seed 1 [frames|payloads|lines|arguments ...]

Prints a line for each fuzzer; exit code 0 without a violation. For one it prints the seed,
the round and the input: `--seed S --round N --seconds 0.001` plays it again.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections.abc import Callable

from tests.fuzz.arguments import ArgumentFuzzer
from tests.fuzz.benches import BenchFuzzer
from tests.fuzz.border import BorderFuzzer
from tests.fuzz.cuts import CutFuzzer
from tests.fuzz.lines import LineFuzzer
from tests.fuzz.payloads import PayloadFuzzer
from tests.fuzz.rounds import Fuzzer
from tests.fuzz.streams import StreamFuzzer
from tests.fuzz.watched import watch

FUZZERS: dict[str, tuple[Callable[[], Fuzzer], ...]] = {
    "frames": (StreamFuzzer, BorderFuzzer, CutFuzzer, BenchFuzzer),
    "payloads": (PayloadFuzzer,),
    "lines": (LineFuzzer,),
    "arguments": (ArgumentFuzzer,),
}


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.fuzz",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--seconds", type=float, default=60.0, help="for each of them")
    parser.add_argument("--seed", type=int, default=random.randrange(2**31))
    parser.add_argument("--round", type=int, default=0, help="the first to play")
    parser.add_argument("what", nargs="*", metavar="frames|payloads|lines|arguments")
    options = parser.parse_args()
    if unknown := set(options.what) - set(FUZZERS):
        parser.error(
            f"no fuzzer {sorted(unknown)[0]!r}; there are: {', '.join(FUZZERS)}"
        )
    violations = 0
    for what in options.what or FUZZERS:
        fuzzers = FUZZERS[what]
        for fuzzer in fuzzers:
            tally, violation = watch(
                fuzzer, options.seed, options.seconds / len(fuzzers), options.round
            )
            violations += bool(violation)
            if violation:
                print(violation)
            print(
                f"{what} {fuzzer.__name__}: seed={options.seed} tried={tally.tried:,} "
                f"refused={tally.refused:,} equal={tally.equal:,} "
                f"violations={int(bool(violation))}",
                flush=True,
            )
    return 1 if violations else 0


if __name__ == "__main__":
    sys.exit(main())
