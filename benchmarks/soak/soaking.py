"""The soak: queues by chance, each started, loaded, harmed and ended several times.

Rules of residence: the order of a soak, and its verdict.
"""

from __future__ import annotations

import asyncio
import itertools
import random
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from benchmarks.soak.book import Book
from benchmarks.soak.endings import ENDINGS, end
from benchmarks.soak.faults import Faults
from benchmarks.soak.journal import Journal
from benchmarks.soak.load import Load
from benchmarks.soak.residue import Residue, resident_bytes, slope
from benchmarks.soak.topology import Stage
from collectorqueue import CollectorQueue

__all__ = ["Soak"]

RUN_S = (0.5, 4.0)
LOOK_S = 0.005  # between two looks at the sum
STARTS = (1, 2, 3)  # of one queue
# What a close may take beyond its deadline, with handlers that are deaf, a loop that is
# blocked and workers that are killed meanwhile: `exits` has the exact bound.
LATE_S = 3.0
# In the second half: the allocator's arenas come and go by this much.
GROWTH_BYTES = 24 * 2**20


class Soak:
    """One soak; `problems` is its verdict."""

    def __init__(
        self, seed: int, journal: Journal, seconds: float, events: int | None
    ) -> None:
        self._seed = seed
        self._journal = journal
        self._seconds = seconds
        self._events = events
        self._numbers = itertools.count()
        self._memory: list[tuple[float, int]] = []
        self.totals: Counter[str] = Counter()
        self.latest_s = 0.0  # after the deadline of a close
        self.growth_bytes = 0  # of memory, over the second half
        self.problems: list[str] = []

    async def run(self) -> None:
        """Until time is up, the events are sent, or something is wrong."""
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(
            lambda _, context: self.problems.append(f"the loop was told of {context!r}")
        )
        begun = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="soak-") as folder:
            residue = Residue()
            for number in itertools.count():
                if self._is_over(begun):
                    break
                dice = self._dice(number, "queue")
                stage = Stage(dice, Path(folder), self._numbers.__next__)
                for start in range(dice.choice(STARTS)):
                    seconds = min(
                        dice.uniform(*RUN_S),
                        max(0.2, begun + self._seconds - time.monotonic()),
                    )
                    await self._run_once(stage, f"{number}.{start}", seconds)
                    left = await residue.beyond()
                    self._found(f"{number}.{start}", left)
                    if self._is_over(begun):
                        break
        self._judge_memory()

    def _is_over(self, begun: float) -> bool:
        accepted = self.totals["accepted"]
        return bool(
            self.problems
            or time.monotonic() - begun >= self._seconds
            or (self._events is not None and accepted >= self._events)
        )

    def _dice(self, run: object, actor: str) -> random.Random:
        return random.Random(f"{self._seed} {run} {actor}")

    async def _run_once(self, stage: Stage, run: str, seconds: float) -> None:
        dice = self._dice(run, "run")
        book, queue = stage.open_book(), stage.queue
        forget = queue.observe(book)
        await queue.start()
        load = Load(stage, lambda actor: self._dice(run, actor))
        load.start()
        faults = Faults(load, self._dice(run, "faults"), self._journal.write)
        harm = asyncio.create_task(faults.reign())
        self._found(run, await watched(queue, seconds))
        if dice.random() < 0.1:
            faults.break_down()
        name = dice.choice(list(ENDINGS))
        report, how = await end(queue, name, dice)
        load.stop()
        hung = await load.ended()
        harm.cancel()
        await asyncio.wait([harm])
        if not harm.cancelled():
            harm.result()  # a fault of the soak's own
        forget()
        stage.close_book()
        self._found(run, [*hung, *book.problems(report)])
        if how["late_s"] > LATE_S:
            self._found(run, [f"closed {how['late_s']} s after its deadline ({name})"])
        self._tell(run, stage, book, how)

    def _found(self, run: str, problems: list[str]) -> None:
        self.problems += [f"run {run}: {problem}" for problem in problems]

    def _tell(self, run: str, stage: Stage, book: Book, how: dict[str, Any]) -> None:
        counted = book.counted()
        for name in ("accepted", "ok", "failed", "unrouted", "dropped", "aborted"):
            self.totals[name] += getattr(counted, name)
        self.totals["starts"] += 1
        self.totals["handlers begun"] += len(book.begins)
        self.latest_s = max(self.latest_s, how["late_s"])
        self._memory.append((self._journal.elapsed_s, resident_bytes()))
        self._journal.write(
            {
                "run": run,
                "queue_type": stage.queue_type,
                "overflow": stage.options["overflow"],
                "capacity": stage.options["capacity"],
                "accepted": counted.accepted,
                "begun": len(book.begins),
                **how,
                "resident_mib": round(self._memory[-1][1] / 2**20, 1),
            }
        )

    def _judge_memory(self) -> None:
        half = self._memory[len(self._memory) // 2 :]
        if half:
            self.growth_bytes = int(slope(half) * (half[-1][0] - half[0][0]))
        if self.growth_bytes > GROWTH_BYTES:
            grown = self.growth_bytes / 2**20
            self.problems.append(f"memory grew by {grown:.1f} MiB over the second half")

    def verdict(self) -> dict[str, Any]:
        """The last line of the journal."""
        totals = dict(self.totals)
        ends = sum(
            totals.get(n, 0) for n in ("ok", "failed", "unrouted", "dropped", "aborted")
        )
        return {
            "seed": self._seed,
            "verdict": "failed" if self.problems else "holds",
            "ledger": totals,
            "closes": totals.get("accepted", 0) == ends,
            "faults": dict(self._journal.faults),
            "latest_close_s": self.latest_s,
            "growth_in_second_half_mib": round(self.growth_bytes / 2**20, 2),
            "problems": self.problems,
        }


async def watched(queue: CollectorQueue, seconds: float) -> list[str]:
    """For so long, the sum must close whenever it is looked at; where it does not."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if not queue.ledger.closes:
            return [f"the sum did not close: {queue.ledger}"]
        await asyncio.sleep(LOOK_S)
    return []
