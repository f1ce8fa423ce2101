"""Stormy collectors: any policies together, and handlers that do anything.

Rules of residence: what a handler does as the dice fall, and what its policies promise
of its runs, whatever else happens.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

from collectorqueue import Batch, Collector, Error, Ok, Payload, RateLimit, Retry
from tests.faults.harness import me

__all__ = ["Stormy"]

SLACK = 1e-3  # of a rate, for what floats lose


class Stormy:
    """One collector of a storm.

    `disturb`: what a handler may do to others. Where it `is_calm` no one is cancelled.
    What breaks a promise is in `faults`.
    """

    def __init__(
        self,
        key: str,
        dice: random.Random,
        disturb: Callable[[bool], Awaitable[None]],
        *,
        is_calm: bool,
        has_live_limits: bool,
    ) -> None:
        self.dice = dice
        self.disturb = disturb
        self.is_calm = is_calm
        self.has_live_limits = has_live_limits
        self.faults: list[str] = []
        self.running = 0
        self.starts: list[float] = []
        self.attempts: Counter[int] = Counter()  # by the id of the payload
        self.payloads: list[Payload[Any]] = []  # kept, so that ids stay theirs
        self.ignored_cancels = 0
        self.begun = 0.0
        self.size = dice.randint(1, 5) if dice.random() < 0.35 else 0
        self.tries = dice.randint(1, 4) if dice.random() < 0.5 else 1
        self.most = dice.randint(1, 3) if dice.random() < 0.4 else None
        self.rate = (
            (dice.choice([5, 50]), dice.randint(1, 4)) if dice.random() < 0.3 else None
        )
        is_plain = dice.random() < 0.25
        self.collector = Collector(
            key, self.plain if is_plain else self.handle, **self.options()
        )

    def options(self) -> dict[str, Any]:
        """Its policies, as the dice fall."""
        dice = self.dice
        chosen: dict[str, Any] = {"max_concurrency": self.most}
        chosen["topics"] = dice.sample(["x", "y"], dice.randint(0, 2))
        if self.tries > 1:
            backoff, jitter = dice.choice([0, 0.01, 0.3, 3]), dice.choice([0, 0.5])
            chosen["retry"] = Retry(
                self.tries, backoff=backoff, jitter=jitter, max_backoff=5
            )
        if self.size:
            by = dice.choice([None, lambda payload: payload.value % 2])
            chosen["batch"] = Batch(
                self.size, wait=dice.choice([0, 0.01, 0.1, 2]), by=by
            )
        if self.rate is not None:
            chosen["rate_limit"] = RateLimit(self.rate[0], 1, self.rate[1])
        if not self.is_calm and dice.random() < 0.4:
            chosen["timeout"] = dice.choice([0.02, 0.2, 1])
        if dice.random() < 0.2:
            chosen["payload_type"] = int
        return chosen

    def started_again(self) -> None:
        """The queue has been: its counts are of this run."""
        self.begun = asyncio.get_running_loop().time()
        self.starts.clear()
        self.ignored_cancels = 0

    # -- the handler ------------------------------------------------------------------

    async def handle(self, given: Any) -> Any:
        """A collector's."""
        items = self.begin(given)
        try:
            for _ in range(self.dice.randint(0, 3)):
                await self.do_something()
            return self.answer(items)
        finally:
            self.running -= 1

    def plain(self, given: Any) -> Any:
        """One that is no coroutine."""
        items = self.begin(given)
        try:
            return self.answer(items)
        finally:
            self.running -= 1

    async def do_something(self) -> None:
        chance = self.dice.random()
        if chance < 0.5:
            await self.sleep(self.dice.choice([0, 0.01, 0.1, 0.5]))
        elif chance < 0.55 and not self.is_calm:
            me().cancel()
            await asyncio.sleep(0)
        elif chance < 0.8:
            await self.disturb(self.is_calm)
        elif chance < 0.85 and not self.is_calm:
            async with asyncio.timeout(self.dice.random() / 5):
                await asyncio.sleep(0.1)
        elif chance < 0.9:
            async with asyncio.TaskGroup() as group:
                group.create_task(asyncio.sleep(0))
                group.create_task(asyncio.sleep(self.dice.random() / 10))

    async def sleep(self, seconds: float) -> None:
        """And treat a cancel well, or not."""
        try:
            await asyncio.sleep(seconds)
        except asyncio.CancelledError:
            chance = self.dice.random()
            if chance < 0.15:
                self.ignored_cancels += 1  # its place may be given to another
            if chance < 0.1:
                return
            if chance < 0.15:
                await self.ignore_cancels(2)
                return
            raise

    async def ignore_cancels(self, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        while loop.time() < end:
            try:
                await asyncio.sleep(max(0.01, end - loop.time()))
            except asyncio.CancelledError:
                continue

    def answer(self, items: list[Payload[Any]]) -> Any:
        chance = self.dice.random()
        if chance < 0.2:
            raise ValueError("boom")
        if self.size and chance < 0.7:
            answers = [1, Ok(2), Error(ValueError("e")), Error("text")]
            return [self.dice.choice(answers) for _ in items]
        if self.size and chance < 0.75:
            return [1] * (len(items) + 1)  # one too many
        return 1 if chance < 0.8 else Error("text")

    # -- what is promised -------------------------------------------------------------

    def begin(self, given: Any) -> list[Payload[Any]]:
        """A run begins: of one payload, or of a batch."""
        items = list(given) if self.size else [given]
        now = asyncio.get_running_loop().time()
        self.running += 1
        self.starts += [now] * len(items)
        self.payloads += items
        self.attempts.update(map(id, items))
        self.promise(not self.size or len(items) <= self.size, "a batch is too large")
        tried = max(self.attempts[id(item)] for item in items)
        self.promise(tried <= self.tries, f"one was tried {tried} times")
        if self.has_live_limits:
            return items
        if self.most is not None and not self.ignored_cancels:
            self.promise(self.running <= self.most, f"{self.running} at once")
        if self.rate is not None:
            rate, burst = self.rate
            most = burst + rate * (now - self.begun) + SLACK
            self.promise(len(self.starts) <= most, f"{len(self.starts)} of {most}")
        return items

    def promise(self, claim: bool, what: str) -> None:
        if not claim:
            self.faults.append(f"{self.collector.key}: {what}")
