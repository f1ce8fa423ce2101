"""What a handler has started may wait on when that is over: in the way of nobody."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from collectorqueue import Collector, CollectorEvent, CollectorQueue, Ok, Payload, Retry
from collectorqueue.errors import WouldDeadlock
from tests.support import assert_closes, virtual


class Strays:
    """Tasks that nobody waits for until the test ends."""

    def __init__(self) -> None:
        self.tasks: list[asyncio.Task[Any]] = []

    def start(self, what: Coroutine[Any, Any, Any]) -> None:
        self.tasks.append(asyncio.create_task(what))

    async def end(self) -> None:
        await asyncio.gather(*self.tasks, return_exceptions=True)


async def outcome_of(event: CollectorEvent) -> Any:
    return (await event).first()


async def ended(*events: CollectorEvent) -> list[Any]:
    async with asyncio.timeout(100):
        return [await outcome_of(event) for event in events]


@virtual
async def test_one_that_was_too_slow_waits_for_its_place_and_not_for_what_it_left() -> None:
    """Each try is shielded from its timeout: its wait goes on as it is tried again."""
    strays = Strays()
    tries = 0

    async def limited(payload: Payload[str]) -> str:
        nonlocal tries
        if payload.value == "beside":
            await asyncio.sleep(0.05)
            return payload.value
        tries += 1
        if tries < 3:
            strays.start(ask())
            await asyncio.sleep(10)
        return payload.value

    async def ask() -> None:
        await queue.publisher.request(0, keys="slow")

    async def slow(payload: Payload[int]) -> None:
        await asyncio.sleep(0.5)
        beside = queue.publisher.send_nowait("beside", keys="limited")
        assert await outcome_of(beside) == Ok("beside")

    retry = Retry(3, backoff=0.01, jitter=0)
    queue = CollectorQueue(
        [
            Collector("limited", limited, max_concurrency=1, timeout=0.1, retry=retry),
            Collector("slow", slow),
        ]
    )
    async with queue:
        events = [
            queue.publisher.send_nowait(value, keys="limited")
            for value in ("late", "beside", "beside")
        ]
        assert await ended(*events) == [Ok("late"), Ok("beside"), Ok("beside")]
        await strays.end()
    assert_closes(queue)


@virtual
async def test_one_that_runs_again_is_not_what_its_first_try_has_left() -> None:
    strays = Strays()
    tries = 0

    async def tried(payload: Payload[Any]) -> str:
        nonlocal tries
        tries += 1
        if tries == 1:
            strays.start(outcome_of(slow_one))
            await asyncio.sleep(0.02)
            raise RuntimeError("try me again")
        await asyncio.sleep(0.3)
        return "fine"

    async def slow(payload: Payload[Any]) -> Any:
        await asyncio.sleep(0.1)
        return await outcome_of(tried_one)

    retry = Retry(3, backoff=0.01, jitter=0)
    queue = CollectorQueue([Collector("a", tried, retry=retry), Collector("slow", slow)])
    async with queue:
        slow_one = queue.publisher.send_nowait(0, keys="slow")
        tried_one = queue.publisher.send_nowait(0, keys="a")
        assert await ended(slow_one, tried_one) == [Ok("fine"), Ok("fine")]
        await strays.end()
    assert_closes(queue)


@pytest.mark.parametrize("left_by", [0, 1, 2])
@virtual
async def test_one_of_several_handlers_that_is_over_is_in_nobodys_way(left_by: int) -> None:
    """First, in the middle and last of the event's collectors; one of the others runs on."""
    strays = Strays()

    async def leaves_a_task(payload: Payload[Any]) -> None:
        strays.start(outcome_of(slow_one))

    async def sleeps(payload: Payload[Any]) -> None:
        await asyncio.sleep(0.3)

    async def slow(payload: Payload[Any]) -> Any:
        await asyncio.sleep(0.1)
        return len(await several)

    handlers = [sleeps, sleeps]
    handlers.insert(left_by, leaves_a_task)
    collectors: list[Collector[Any, Any]] = [
        Collector(f"{at}", handler, topics="several") for at, handler in enumerate(handlers)
    ]
    queue = CollectorQueue([*collectors, Collector("slow", slow)])
    async with queue:
        slow_one = queue.publisher.send_nowait(0, keys="slow")
        several = queue.publisher.send_nowait(0, topics="several")
        assert await ended(slow_one) == [Ok(3)]
        await strays.end()
    assert_closes(queue)


@pytest.mark.parametrize("waits", [1, 2, 5])
@virtual
async def test_all_waits_of_one_handler_for_an_event_that_cannot_end_are_refused(
    waits: int,
) -> None:
    async def handle(payload: Payload[str]) -> int:
        if payload.value == "inner":
            return 0
        inner = queue.publisher.send_nowait("inner", keys="a", delay=0.1)
        found = await asyncio.gather(
            *(inner.wait() for _ in range(waits)), return_exceptions=True
        )
        return sum(isinstance(each, WouldDeadlock) for each in found)

    limited = Collector("a", handle)
    queue = CollectorQueue([limited])
    async with queue:
        outer = queue.publisher.send_nowait("outer", keys="a")
        await asyncio.sleep(0.05)
        limited.max_concurrency = 1
        assert await ended(outer) == [Ok(waits)]
    assert_closes(queue)


@pytest.mark.parametrize("for_all", [False, True])
@virtual
async def test_a_wait_may_be_thrown_away_after_the_queue_was_started_again(
    for_all: bool,
) -> None:
    left: list[Any] = []

    async def handle(payload: Payload[str]) -> None:
        if payload.value == "slow":
            await asyncio.sleep(0.2)
            return
        wait = queue.publisher.wait() if for_all else slow.wait()
        wait.send(None)
        left.append(wait)

    queue = CollectorQueue([Collector("a", handle), Collector("b", handle)])
    async with queue:
        slow = queue.publisher.send_nowait("slow", keys="a")
        queue.publisher.send_nowait("leaves", keys="b")
    async with queue:
        left.pop().close()
        assert queue.metrics.blocked == 0
        slow = queue.publisher.send_nowait("slow", keys="b")
        assert await ended(slow) == [Ok(None)]
    assert_closes(queue)
