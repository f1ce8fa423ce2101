"""Handlers that wait for all, and what stands behind them: none waits for ever."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from collectorqueue import Batch, Collector, CollectorQueue, Outcome, Payload
from collectorqueue.errors import WouldDeadlock
from tests.support import assert_closes, virtual


class Waiters:
    """A queue whose handlers wait for all; `kinds` are its collectors' policies."""

    def __init__(self, *kinds: dict[str, Any]) -> None:
        self.queue = CollectorQueue(
            [
                Collector(f"{number}", self.wait, topics=f"{number}", **options)
                for number, options in enumerate(kinds)
            ]
        )
        self.ended: list[Any] = []

    async def wait(self, given: Any) -> None:
        await asyncio.sleep(1)
        await self.queue.publisher.wait()
        several = given if isinstance(given, list) else [given]
        self.ended += [each.value for each in several]

    async def run(self, *payloads: Payload[Any]) -> None:
        async with self.queue:
            events = [self.queue.publisher.send_nowait(each) for each in payloads]
            async with asyncio.timeout(100):
                for event in events:
                    await event
            assert {event.outcome for event in events} == {Outcome.OK}
            assert sorted(self.ended) == sorted(each.value for each in payloads)
        assert_closes(self.queue)


def to(*topics: int, **options: Any) -> list[Payload[int]]:
    return [
        Payload(number, topics=f"{topic}", **options)
        for number, topic in enumerate(topics)
    ]


@virtual
async def test_in_two_batches_of_one_collector() -> None:
    await Waiters({"batch": Batch(2, wait=1)}).run(*to(0, 0, 0, 0))


@pytest.mark.parametrize("limit", [1, 2, 3])
@virtual
async def test_with_others_behind_their_limit(limit: int) -> None:
    await Waiters({"max_concurrency": limit}).run(*to(*[0] * 7))


@virtual
async def test_with_others_behind_the_limits_of_both() -> None:
    limits = {"max_concurrency": 1}
    await Waiters(limits, limits).run(*to(0, 1, 0, 1))


@virtual
async def test_with_others_behind_the_limit_of_batches() -> None:
    options = {"batch": Batch(2, wait=1), "max_concurrency": 1}
    await Waiters(options, options).run(*to(0, 0, 1, 1, 0, 0, 1, 1))


@virtual
async def test_with_others_behind_their_ordering_key() -> None:
    await Waiters({}).run(
        *(Payload(number, ordering_key=key) for number, key in enumerate("xyxyy"))
    )


@virtual
async def test_of_one_that_waits_for_an_event_behind_a_limit() -> None:
    """A waits for all; B, at its limit of one, then for an event that waits for A's place."""
    limits = {"max_concurrency": 1}
    waiters = Waiters(limits)
    queue = waiters.queue
    behind: list[Any] = []

    async def one(payload: Payload[Any]) -> None:
        if payload.value == "first":
            await asyncio.sleep(5)
            await behind[0]

    await queue.add_collector(Collector("one", one, topics="one", **limits))
    async with queue:
        first = queue.publisher.send_nowait(0, topics="0")
        second = queue.publisher.send_nowait("first", topics="one")
        behind.append(queue.publisher.send_nowait(1, topics="0"))
        third = queue.publisher.send_nowait("second", topics="one")
        async with asyncio.timeout(100):
            for event in (first, second, behind[0], third):
                await event
                assert event.outcome is Outcome.OK
    assert_closes(queue)


@virtual
async def test_what_can_end_by_itself_is_waited_for() -> None:
    waiters = Waiters({"max_concurrency": 1})
    queue = waiters.queue

    async def slow(payload: Payload[Any]) -> None:
        await asyncio.sleep(50)
        waiters.ended.append("slow")

    await queue.add_collector(Collector("slow", slow, topics="slow", max_concurrency=1))
    async with queue:
        for topic in ("0", "slow", "slow", "0"):
            queue.publisher.send_nowait(topic, topics=topic)
        await queue.publisher.wait()
    assert waiters.ended == ["slow", "slow", "0", "0"]


@virtual
async def test_a_limit_that_makes_a_deadlock_of_a_wait_ends_the_wait() -> None:
    outcomes: list[Any] = []

    async def asks(payload: Payload[int]) -> None:
        await asyncio.sleep(1)
        try:
            outcomes.append(await queue.publisher.request(0, keys="asked"))
        except WouldDeadlock as error:
            outcomes.append(error)

    async def asked(payload: Payload[int]) -> None:
        await asyncio.sleep(10)
        await queue.publisher.request(0, keys="leaf")

    one, two = Collector("asks", asks), Collector("asked", asked)
    leaf = Collector("leaf", lambda payload: None)
    queue = CollectorQueue([one, two, leaf])
    async with queue:
        event = queue.publisher.send_nowait(0, keys="asks")
        await asyncio.sleep(5)
        one.max_concurrency = two.max_concurrency = 1
        await event
        assert not isinstance(outcomes.pop(), WouldDeadlock)  # it could end

        again = Collector("again", again_and_again(outcomes))
        await queue.add_collector(again)
        event = queue.publisher.send_nowait(queue, keys="again")
        await asyncio.sleep(0.5)
        again.max_concurrency = 1
        async with asyncio.timeout(100):
            await event
        (error,) = outcomes
        assert isinstance(error, WouldDeadlock) and "a limit was lowered" in str(error)
    assert_closes(queue)


def again_and_again(outcomes: list[Any]) -> Any:
    """A handler that waits for an event of its own collector, which comes later."""

    async def again(payload: Payload[Any]) -> None:
        publisher = payload.value and payload.value.publisher
        if publisher is None:
            return
        try:
            await publisher.request(None, keys="again", delay=1)
        except WouldDeadlock as error:
            outcomes.append(error)

    return again


@pytest.mark.parametrize("consumers", [1, 2, 3])
@virtual
async def test_of_one_whose_event_another_waits_for_with_few_consumers(consumers: int) -> None:
    """The consumer that is lent to the one is what the other holds while it waits."""
    ended: list[str] = []

    async def handle(payload: Payload[str]) -> None:
        if payload.value == "for all":
            await queue.publisher.wait()
        elif payload.value == "for that":
            await events[0]
        ended.append(payload.value)

    queue = CollectorQueue([Collector("a", handle)], max_consumers=consumers)
    async with queue:
        values = ["for all", "for that", "other", "last"]
        events = [queue.publisher.send_nowait(value) for value in values]
        async with asyncio.timeout(100):
            for event in events:
                await event
    assert sorted(ended) == sorted(values)
    assert_closes(queue)
