"""Instructions of a run, and of an event, by function."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from statistics import median

from benchmarks.harness.machine import ROOT

__all__ = ["by_function", "counts_in", "per_event", "readable"]

FEW, MANY = 2_000, 22_000
TOLD = re.compile(r"^ *([\d,]+) \([ \d.]+%\)  (?:[^ ]*:)?([^ ]+?)(?:'\d+)?(?: \[.+\])?$")
# What Cython makes of a name: its kind, then each part of the path after its length.
MANGLED = re.compile(r"^__pyx_(?:[a-z]+_)+(?=\d)")


def by_function(package: Path, path: str) -> Counter[str]:
    """Instructions an event spends in each function itself, on one of the paths."""
    few, many = (_run(package, path, events) for events in (FEW, MANY))
    return Counter(
        {name: round((many[name] - few[name]) / (MANY - FEW)) for name in many}
    )


def per_event(package: Path, path: str, repeats: int) -> float:
    """All instructions an event takes, the median of so many."""
    return median(
        (_run(package, path, MANY).total() - _run(package, path, FEW).total())
        / (MANY - FEW)
        for _ in range(repeats)
    )


def _run(package: Path, path: str, events: int) -> Counter[str]:
    """One run's instructions by function."""
    with tempfile.NamedTemporaryFile() as out:
        run = subprocess.run(
            ["valgrind", "--quiet", "--tool=callgrind", f"--callgrind-out-file={out.name}",
             sys.executable, "-m", "benchmarks.instructions.paths", path, str(events)],
            check=False, cwd=ROOT, capture_output=True, text=True,
            env=os.environ | {"PYTHONPATH": str(package), "PYTHONHASHSEED": "0"},
        )  # fmt: skip
        # Where it went well nobody needs to know which system calls valgrind lacks.
        assert run.returncode == 0, run.stderr
        told = subprocess.run(
            ["callgrind_annotate", "--threshold=100", "--auto=no", out.name],
            check=True, capture_output=True, text=True,
        ).stdout  # fmt: skip
    return counts_in(told)


def counts_in(told: str) -> Counter[str]:
    """What callgrind_annotate said, by function."""
    found: Counter[str] = Counter()
    for line in told.splitlines():
        if match := TOLD.match(line):
            count, name = match.groups()
            found[readable(name)] += int(count.replace(",", ""))
    del found["TOTALS"]
    return found


def readable(name: str) -> str:
    """`__pyx_f_14collectorqueue_7_native_4core_4Core_settle` is `core.Core.settle`."""
    rest, found = MANGLED.subn("", name)
    if not found:
        return name
    parts = []
    while match := re.match(r"(\d+)", rest):
        end = match.end() + int(match[1])
        if rest[end : end + 1] not in ("", "_"):  # it numbers a function of Python's
            rest = rest[match.end() :]
            break
        parts.append(rest[match.end() : end])
        rest = rest[end:].removeprefix("_")
    return ".".join([*parts[2:], rest] if rest else parts[2:])
