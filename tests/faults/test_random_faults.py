"""Random faults, by seed: the sum always closes and nobody waits for ever."""

from __future__ import annotations

import asyncio
import random
from contextlib import suppress
from typing import Any

import pytest

from collectorqueue import (
    Collector,
    CollectorEvent,
    CollectorQueue,
    Outcome,
    Payload,
    QueueType,
)
from collectorqueue.errors import CollectorQueueError, QueueFailed
from tests.faults.harness import assert_closed, consumer_tasks, me
from tests.support import assert_closes, ticks, virtual


class Storm:
    """One queue, handlers that misbehave as the dice fall, and what is done to them."""

    def __init__(self, seed: int, may_break: bool) -> None:
        self.dice = random.Random(seed)
        self.may_break = may_break
        self.maximum = self.dice.choice([1, 2, 3, 8])
        self.events: list[Any] = []
        self.tasks: list[asyncio.Task[Any]] = []
        self.started: dict[int, int] = {}
        self.queue = CollectorQueue(
            [Collector(key, self.handler, topics=["all"]) for key in "abc"],
            queue_type=self.dice.choice(list(QueueType)),
            max_consumers=self.maximum,
            autoscale=self.dice.random() < 0.5,
            capacity=self.dice.choice([1, 3, 20]),
        )

    async def handler(self, payload: Payload[int]) -> Any:
        dice = random.Random(payload.value)
        assert me().cancelling() == 0
        for _ in range(dice.randrange(3)):
            what = dice.randrange(11)
            if what == 0:
                await asyncio.sleep(dice.random())
            elif what == 1:
                await ticks(dice.randrange(4))
            elif what == 2:
                raise ValueError(payload.value)
            elif what == 3:
                me().cancel()
            elif what == 4:
                raise asyncio.CancelledError
            elif what == 5:
                try:
                    await asyncio.sleep(0.2)
                except asyncio.CancelledError:
                    if dice.random() < 0.5:
                        raise
            elif what == 6:
                async with asyncio.timeout(dice.random() / 5):
                    await asyncio.sleep(0.1)
            elif what == 7 and payload.value > 1000:
                await self.queue.publisher.request(
                    payload.value // 10, keys="a", timeout=dice.choice([None, 0.1, 3])
                )
            elif what == 8 and payload.value > 100:
                self.queue.publisher.send_nowait(payload.value // 10, keys="b")
            elif what == 9:
                async with asyncio.TaskGroup() as group:
                    group.create_task(asyncio.sleep(0))
                    group.create_task(asyncio.sleep(dice.random() / 10))
            elif what == 10 and self.events:
                await dice.choice(self.events)
        return payload.value

    async def step(self) -> None:
        dice, publisher = self.dice, self.queue.publisher
        value = dice.randrange(100_000)
        where: dict[str, Any] = dice.choice(
            [{"keys": "a"}, {"keys": ["a", "c"]}, {"topics": "all"}, {"keys": "nobody"}]
        )
        what = dice.randrange(13)
        if what < 4:
            with suppress(CollectorQueueError):
                self.events.append(publisher.send_nowait(value, **where))
        elif what < 6:
            self.tasks.append(asyncio.create_task(publisher.send(value, **where)))
        elif what == 6:
            self.tasks.append(
                asyncio.create_task(publisher.request(value, **where, timeout=5))
            )
        elif what == 7:
            self.tasks.append(asyncio.create_task(publisher.wait()))
        elif what == 8 and self.events:
            self.tasks.append(asyncio.create_task(dice.choice(self.events).wait()))
        elif what == 9 and self.events:
            dice.choice(self.events).cancel()
        elif what == 10 and self.tasks:
            dice.choice(self.tasks).cancel()
        elif what == 11 and self.may_break and dice.random() < 0.5:
            if consumers := consumer_tasks():
                dice.choice(consumers).cancel()
        elif what == 12:
            await asyncio.sleep(dice.choice([0.01, 0.1, 3]))
        await ticks(dice.randrange(3))
        assert_closes(self.queue)
        assert self.queue.ledger.in_flight >= 0
        assert self.queue.consumers <= self.maximum + self.queue.metrics.blocked


@pytest.mark.parametrize("may_break", [False, True])
@pytest.mark.parametrize("seed", [*range(60), 719, 992, 4555, 4790])
@virtual
async def test_whatever_happens(seed: int, may_break: bool) -> None:
    storm = Storm(seed, may_break)
    queue = storm.queue
    loop = asyncio.get_running_loop()
    for _ in range(2):
        await queue.start()
        for _ in range(80):
            await storm.step()
        timeout = storm.dice.choice([0, 0.5, 1000, None])
        if storm.dice.random() < 0.5:
            with suppress(QueueFailed):
                await asyncio.wait_for(queue.publisher.wait(), 10_000)
        begun = loop.time()
        report = await queue.close(timeout=timeout)
        if timeout is not None:
            assert loop.time() - begun <= timeout + 0.51
        assert report.ledger == queue.ledger
        assert queue.consumers == 0
        assert len(report.aborted) <= queue.ledger.aborted
        assert_closed(queue)
        if storm.tasks:
            _, waiting = await asyncio.wait(storm.tasks, timeout=10_000)
            assert not waiting, f"they wait for ever: {waiting}"
        for task in storm.tasks:
            result = None if task.cancelled() or task.exception() else task.result()
            if isinstance(result, CollectorEvent):
                storm.events.append(result)
        assert all(event.is_done() for event in storm.events)
        outcomes = [event.outcome for event in storm.events]
        assert outcomes.count(Outcome.DROPPED) == 0
        storm.events.clear()
        storm.tasks.clear()
        await asyncio.sleep(1)
