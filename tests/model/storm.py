"""A storm: a queue with all policies together, and a program that does anything to it.

Rules of residence: one seed, one storm. It is over when the queue has been started and
closed some times, and raises Violation where a promise was broken. One thing is
allowed: a queue whose consumers were all cancelled at once has failed, and says so.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

from collectorqueue import (
    Collector,
    CollectorEvent,
    CollectorQueue,
    Payload,
    RateLimit,
    ResultList,
    SimpleRouter,
)
from collectorqueue.errors import CollectorQueueError, QueueClosed, QueueFailed
from tests.faults.harness import consumer_tasks
from tests.model.reference import require
from tests.model.stormy import Stormy

__all__ = ["Storm"]

FOR_EVER_S = 20_000.0  # virtual
LONG_S = 30.0  # by which what was delayed or is tried again has come
AFTER_S = 0.51  # that a close may take beyond its timeout


class Calling(SimpleRouter):
    """Calls the collectors itself."""

    async def handle_event(self, payload: Payload[Any]) -> ResultList:
        chosen = [key for key in self.select(payload) if key in self.collectors]
        calls = [self.collectors[key].process(payload) for key in chosen]
        return ResultList(await asyncio.gather(*calls), chosen)


class Storm:
    """One queue, and what happens to it."""

    def __init__(self, seed: int) -> None:
        self.dice = dice = random.Random(seed)
        random.seed(seed)  # the jitter of retries
        self.is_calm = dice.random() < 0.4  # nobody is cancelled, nothing times out
        self.keeps_collectors = dice.random() < 0.5
        self.has_live_limits = dice.random() < 0.4
        self.waits_inside = dice.random() < 0.3  # handlers do, and for ever
        self.events: list[CollectorEvent] = []
        self.tasks: list[asyncio.Task[Any]] = []
        self.sends_left = 0
        self.order = dice.choice(["fifo", "fifo", "priority", "lifo"])
        self.keys = [f"c{at}" for at in range(dice.randint(1, 4))]
        self.stormy = {key: self.new(key) for key in self.keys}
        self.least, self.most = sorted([dice.randint(1, 8), dice.randint(1, 8)])
        self.is_scaled = dice.random() < 0.7
        # Which limits those hold that it calls is not known: handlers might wait for ever.
        calls_itself = random.Random(f"router {seed}").random() < 0.3
        calls_itself = calls_itself and self.is_calm and not self.waits_inside
        self.queue = CollectorQueue(
            [
                *(each.collector for each in self.stormy.values()),
                Collector("leaf", leaf),
            ],
            Calling if calls_itself else SimpleRouter,
            queue_type=self.order,
            capacity=dice.choice([3, 10, 1000]),
            overflow=dice.choice(
                ["wait", "wait", "reject", "drop_oldest", "drop_incoming"]
            ),
            min_consumers=self.least,
            max_consumers=self.most,
            autoscale=self.is_scaled,
            propagate_context=dice.random() < 0.3,
            max_bytes=dice.choice([None, None, 50, 1000]),
            size_of=lambda value: 8,
            dead_letter=lambda letter: None,
        )

    def new(self, key: str) -> Stormy:
        return Stormy(
            key,
            self.dice,
            self.disturb,
            is_calm=self.is_calm,
            has_live_limits=self.has_live_limits,
        )

    async def run(self) -> None:
        """All of it."""
        before = asyncio.all_tasks()
        for _ in range(self.dice.randint(1, 3)):
            await self.run_once()
            left = asyncio.all_tasks() - before
            require(not left, "I9", f"tasks are left: {left}")
        faults = [fault for each in self.stormy.values() for fault in each.faults]
        require(not faults, "I7", sorted(set(faults)))

    async def run_once(self) -> None:
        dice, queue = self.dice, self.queue
        for each in self.stormy.values():
            each.started_again()
        self.events, self.tasks = [], []
        self.sends_left = dice.choice([20, 100, 250])
        if self.has_live_limits:
            self.set_limits()
        if dice.random() < 0.2:
            await self.start_and_close()
        await queue.start()
        for _ in range(dice.choice([10, 40, 100])):
            await self.step()
            self.check_sums()
        if dice.random() < 0.6:
            await self.come_to_rest()
        await self.close()

    async def start_and_close(self) -> None:
        """It is closed before it has begun."""
        starting = asyncio.create_task(self.queue.start())
        await asyncio.sleep(0)
        await self.bounded(self.queue.close(0), "close while starting")
        with suppress(QueueClosed):
            await starting
        require(not self.queue.is_running, "I12", "it runs after its close")

    # -- what happens -----------------------------------------------------------------

    async def step(self) -> None:
        """Something."""
        dice, chance, loud = self.dice, self.dice.random(), not self.is_calm
        if chance < 0.55:
            self.begin(self.send())
            await asyncio.sleep(0)
        elif chance < 0.62:
            for _ in range(dice.randint(2, 8)):
                self.send_nowait()
        elif chance < 0.70:
            await asyncio.sleep(dice.choice([0, 0, 0.01, 0.1, 1]))
        elif chance < 0.76 and loud and self.events:
            dice.choice(self.events[-30:]).cancel()
        elif chance < 0.78 and loud:
            consumers = consumer_tasks()
            if len(consumers) > 1:
                dice.choice(consumers).cancel()
        elif chance < 0.80 and loud and self.tasks:
            dice.choice(self.tasks).cancel()
        elif chance < 0.84 and self.has_live_limits:
            self.set_limits()
        elif chance < 0.87 and not self.keeps_collectors:
            self.begin(self.replace_collector())
            await asyncio.sleep(0)
        elif chance < 0.92 and self.events:
            self.begin(dice.choice(self.events).wait())
        elif chance < 0.94:
            self.begin(self.queue.publisher.wait())

    def begin(self, what: Coroutine[Any, Any, Any]) -> None:
        self.tasks.append(asyncio.create_task(what))

    def terms(self) -> dict[str, Any]:
        """Where to, and on which terms."""
        dice, chance = self.dice, self.dice.random()
        terms: dict[str, Any] = {}
        if chance < 0.5:
            terms["keys"] = dice.choice(self.keys)
        elif chance < 0.6:
            terms["keys"] = dice.sample(self.keys, min(2, len(self.keys)))
        elif chance < 0.75:
            terms["topics"] = dice.choice(["x", "y", "z"])
        if dice.random() < 0.5 and self.order != "lifo":
            terms["ordering_key"] = dice.choice("abc")
        if dice.random() < 0.2:
            terms["ttl"] = dice.choice([0.1, 1, 40])
        if dice.random() < 0.2:
            delay = dice.choice([0.01, 0.2, 2, 30])
            terms["delay"] = delay if delay < terms.get("ttl", 100) else None
        if self.order == "priority":
            terms["priority"] = dice.choice([None, dice.randint(1, 2000)])
        return terms

    async def send(self) -> None:
        self.sends_left -= 1
        with suppress(CollectorQueueError):
            event = await self.queue.publisher.send(self.sends_left, **self.terms())
            self.events.append(event)

    def send_nowait(self) -> None:
        self.sends_left -= 1
        with suppress(CollectorQueueError):
            event = self.queue.publisher.send_nowait(self.sends_left, **self.terms())
            self.events.append(event)

    async def disturb(self, is_calm: bool) -> None:
        """What a handler does to others."""
        dice, chance, publisher = self.dice, self.dice.random(), self.queue.publisher
        if self.sends_left <= 0:
            return
        if self.waits_inside and chance < 0.7:
            await self.wait_for_one()
        elif chance < 0.4:
            self.send_nowait()
        elif chance < 0.45 and not is_calm:
            await publisher.wait()
        elif chance < 0.7:
            with suppress(CollectorQueueError):
                await publisher.call("leaf", 7)
        elif chance < 0.85 and not is_calm:
            self.sends_left -= 1
            with suppress(CollectorQueueError, TimeoutError):
                await publisher.request(
                    8,
                    keys=dice.choice(self.keys),
                    ordering_key=None
                    if self.order == "lifo"
                    else dice.choice([None, "a"]),
                    timeout=dice.choice([0.05, 1]),
                )
        elif chance < 0.92 and not is_calm and self.events:
            await dice.choice(self.events[-20:])  # or it would be a deadlock: it raises
        elif not is_calm and self.events:
            dice.choice(self.events[-20:]).cancel()

    async def wait_for_one(self) -> None:
        """As a handler, for an event that is in whatever state by now."""
        dice = self.dice
        if dice.random() < 0.7:
            self.send_nowait()
        await asyncio.sleep(dice.choice([0, 0, 0.01, 0.3, 2]))
        if self.events:
            with suppress(CollectorQueueError):  # it would have been a deadlock
                await dice.choice(self.events[-8:])

    def set_limits(self) -> None:
        dice = self.dice
        collector = dice.choice(list(self.stormy.values())).collector
        collector.max_concurrency = dice.choice([None, 1, 2, 5])
        collector.rate_limit = dice.choice([None, RateLimit(5), RateLimit(100, 1, 2)])

    async def replace_collector(self) -> None:
        key = self.dice.choice(self.keys)
        with suppress(CollectorQueueError):
            await self.queue.remove_collector(key)
            another = self.new(key)
            another.started_again()
            another.faults = self.stormy[key].faults
            await self.queue.add_collector(another.collector)
            self.stormy[key] = another

    # -- what holds -------------------------------------------------------------------

    def check_sums(self) -> None:
        """I1 and I16."""
        ledger, metrics = self.queue.ledger, self.queue.metrics
        require(ledger.closes, "I1", ledger)
        require(metrics.little_residual == 0.0, "I16", metrics.little_residual)

    async def bounded(self, what: Coroutine[Any, Any, Any], name: str) -> Any:
        """I2: it ends. What it returns."""
        task = asyncio.create_task(what)
        done, _ = await asyncio.wait([task], timeout=FOR_EVER_S)
        if not done:
            task.cancel()
        require(done, "I2", f"{name} hangs: {self.queue.ledger}")
        return task.result()

    async def come_to_rest(self) -> None:
        """I8: all that was sent ends by itself, and each collector still serves."""
        queue, publisher = self.queue, self.queue.publisher
        self.sends_left = 0
        with suppress(QueueFailed):
            for _ in range(3):
                await self.bounded(publisher.wait(), "publisher.wait")
                await asyncio.sleep(LONG_S)
            ledger = queue.ledger
            require(
                not ledger.queued and not ledger.in_flight, "I8", f"not over: {ledger}"
            )
            for key in [key for key in self.keys if key in queue.collectors]:
                event = publisher.send_nowait(1, keys=key)
                await self.bounded(event.wait(), f"an event for {key}")
            await asyncio.sleep(LONG_S)
            publisher.send_nowait(1, keys="leaf")  # raises if all has failed by now
            least = self.least if self.is_scaled else self.most
            fits = least <= queue.consumers <= self.most
            require(fits, "I7", f"{queue.consumers} consumers at rest")

    async def close(self) -> None:
        """I12: within its time; and nothing waits, runs or is held then."""
        queue, loop = self.queue, asyncio.get_running_loop()
        timeout, begun = self.dice.choice([None, 0, 0.05, 3]), loop.time()
        report = await self.bounded(queue.close(timeout), f"close({timeout})")
        took = loop.time() - begun
        require(
            timeout is None or took <= timeout + AFTER_S, "I12", f"it took {took} s"
        )
        self.check_sums()
        ledger, metrics = queue.ledger, queue.metrics
        require(report.ledger == ledger, "I12", report)
        require(not ledger.queued and not ledger.in_flight, "I12", ledger)
        require(not metrics.queued_bytes and not queue.consumers, "I9", metrics)
        unsettled = [event for event in self.events if event.outcome is None]
        require(not unsettled, "I2", f"without an outcome: {unsettled}")
        if self.is_calm and timeout is None:
            require(not ledger.aborted, "I12", f"aborted without a deadline: {ledger}")
        for task in self.tasks:
            with suppress(asyncio.CancelledError, CollectorQueueError):
                await self.bounded(ended(task), "a task of the program")
        await asyncio.sleep(20)  # for handlers that ignored their cancel


async def ended(task: asyncio.Task[Any]) -> Any:
    return await task


async def leaf(payload: Any) -> int:
    """What handlers wait for."""
    await asyncio.sleep(0.01)
    value: int = payload.value
    return value
