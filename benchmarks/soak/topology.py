"""The queue that is soaked: one collector of every kind, and options by chance.

Rules of residence: what is soaked. Who sends to it, and what is done to it, is not
known.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from benchmarks.soak import handlers
from benchmarks.soak.book import Book
from collectorqueue import (
    Batch,
    Collector,
    CollectorQueue,
    Context,
    Overflow,
    Payload,
    QueueType,
    RateLimit,
    Retry,
)
from collectorqueue.errors import CollectorQueueError

__all__ = ["TOPICS", "Stage"]

RERUNS = 3  # of an idempotent run whose worker died, at most
# key -> runs of one event at most
MOST = {
    "inline": 1, "waits": 1, "sends": 1, "asks": 1, "retried": 3, "batched": 1,
    "limited": 1, "rated": 1, "timed": 1, "thread": 1, "once": 1,
    "again": 1 + RERUNS, "together": 1,
}  # fmt: skip
TOPICS: dict[str, tuple[str, ...]] = {
    "light": ("inline", "waits"),
    "policies": ("waits", "retried", "limited"),
    "far": ("thread", "once", "again"),
}
OWN_TIMEOUT_S = 0.02  # of the collector that has one on the loop
THREAD_TIMEOUT_S = 0.1
WORKER_TIMEOUT_S = 0.5  # by which a stopped worker is found


class Stage:
    """A queue by chance, its handlers, and the book that they write in.

    It outlives a run of the queue: `open_book()` begins the account of the next.
    """

    def __init__(
        self, dice: random.Random, folder: Path, numbers: Callable[[], int]
    ) -> None:
        self.dice = dice
        self.next_number = numbers
        self.notes = folder / "begun-in-workers"
        self.worker_keys = list(handlers.WORKER_KEYS) if dice.random() < 0.6 else []
        self.loop_keys = ["waits", "retried", "limited", "timed"]  # may do anything
        self.queue_type = dice.choice(list(QueueType))
        self.options: dict[str, Any] = {
            "queue_type": self.queue_type,
            "overflow": dice.choice(list(Overflow)),
            "capacity": dice.choice([1, 4, 50, 1000, 10_000]),
            "autoscale": dice.random() < 0.7,
            "min_consumers": dice.choice([1, 1, 4]),
            "max_consumers": dice.choice([4, 16, 64]),
            "drain_timeout": 2.0,
            "propagate_context": dice.random() < 0.2,
        }
        if self.worker_keys:
            self.options["workers"] = dice.choice([1, 2, (1, 3)])
            self.options["max_events_per_worker"] = dice.choice([None, None, 200])
        self.queue = CollectorQueue(self._collectors(), **self.options)
        self.open_book()

    def open_book(self) -> Book:
        """A new account, for the run that begins now."""
        self.notes.unlink(missing_ok=True)
        self.book = Book(MOST)
        return self.book

    def close_book(self) -> None:
        """Add what was noted in workers."""
        self.book.begins += handlers.begun_in_workers(self.notes)

    @property
    def keys(self) -> list[str]:
        """Of its collectors."""
        return list(self.queue.collectors)

    def _collectors(self) -> list[Collector]:
        retry = Retry(attempts=3, backoff=0.005, on=(Exception,))
        found = [
            Collector("inline", self._inline, topics="light"),
            Collector("waits", self._on_loop("waits"), topics=["light", "policies"]),
            Collector("sends", self._sends),
            Collector("asks", self._asks),
            Collector(
                "retried", self._on_loop("retried"), topics="policies", retry=retry
            ),
            Collector("batched", self._batched, batch=Batch(8, wait=0.01)),
            Collector(
                "limited", self._on_loop("limited"), topics="policies",
                max_concurrency=2,
            ),
            Collector("rated", self._on_loop("rated"), rate_limit=RateLimit(500)),
            Collector("timed", self._on_loop("timed"), timeout=OWN_TIMEOUT_S),
            Collector(
                "thread", self._thread, topics="far", runs_in="thread",
                timeout=THREAD_TIMEOUT_S,
            ),
        ]  # fmt: skip
        return found + (self._in_workers() if self.worker_keys else [])

    def _in_workers(self) -> list[Collector]:
        shared: dict[str, Any] = {
            "runs_in": "process", "lifecycle": handlers.keeping_notes,
            "timeout": WORKER_TIMEOUT_S,
        }  # fmt: skip

        def notes() -> Context:
            return Context({"notes": str(self.notes)})

        return [
            Collector("once", handlers.once, topics="far", ctx=notes(), **shared),
            Collector(
                "again",
                handlers.again,
                topics="far",
                ctx=notes(),
                idempotent=True,
                **shared,
            ),
            Collector(
                "together",
                handlers.together,
                ctx=notes(),
                batch=Batch(8, wait=0.01),
                **shared,
            ),
        ]

    # -- handlers -----------------------------------------------------------------

    def _note(self, key: str, payload: Payload[Any]) -> None:
        self.book.note_begin(key, payload.value[0])
        # What is delayed joins the line of its key only afterwards.
        if (
            payload.ordering_key is not None
            and payload.delay is None
            and payload.keys == (key,)
        ):
            self.book.runs.append(((key, payload.ordering_key), payload.value[0]))

    def _on_loop(self, key: str) -> Callable[[Payload[Any]], Any]:
        async def handle(payload: Payload[Any]) -> Any:
            self._note(key, payload)
            return await handlers.act_here(*payload.value)

        return handle

    def _inline(self, payload: Payload[Any]) -> Any:
        self._note("inline", payload)
        number, act, _ = payload.value
        return handlers.raise_it(act, number)

    def _thread(self, payload: Payload[Any]) -> Any:
        self._note("thread", payload)
        number, act, seconds = payload.value
        time.sleep(seconds)
        return handlers.raise_it(act, number)

    async def _batched(self, payloads: list[Payload[Any]]) -> list[Any]:
        for each in payloads:
            self._note("batched", each)
        await asyncio.sleep(max(each.value[2] for each in payloads))
        number, act, _ = payloads[0].value
        return [handlers.raise_it(act, number)] * len(payloads)

    async def _sends(self, payload: Payload[Any]) -> Any:
        """Sends others, and does not wait for them."""
        self._note("sends", payload)
        for key in ("inline", "waits"):
            number = self.next_number()
            self.book.wanted[number] = (key,)
            try:
                event = self.queue.publisher.send_nowait([number, "", 0.0], keys=key)
            except CollectorQueueError:
                self.book.refused.add(number)
            else:
                self.book.note_accepted(number, event)
        return await handlers.act_here(*payload.value)

    async def _asks(self, payload: Payload[Any]) -> Any:
        """Sends another, and waits for it: the pool must lend a consumer."""
        self._note("asks", payload)
        number = self.next_number()
        self.book.wanted[number] = ("waits",)
        with suppress(CollectorQueueError):
            await self.queue.publisher.request([number, "", 0.001], keys="waits")
        return await handlers.act_here(*payload.value)
