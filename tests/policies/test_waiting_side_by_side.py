"""Several collectors of one event that wait inside their handlers: each for itself."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any

import pytest

from collectorqueue import Collector, CollectorEvent, CollectorQueue, Ok, Payload, Retry
from collectorqueue.errors import WouldDeadlock
from tests.support import assert_closes, virtual


async def nothing(payload: Payload[Any]) -> None: ...


async def run_all(queue: CollectorQueue, *events: CollectorEvent) -> None:
    async with asyncio.timeout(1000):
        for event in events:
            await event
        await queue.publisher.wait()


@virtual
async def test_two_that_wait_for_all_hold_a_consumer_each() -> None:
    """Tried again, each has one; what was lent is taken by one who waits for their event."""
    tried: set[str] = set()
    ended: list[str] = []

    def waits_for_all(name: str) -> Collector[Any, Any]:
        async def handle(payload: Payload[Any]) -> None:
            if name not in tried:
                tried.add(name)
                raise RuntimeError("try me again")
            await queue.publisher.wait()

        return Collector(name, handle, topics="both", retry=Retry(2, backoff=1, jitter=0))

    async def other(payload: Payload[str]) -> None:
        if payload.value == "for that":
            await both
        ended.append(payload.value)

    queue = CollectorQueue(
        [waits_for_all("a"), waits_for_all("b"), Collector("c", other)], max_consumers=1
    )
    async with queue:
        both = queue.publisher.send_nowait(0, topics="both")
        await asyncio.sleep(0.5)
        others = [
            queue.publisher.send_nowait(value, keys="c", delay=1)
            for value in ("for that", "other")
        ]
        await run_all(queue, both, *others)
    assert sorted(ended) == ["for that", "other"]
    assert_closes(queue)


@virtual
async def test_the_consumer_that_is_lent_to_one_may_be_blocked_itself() -> None:
    """It was told to leave when the first wait was over, and stays for the second."""
    ended: list[str] = []

    async def waits_twice(payload: Payload[Any]) -> None:
        await queue.publisher.wait()
        queue.publisher.send_nowait("other", keys="c")
        await queue.publisher.wait()

    async def other(payload: Payload[str]) -> None:
        if payload.value == "for that":
            await both
        ended.append(payload.value)

    queue = CollectorQueue(
        [
            Collector("a", waits_twice, topics="both"),
            Collector("b", nothing, topics="both"),
            Collector("c", other),
        ],
        max_consumers=1,
    )
    async with queue:
        both = queue.publisher.send_nowait(0, topics="both")
        await run_all(queue, both, queue.publisher.send_nowait("for that", keys="c"))
    assert ended == ["other", "for that"]
    assert_closes(queue)


async def in_a_group(asks: Awaitable[None]) -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(within(asks))


async def gathered(asks: Awaitable[None]) -> None:
    await asyncio.gather(within(asks), asyncio.sleep(0))


async def in_a_task(asks: Awaitable[None]) -> None:
    await asyncio.create_task(within(asks))


async def within(asks: Awaitable[None]) -> None:
    await asks


@pytest.mark.parametrize("way", [within, in_a_task, gathered, in_a_group])
@pytest.mark.parametrize("place", [0, 1])
@virtual
async def test_who_waits_in_a_task_of_a_handler_is_known(way: Any, place: int) -> None:
    """It asks for an event of its own collector, which is at its limit."""
    refused = 0

    async def ask() -> None:
        nonlocal refused
        try:
            await queue.publisher.request("inner", keys="limited")
        except WouldDeadlock:
            refused += 1

    async def limited(payload: Payload[str]) -> None:
        if payload.value == "outer":
            await way(ask())

    collectors: list[Collector[Any, Any]] = [Collector("plain", nothing, topics="both")]
    collectors.insert(place, Collector("limited", limited, topics="both", max_concurrency=1))
    queue = CollectorQueue(collectors)
    async with queue:
        await run_all(queue, queue.publisher.send_nowait("outer", topics="both"))
    assert refused == 1
    assert_closes(queue)


def beside_a_sleeper(beside: Any) -> CollectorQueue:
    """One handler of an event fills a limit until a sleeper has ended; `beside` is another."""

    async def limited(payload: Payload[str]) -> None:
        if payload.value == "outer":
            await queue.publisher.request(0, keys="sleeper")

    async def sleeper(payload: Payload[int]) -> None:
        await asyncio.sleep(10)

    queue = CollectorQueue(
        [
            Collector("limited", limited, topics="both", max_concurrency=1),
            Collector("beside", beside, topics="both"),
            Collector("sleeper", sleeper),
        ]
    )
    return queue


@virtual
async def test_a_place_is_free_once_that_handler_has_ended_not_its_event() -> None:
    async def asks(payload: Payload[str]) -> Any:
        await asyncio.sleep(1)
        return (await queue.publisher.request("inner", keys="limited")).first()

    queue = beside_a_sleeper(asks)
    async with queue:
        outer = queue.publisher.send_nowait("outer", topics="both")
        await run_all(queue, outer)
    assert outer.outcome == "ok"
    assert (await outer)["beside"] == Ok(None)
    assert_closes(queue)


@virtual
async def test_a_wait_for_all_is_for_what_waits_for_such_a_place() -> None:
    outcomes = []

    async def for_all(payload: Payload[str]) -> None:
        await asyncio.sleep(1)
        inner = queue.publisher.send_nowait("inner", keys="limited")
        await asyncio.sleep(1)
        await queue.publisher.wait()
        outcomes.append(inner.outcome)

    queue = beside_a_sleeper(for_all)
    async with queue:
        await run_all(queue, queue.publisher.send_nowait("outer", topics="both"))
    assert outcomes == ["ok"]
    assert_closes(queue)
