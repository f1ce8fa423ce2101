"""`python -m benchmarks.soak kills`: workers killed at random moments.

Most events go to a collector that is not idempotent, the rest to one that is. Each
worker notes every run in a file before it begins, so that a run that was killed is
counted too. Of each event: it ended, with its own result or with WorkerLost; it began
at most once, or one time and three more where it is idempotent. And a kill costs one
event that is not idempotent, at most.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
import os
import random
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from benchmarks.soak.book import Book
from benchmarks.soak.command import conclude, parser_of, run_quietly, setting
from benchmarks.soak.handlers import again, begun_in_workers, keeping_notes, once
from benchmarks.soak.topology import RERUNS
from collectorqueue import (
    Collector,
    CollectorEvent,
    CollectorQueue,
    Context,
    DrainReport,
    Error,
)
from collectorqueue.errors import WorkerLost
from collectorqueue.workers.stats import WorkersStats

__all__ = ["Killing", "kills"]

BATCH = 60  # events at most between two kills
KILLS_A_START = 250  # of the queue; then all is looked at, and it is started again
IDEMPOTENT = 0.25  # of the events
HUNG_S = 60.0


class Found(msgspec.Struct):
    """What came of it."""

    kills: int = 0
    events: int = 0
    ok: int = 0
    lost_with_their_worker: int = 0
    begun: int = 0
    reruns: int = 0
    slowest_replacement_s: float = 0.0


class Killing:
    """Kills workers of one queue, one at a time; `problems` is what was wrong."""

    def __init__(self, seed: int, workers: int, notes: Path) -> None:
        self._dice = random.Random(seed)
        self._workers = workers
        self._notes = notes
        self._number = 0
        self.found = Found()
        self.problems: list[str] = []
        shared: dict[str, Any] = {"runs_in": "process", "lifecycle": keeping_notes}
        self.queue = CollectorQueue(
            [
                Collector("once", once, ctx=self._context(), **shared),
                Collector(
                    "again", again, ctx=self._context(), idempotent=True, **shared
                ),
            ],
            workers=workers,
        )

    def _context(self) -> Context:
        return Context({"notes": str(self._notes)})

    async def run(self, kills: int, seconds: float = math.inf) -> None:
        """Until so many were killed, time is up, or something is wrong."""
        until = time.monotonic() + seconds
        while (
            self.found.kills < kills and time.monotonic() < until and not self.problems
        ):
            await self._run_once(min(kills, self.found.kills + KILLS_A_START))

    async def _run_once(self, until: int) -> None:
        """One start of the queue: its events are few enough to be kept."""
        found = self.found
        killed_before = found.kills
        self._notes.unlink(missing_ok=True)
        book = Book({"once": 1, "again": 1 + RERUNS})
        forget = self.queue.observe(book)
        async with self.queue:
            while found.kills < until and await self._workers_are_there():
                for _ in range(self._dice.randrange(1, BATCH)):
                    await self._send(book)
                await asyncio.sleep(self._dice.random() * 0.004)
                self._kill_one()
            waiting = asyncio.ensure_future(self.queue.publisher.wait())
            _, hung = await asyncio.wait([waiting], timeout=HUNG_S)
            if hung:
                self.problems.append(f"hung: {self.queue.ledger}")
            collectors = self._stats().collectors
            found.reruns += collectors["again"].reruns
            lost = collectors["once"].lost
        forget()
        report = self.queue.drain_report
        assert report is not None
        self._look_at(book, report, found.kills - killed_before, lost)

    async def _send(self, book: Book) -> None:
        self._number = number = self._number + 1
        key = "again" if self._dice.random() < IDEMPOTENT else "once"
        book.wanted[number] = (key,)
        seconds = self._dice.random() * 0.002 if self._dice.random() < 0.2 else 0.0
        event = await self.queue.publisher.send([number, "", seconds], keys=key)
        book.note_accepted(number, event)

    def _stats(self) -> WorkersStats:
        stats = self.queue.metrics.workers
        assert stats is not None
        return stats

    async def _workers_are_there(self) -> bool:
        """Wait: mostly for all, at times for the first. False: they do not come."""
        begun = time.monotonic()
        wanted = self._workers if self._dice.random() < 0.9 else 1
        while len((stats := self._stats()).workers) < wanted:
            if time.monotonic() - begun > HUNG_S:
                self.problems.append(f"workers were not replaced: {stats}")
                return False
            await asyncio.sleep(0.001)
        took = time.monotonic() - begun
        self.found.slowest_replacement_s = max(self.found.slowest_replacement_s, took)
        return True

    def _kill_one(self) -> None:
        workers = self._stats().workers
        if workers:
            with contextlib.suppress(
                ProcessLookupError
            ):  # the last one, not noticed yet
                os.kill(self._dice.choice(workers).pid, signal.SIGKILL)
                self.found.kills += 1

    def _look_at(self, book: Book, report: DrainReport, kills: int, lost: int) -> None:
        found = self.found
        book.begins += begun_in_workers(self._notes)
        self.problems += book.problems(report)
        kinds = Counter(kind_of(number, event) for number, event in book.events.items())
        found.events += len(book.events)
        found.begun += len(book.begins)
        found.ok += kinds.pop("ok", 0)
        found.lost_with_their_worker += kinds.pop("lost", 0)
        self.problems += [
            f"{times} events ended {kind}" for kind, times in kinds.items()
        ]
        if lost > kills:
            self.problems.append(f"{kills} kills cost {lost} runs")


def kind_of(number: int, event: CollectorEvent) -> str:
    """How an event ended: with its own result, or lost with its worker."""
    results = event.get_result()
    if results is None:
        return "never"
    result = results.first()
    if isinstance(result, Error):
        return "lost" if isinstance(result.err, WorkerLost) else f"with {result.err!r}"
    return "ok" if result.value == number else "with the result of another"


def kills(arguments: Sequence[str]) -> int:
    """The command."""
    parser = parser_of("kills", __doc__)
    parser.add_argument("--count", type=int, default=20_000, help="kills (20,000)")
    parser.add_argument("--minutes", type=float, help="end then, with fewer kills")
    parser.add_argument("--workers", type=int, default=2, help="(2)")
    options = parser.parse_args(arguments)
    print(json.dumps({"setting": setting(options)}), flush=True)
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        killing = Killing(options.seed, options.workers, Path(folder, "begun"))
        seconds = math.inf if options.minutes is None else options.minutes * 60
        run_quietly(killing.run(options.count, seconds), options.loop)
    took = time.monotonic() - begun
    found = msgspec.structs.asdict(killing.found)
    found["problems"] = len(killing.problems)
    found["seconds"] = round(took, 1)
    found["ms_a_kill"] = round(1000 * took / max(1, killing.found.kills), 1)
    print(json.dumps(found), flush=True)
    return conclude("kills", arguments, options.seed, killing.problems)
