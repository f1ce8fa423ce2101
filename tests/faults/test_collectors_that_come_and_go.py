"""Process collectors that come and go under load, by chance: no event, call or worker hangs."""

from __future__ import annotations

import asyncio
import random
from contextlib import suppress
from typing import Any

import pytest

from collectorqueue import Collector, CollectorEvent, CollectorQueue, QueueType
from collectorqueue.errors import DuplicateKey, QueueClosed, UnknownKey
from tests.faults.harness import assert_closed
from tests.support import Log, both_loops
from tests.workers import handlers

pytestmark = pytest.mark.slow  # real workers, for a second each

LATE_S = 2.0  # on a busy machine; a hang is longer


def some_collector(key: str, dice: random.Random) -> Collector:
    return Collector(
        key,
        dice.choice([handlers.same, handlers.nap, handlers.sleep]),
        runs_in="process",
        lifecycle=dice.choice([None, handlers.lifecycle]),
        idempotent=dice.random() < 0.5,
        max_concurrency=dice.choice([None, None, 1, 4]),
    )


async def come_and_go(
    queue: CollectorQueue, dice: random.Random, seconds: float
) -> list[asyncio.Task[None]]:
    """For so long; returns what was asked for."""
    loop = asyncio.get_running_loop()
    asked: list[asyncio.Task[None]] = []
    end = loop.time() + seconds
    while loop.time() < end:
        key, deed = dice.choice("ab"), dice.random()
        if deed < 0.5:
            adding = queue.add_collector(some_collector(key, dice))
            asked.append(asyncio.create_task(adding))
        elif deed < 0.9:
            asked.append(asyncio.create_task(queue.remove_collector(key)))
        elif asked:
            dice.choice(asked).cancel()
        await asyncio.sleep(dice.choice([0, 0.05, 0.2]))
    return asked


async def send_to_all(
    queue: CollectorQueue, dice: random.Random, events: list[CollectorEvent]
) -> None:
    with suppress(QueueClosed):
        while True:
            for _ in range(20):
                key = dice.choice(["a", "b", "stays"])
                events.append(await queue.publisher.send(0.001, keys=key))
            await asyncio.sleep(0.003)


@pytest.mark.parametrize("seed", range(6))
@both_loops
async def test_nothing_hangs_and_no_worker_is_sent_what_it_does_not_know(seed: int) -> None:
    dice = random.Random(seed)
    loop = asyncio.get_running_loop()
    queue = CollectorQueue(
        [Collector("stays", Log()), some_collector("a", dice)],
        workers=2,
        queue_type=dice.choice(list(QueueType)),
        max_events_per_worker=dice.choice([None, None, 50]),
    )
    events: list[CollectorEvent] = []
    await queue.start()
    sending = asyncio.create_task(send_to_all(queue, dice, events))
    asked = await come_and_go(queue, dice, dice.choice([0.3, 1, 2]))
    timeout = dice.choice([0, 0.2, 1])
    begun = loop.time()
    with suppress(BaseExceptionGroup):  # lifecycles that had too little time
        await queue.close(timeout)
    assert loop.time() - begun < timeout + LATE_S
    async with asyncio.timeout(LATE_S):
        answers: list[Any] = await asyncio.gather(*asked, return_exceptions=True)
        await sending
    may_be = {type(None), asyncio.CancelledError, DuplicateKey, UnknownKey, QueueClosed}
    assert {type(answer) for answer in answers} <= may_be, answers
    assert all(event.is_done() for event in events)
    assert_closed(queue)
    workers = queue.metrics.workers
    assert workers is None or workers.died == 0
