"""Do the tests catch what they are for? Puts known faults into the library, one at a time.

    python -m tests.mutants [NAME ...] [--keep-going]

Each file under `patches/` is one mutant: a fault that a shipped system had, or a classic one,
as it would look here. In a copy of the tree each is applied and built, and the test that its
patch names must fail; if that does not, any test of the quick suite. Prints a line for each.
Exit code 1 if a mutant survives or its patch does not fit any more, 2 if the tests that are
named fail without any fault.
"""

from __future__ import annotations

import argparse
import enum
import signal
import sys
import tempfile
import time
from pathlib import Path

import msgspec

from tests.mutants.patch import DoesNotFit, Patch, all_patches
from tests.mutants.scratch import DoesNotBuild, Run, Scratch

ROOT = Path(__file__).resolve().parents[2]
NAMED_S = 120.0  # for the tests that are named; each has its own limit, which is shorter
SUITE_S = 1200.0
# Those look at the text of the library, not at what it does.
SUITE = (
    "tests", "-m", "not slow",
    "--ignore=tests/house", "--ignore=tests/typing", "--ignore=tests/mutants",
)  # fmt: skip


class Verdict(enum.StrEnum):
    """What became of a mutant."""

    CAUGHT = "caught"
    TIMED_OUT = "caught, by a time-out"
    CRASHED = "caught, by a crash"
    SURVIVED = "SURVIVED"
    DOES_NOT_FIT = "DOES NOT FIT"
    DOES_NOT_BUILD = "DOES NOT BUILD"


GOOD = {Verdict.CAUGHT, Verdict.TIMED_OUT, Verdict.CRASHED}


class Trial(msgspec.Struct, frozen=True):
    """One mutant, tried."""

    patch: Patch
    verdict: Verdict
    by: str
    seconds: float

    def __str__(self) -> str:
        return f"{self.patch.name:46} {self.verdict:22} {self.seconds:6.1f} s  {self.by}"


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", help="how their names begin; all unless given")
    parser.add_argument("--keep-going", action="store_true", help="though one survives")
    options = parser.parse_args()
    chosen = [
        patch
        for patch in all_patches()
        if not options.names or any(map(patch.name.startswith, options.names))
    ]
    if not chosen:
        parser.error(f"no mutant is named like {options.names}")
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        scratch = Scratch(ROOT, Path(folder))
        sound = scratch.test(*named_by(chosen), seconds=SUITE_S)
        if sound.code != 0:
            print(f"without any fault the tests that are named fail:\n{sound.output}")
            return 2
        return report(try_all(scratch, chosen, options.keep_going), len(chosen))


def named_by(patches: list[Patch]) -> list[str]:
    """The tests that these name, each once."""
    return list(dict.fromkeys(test for patch in patches for test in patch.caught_by))


def try_all(scratch: Scratch, patches: list[Patch], keep_going: bool) -> list[Trial]:
    """Try one after the other, and say what came of each."""
    trials: list[Trial] = []
    for patch in patches:
        trials.append(attempt(scratch, patch))
        print(trials[-1], flush=True)
        if trials[-1].verdict not in GOOD and not keep_going:
            break
    return trials


def attempt(scratch: Scratch, patch: Patch) -> Trial:
    """Put one fault in, look whether it is caught, and put it back."""
    begun = time.monotonic()
    try:
        scratch.put_in(patch)
        verdict, by = judge(scratch.test(*patch.caught_by, seconds=NAMED_S), patch)
        if verdict is Verdict.SURVIVED:
            verdict, by = judge(scratch.test(*SUITE, seconds=SUITE_S), patch)
    except DoesNotFit as error:
        verdict, by = Verdict.DOES_NOT_FIT, str(error)
    except DoesNotBuild as error:
        verdict, by = Verdict.DOES_NOT_BUILD, str(error)
    finally:
        scratch.put_back()
    return Trial(patch, verdict, by, time.monotonic() - begun)


def judge(run: Run, patch: Patch) -> tuple[Verdict, str]:
    """What a run of tests says about the fault, and what has said it."""
    if run.code is None:
        return Verdict.TIMED_OUT, f"after {run.seconds:.0f} s of {', '.join(patch.caught_by)}"
    if run.code < 0:
        return Verdict.CRASHED, signal.Signals(-run.code).name
    if run.code == 1 and run.failed:
        return Verdict.CAUGHT, run.failed
    if run.code != 0:  # no tests, or none that could be read: that says nothing
        return Verdict.SURVIVED, f"pytest ended with {run.code}: {run.output[-500:]}"
    return Verdict.SURVIVED, patch.fault


def report(trials: list[Trial], chosen: int) -> int:
    """The sum, and the exit code."""
    caught = sum(trial.verdict in GOOD for trial in trials)
    print(f"{caught} of {chosen} mutants were caught; {len(trials) - caught} were not")
    return 0 if caught == chosen else 1


if __name__ == "__main__":
    sys.exit(main())
