"""`python -m benchmarks.instructions`: what counting, and an observer, cost an event.

Instructions of the processor, counted by valgrind's callgrind, which is the same on a busy
machine: a run of many events less one of few, for each event. Three ways: a build that
counts nothing for metrics (CQ_NO_METRICS; its ledger still closes), the ordinary build, and
that with an observer of every event.
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


def built(folder: Path, flags: str) -> Path:
    """A copy of the package of this tree, compiled with these flags."""
    source = folder / "source"
    subprocess.run(["git", "clone", "-q", str(ROOT), str(source)], check=True)
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


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.instructions")
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        bare, whole = Path(scratch, "bare"), Path(scratch, "whole")
        bare.mkdir()
        whole.mkdir()
        without = per_event(built(bare, "-DCQ_NO_METRICS"), False, options.repeats)
        package = built(whole, "")
        ordinary = per_event(package, False, options.repeats)
        observed = per_event(package, True, options.repeats)
    print(f"instructions an event: {without:.0f} without metrics, {ordinary:.0f} with "
          f"them, {observed:.0f} with an observer of each event")  # fmt: skip
    failed = 0
    for what, more, most in (
        ("metrics", ordinary / without - 1, 0.05),
        ("an observer", observed / ordinary - 1, 0.25),
    ):
        failed += more > most
        print(f"  {what}: {more:+.1%}, at most {most:.0%}: "
              f"{'DOES NOT HOLD' if more > most else 'holds'}")  # fmt: skip
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
