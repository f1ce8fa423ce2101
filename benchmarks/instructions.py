"""`python -m benchmarks.instructions`: what counting, and an observer, cost an event.

Instructions of the processor, counted by valgrind's callgrind, which is the same on a busy
machine: a run of many events less one of few, for each event. Three ways: a build that
counts nothing for metrics (CQ_NO_METRICS; its ledger still closes), the ordinary build, and
that with an observer of every event. `--against COMMIT` compares with the ordinary build
of another commit instead.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

from benchmarks.machine import ROOT

__all__ = ["main"]

FEW, MANY = 2_000, 22_000
PROGRAM = """
import asyncio, sys
from collectorqueue import Collector, CollectorQueue

def answer(payload):
    return payload.value

async def main(events, observed):
    async with CollectorQueue([Collector("answer", answer)]) as queue:
        if observed:
            queue.observe(lambda event: None, spans=True)
        send = queue.publisher.send
        for start in range(0, events, 100):
            for number in range(100):
                await send(number)
            await asyncio.sleep(0)
        await queue.publisher.wait()
        assert queue.ledger.ok == events

asyncio.run(main(int(sys.argv[1]), sys.argv[2] == "observed"))
"""
COLLECTED = re.compile(rb"Collected : (\d+)")


def built(folder: Path, flags: str, commit: str = "HEAD") -> Path:
    """A copy of the package of this tree, as committed, compiled with these flags."""
    folder.mkdir()
    source = folder / "source"
    subprocess.run(["git", "clone", "-q", str(ROOT), str(source)], check=True)
    subprocess.run(["git", "checkout", "-q", commit], cwd=source, check=True)
    target = folder / "target"
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target",
         str(target), str(source)],
        check=True, env=os.environ | {"CFLAGS": flags},
    )  # fmt: skip
    return target


def instructions(package: Path, events: int, observed: bool) -> int:
    """Of one whole run."""
    done = subprocess.run(
        ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null",
         sys.executable, "-c", PROGRAM, str(events), "observed" if observed else ""],
        check=True, capture_output=True,
        env=os.environ | {"PYTHONPATH": str(package), "PYTHONHASHSEED": "0"},
    )  # fmt: skip
    found = COLLECTED.search(done.stderr)
    assert found is not None, done.stderr.decode()
    return int(found[1])


def per_event(package: Path, observed: bool, repeats: int) -> float:
    return median(
        (instructions(package, MANY, observed) - instructions(package, FEW, observed))
        / (MANY - FEW)
        for _ in range(repeats)
    )


def with_and_without(scratch: Path, repeats: int) -> list[tuple[str, float, float]]:
    """What costs how much more, and how much it may at most."""
    without = per_event(built(scratch / "bare", "-DCQ_NO_METRICS"), False, repeats)
    package = built(scratch / "whole", "")
    ordinary = per_event(package, False, repeats)
    observed = per_event(package, True, repeats)
    print(f"instructions an event: {without:.0f} without metrics, {ordinary:.0f} with "
          f"them, {observed:.0f} with an observer of each event")  # fmt: skip
    return [
        ("metrics", ordinary / without - 1, 0.05),
        ("an observer", observed / ordinary - 1, 0.25),
    ]


def beside(scratch: Path, commit: str, repeats: int) -> list[tuple[str, float, float]]:
    """The same for what was changed since a commit."""
    before = per_event(built(scratch / "before", "", commit), False, repeats)
    now = per_event(built(scratch / "now", ""), False, repeats)
    print(f"instructions an event: {before:.0f} at {commit}, {now:.0f} now")
    return [(f"since {commit}", now / before - 1, 0.03)]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.instructions")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--against", metavar="COMMIT")
    options = parser.parse_args()
    failed = 0
    with tempfile.TemporaryDirectory() as scratch:
        found = (
            with_and_without(Path(scratch), options.repeats)
            if options.against is None
            else beside(Path(scratch), options.against, options.repeats)
        )
    for what, more, most in found:
        failed += more > most
        print(f"  {what}: {more:+.1%}, at most {most:.0%}: "
              f"{'DOES NOT HOLD' if more > most else 'holds'}")  # fmt: skip
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
