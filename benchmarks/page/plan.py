"""What a page runs: each suite, at sizes that all of them together have time for."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.__main__ import SUITE as QUEUE
from benchmarks.growth.__main__ import SUITE as GROWTH
from benchmarks.harness.command import run_suite
from benchmarks.harness.suite import Suite
from benchmarks.policies.__main__ import SUITE as POLICIES
from benchmarks.threads.__main__ import SUITE as THREADS
from benchmarks.workers.__main__ import SUITE as WORKERS
from benchmarks.workers.calibration import rounds_per_us

__all__ = ["SECTIONS", "Section", "measured"]

QUICK_REPEATS = 2


@dataclass(frozen=True)
class Section:
    """A part of the page: a suite, and the share of its full size that is run."""

    title: str
    about: str
    file: str
    suite: Suite
    share: float

    def events(self, size: float, *, quick: bool) -> int:
        """Of the case that the suite is sized by."""
        if quick:
            return self.suite.quick_events
        return round(self.suite.events * self.share * size)


SECTIONS = (
    Section(
        "Beside its rivals, in one thread",
        "The handler does nothing but answer. What a rival leaves out stands in the "
        "table above.",
        "queue.json",
        QUEUE,
        0.2,
    ),
    Section(
        "From other threads",
        "janus, culsans and aiologic are bounded to 10,000, as ours is; "
        "call_soon_threadsafe feeds an asyncio.Queue without a bound. They carry "
        "items; only ours has collectors, results and metrics.",
        "threads.json",
        THREADS,
        0.3,
    ),
    Section(
        "To worker processes",
        "Two workers each. pyzmq, faster-fifo and bare processes are written by hand: "
        "no errors, no routing, no replacement of a worker. inline is the same queue "
        "with its collector on the loop.",
        "workers.json",
        WORKERS,
        0.2,
    ),
    Section(
        "What a delivery policy costs",
        "All are ours, beside the same queue without the policy (plain).",
        "policies.json",
        POLICIES,
        0.5,
    ),
    Section(
        "How cost grows",
        "One thing grows at a time; each point is a process of its own.",
        "growth.json",
        GROWTH,
        0.2,
    ),
)
"""In the order of the page, at shares that take some 20 minutes for 3 repeats."""


def measured(options: argparse.Namespace) -> Iterator[tuple[Path, int]]:
    """Run all, one after the other: the file of each, and 1 if a sample failed."""
    shared: dict[str, Any] = {"rounds_per_us": rounds_per_us()}
    for section in SECTIONS:
        if section.file.partition(".")[0] not in options.only:
            continue
        path = options.folder / section.file
        run = argparse.Namespace(
            case=None,
            repeats=QUICK_REPEATS if options.quick else options.repeats,
            events=section.events(options.size, quick=options.quick),
            loop=options.loop,
            json=path,
        )
        takes_work = section.suite in (WORKERS, GROWTH)
        print(f"\n== {section.title}: {section.suite.command}\n", flush=True)
        yield path, run_suite(section.suite, run, shared if takes_work else None)
