"""`python -m benchmarks.soak exits`: closes at random instants, under load.

For each kind of queue, `--count` queues are closed, each at an instant and with a
timeout by chance, while senders send and handlers run, wait, fail, or clean up when
they are cancelled. Of each: every event that was sent has ended once, the report names
exactly those that were aborted, no sender waits for ever, no task is left, and it was
closed at most half a second after its deadline, apart from the time in which the
machine had no processor for us. What is the proof's own, its books and their garbage,
is looked through between the closes and not during them.
"""

from __future__ import annotations

import asyncio
import gc
import itertools
import json
import random
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from benchmarks.soak.book import Book
from benchmarks.soak.command import conclude, parser_of, run_quietly, setting
from benchmarks.soak.starving import starved_s
from collectorqueue import Collector, CollectorQueue, DrainReport, Payload, QueueType
from collectorqueue.errors import QueueClosed

__all__ = ["Exits", "exits"]

AT_ONCE = 4  # queues in one loop
LATE_S = 0.5  # after the deadline
HUNG_S = 30.0
SENDERS = 2


class Exits:
    """Closes queues of one kind; `problems` is what was wrong with any of them."""

    def __init__(self, kind: QueueType, seed: int) -> None:
        self._kind = kind
        self._seed = seed
        self._numbers = itertools.count()
        self.found: Counter[str] = Counter()
        self.latest_s = 0.0  # after the deadline
        self.latest_own_s = 0.0  # the same, without what the machine is to blame for
        self.problems: list[str] = []

    async def run(self, count: int) -> None:
        """So many, a few of them side by side."""
        gc.disable()
        try:
            for first in range(0, count, AT_ONCE):
                numbers = range(first, min(first + AT_ONCE, count))
                for done in await asyncio.gather(*map(self._exit, numbers)):
                    self._look_through(*done)
                gc.collect()
        finally:
            gc.enable()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        self.problems += [f"a task is left: {task!r}" for task in others]

    async def _exit(self, number: int) -> tuple[int, Book, DrainReport, list[str]]:
        """Close one; what is to be looked through, and what is wrong already."""
        dice = random.Random(f"{self._seed} {self._kind} {number}")
        book = Book({"works": 1})
        queue = CollectorQueue(
            [Collector("works", worker_of(book, dice))],
            queue_type=self._kind,
            capacity=dice.choice([1, 10, 1000]),
            max_consumers=dice.choice([1, 4, 32]),
            autoscale=dice.random() < 0.5,
        )
        queue.observe(book)
        await queue.start()
        senders = [
            asyncio.create_task(self._send(queue, book, dice)) for _ in range(SENDERS)
        ]
        await asyncio.sleep(dice.random() * 0.02)
        timeout = dice.choice([0.0, dice.random() * 0.05])
        begun, starved = time.monotonic(), starved_s()
        report = await queue.close(timeout=timeout)
        late_s = time.monotonic() - begun - timeout
        own_s = late_s - (starved_s() - starved)
        _, hung = await asyncio.wait(senders, timeout=HUNG_S)
        found = [f"a sender waits for ever: {task!r}" for task in hung]
        if own_s > LATE_S:
            found.append(
                f"closed {late_s:.3f} s after its deadline, {own_s:.3f} s by itself"
            )
        self.latest_s = max(self.latest_s, late_s)
        self.latest_own_s = max(self.latest_own_s, own_s)
        return number, book, report, found

    def _look_through(
        self, number: int, book: Book, report: DrainReport, found: list[str]
    ) -> None:
        found += [*book.problems(report), *book.unreported(report)]
        self.problems += [f"{self._kind} exit {number}: {each}" for each in found]
        self.found["events"] += len(book.events)
        self.found["aborted and reported"] += len(report.aborted)
        self.found["exits"] += 1

    async def _send(
        self, queue: CollectorQueue, book: Book, dice: random.Random
    ) -> None:
        while True:
            for _ in range(dice.choice([1, 5, 50])):
                number = next(self._numbers)
                book.wanted[number] = ("works",)
                priority = dice.choice([0, 1000]) if self._kind == "priority" else None
                try:
                    event = await queue.publisher.send([number], priority=priority)
                except QueueClosed:
                    book.refused.add(number)
                    return
                book.note_accepted(number, event)
            await asyncio.sleep(dice.choice([0.0, 0.001]))


def worker_of(book: Book, dice: random.Random) -> Callable[[Payload[Any]], Any]:
    """A handler that is quick, waits, fails, or cleans up when it is cancelled."""

    async def work(payload: Payload[Any]) -> int:
        book.note_begin("works", payload.value[0])
        chance = dice.random()
        if chance < 0.05:
            raise ValueError("on purpose")
        if chance < 0.3:
            await asyncio.sleep(dice.random() * 0.01)
        elif chance < 0.32:
            try:
                await asyncio.sleep(1)
            finally:
                await asyncio.sleep(dice.random() * 0.2)
        number: int = payload.value[0]
        return number

    return work


def exits(arguments: Sequence[str]) -> int:
    """The command."""
    parser = parser_of("exits", __doc__)
    parser.add_argument("--count", type=int, default=3000, help="of each kind (3000)")
    options = parser.parse_args(arguments)
    print(json.dumps({"setting": setting(options)}), flush=True)
    problems: list[str] = []
    for kind in QueueType:
        begun = time.monotonic()
        closing = Exits(kind, options.seed)
        run_quietly(closing.run(options.count), options.loop)
        problems += closing.problems
        found = {
            "queue_type": kind,
            **closing.found,
            "problems": len(closing.problems),
            "latest_s": round(closing.latest_s, 3),
            "latest_own_s": round(closing.latest_own_s, 3),
            "seconds": round(time.monotonic() - begun, 1),
        }
        print(json.dumps(found), flush=True)
    return conclude("exits", arguments, options.seed, problems)
