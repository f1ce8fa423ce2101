"""Handlers that wait for an event of a collector at its limit: served, or refused at once."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from collectorqueue import Batch, Collector, CollectorQueue, Error, Ok, Outcome, Payload, Retry
from collectorqueue.errors import WouldDeadlock
from tests.support import Gate, assert_closes, ticks, virtual


@virtual
async def test_waiting_for_a_collector_that_is_full_of_oneself_would_deadlock() -> None:
    queue = CollectorQueue(max_consumers=4)
    errors: list[BaseException] = []

    async def handle(payload: Payload[int]) -> int:
        if payload.value:
            event = await queue.publisher.send(payload.value - 1, keys="handle")
            try:
                await event
            except WouldDeadlock as error:
                errors.append(error)
                raise
        return payload.value

    await queue.add_collector(Collector("handle", handle, max_concurrency=1))
    async with queue:
        (result,) = await (await queue.publisher.send(1, keys="handle"))
        assert isinstance(result, Error)
        await queue.publisher.wait()
    assert "at its limit" in str(errors[0])


@virtual
async def test_a_limit_of_two_is_full_only_when_both_wait() -> None:
    queue = CollectorQueue(max_consumers=8)
    gate = Gate()

    async def handle(payload: Payload[Any]) -> Any:
        if payload.value == "wait":
            await gate(payload)
            return "waited"
        if payload.value == "ask":
            event = await queue.publisher.send("answer", keys="handle")
            return (await event).first().value
        return "answered"

    await queue.add_collector(Collector("handle", handle, max_concurrency=2))
    async with queue:
        waits = await queue.publisher.send("wait", keys="handle")
        asks = await queue.publisher.send("ask", keys="handle")
        await ticks(20)
        gate.open()
        assert await waits == [Ok("waited")]
        assert await asks == [Ok("answered")]
        asked = [await queue.publisher.send("ask", keys="handle") for _ in range(2)]
        results = [(await event).first() for event in asked]
        assert any(isinstance(result, Error) for result in results)
        await queue.publisher.wait()


@pytest.mark.parametrize("ran_before", [False, True])
@virtual
async def test_for_an_event_a_part_of_which_fills_a_batch_of_one_s_own_collector(
    ran_before: bool,
) -> None:
    results: list[Any] = []

    async def batched(payloads: list[Payload[str]]) -> None:
        if payloads[0].value == "begin":
            event = await queue.publisher.send("part", topics="both")
            if ran_before:
                await asyncio.sleep(0.01)
            with pytest.raises(WouldDeadlock, match="at its limit"):
                await event
            results.append(event)

    collectors = [
        Collector(
            "batched",
            batched,
            topics=("begin", "both"),
            batch=Batch(2, wait=1),
            max_concurrency=1,
        ),
        Collector("plain", lambda payload: None, topics="both"),
    ]
    async with CollectorQueue(collectors) as queue:
        async with asyncio.timeout(100):
            await queue.publisher.request("begin", topics="begin")
            (event,) = results
            await event
            assert event.outcome is Outcome.OK
    assert_closes(queue)


@virtual
async def test_for_an_event_a_part_of_which_is_to_be_tried_again() -> None:
    """Each time that the part waits, be it for its time or for the place."""
    tried = 0

    async def limited(payload: Payload[str]) -> None:
        nonlocal tried
        if payload.value != "part":
            with pytest.raises(WouldDeadlock, match="at its limit"):
                await events[0]
            return
        tried += 1
        if tried == 1:
            queue.publisher.send_nowait("wait", topics="limited")
            raise RuntimeError("on purpose")

    collectors = [
        Collector(
            "limited",
            limited,
            topics=("limited", "both"),
            max_concurrency=1,
            retry=Retry(3, backoff=0, jitter=0),
        ),
        Collector("plain", lambda payload: None, topics="both"),
    ]
    async with CollectorQueue(collectors, max_consumers=4) as queue:
        events = [queue.publisher.send_nowait("part", topics="both")]
        async with asyncio.timeout(100):
            await events[0]
            await queue.publisher.wait()
        assert tried == 2 and queue.ledger.ok == 2
    assert_closes(queue)


@pytest.mark.parametrize("limit", [1, 2])
@virtual
async def test_a_ring_of_collectors_that_ask_the_next(limit: int) -> None:
    """Whoever closes it is refused; the others are served by that."""
    refused = 0

    def asks(next_one: str) -> Any:
        async def handle(payload: Payload[int]) -> Any:
            nonlocal refused
            await asyncio.sleep(1)
            if payload.value == 0:
                return "end"
            try:
                results = await queue.publisher.request(payload.value - 1, keys=next_one)
            except WouldDeadlock:
                refused += 1
                return "refused"
            return results.first().value

        return handle

    queue = CollectorQueue(
        [Collector(f"{at}", asks(f"{(at + 1) % 4}"), max_concurrency=limit) for at in range(4)]
    )
    async with queue:
        events = [queue.publisher.send_nowait(8, keys=f"{n % 4}") for n in range(4 * limit)]
        async with asyncio.timeout(1000):
            for event in events:
                await event
                assert event.outcome is Outcome.OK
    assert refused
    assert_closes(queue)


@pytest.mark.slow
@virtual
async def test_a_thousand_handlers_wait_in_no_time() -> None:
    """What is looked at for one more is what it needs, not all who wait: with the cube of
    those it would take half a minute."""
    gate = Gate()

    async def asks(payload: Payload[int]) -> None:
        await queue.publisher.request(payload.value, keys="asked")

    many = 1000
    queue = CollectorQueue(
        [
            Collector("asks", asks, max_concurrency=many),
            Collector("asked", gate, max_concurrency=many // 2),
        ],
        min_consumers=3 * many,
        max_consumers=3 * many,
        capacity=many,
    )
    begun = time.perf_counter()
    async with queue:
        events = await queue.publisher.send_many(
            Payload(number, keys="asks") for number in range(many)
        )
        while queue.metrics.blocked < many:
            await ticks(1)
        gate.open()
        for event in events:
            await event
            assert event.outcome is Outcome.OK
    assert time.perf_counter() - begun < 8
    assert_closes(queue)


@virtual
async def test_for_an_event_that_comes_to_the_limit_when_its_collector_is_replaced() -> None:
    gate = Gate()
    errors: list[Any] = []

    async def waits(payload: Payload[str]) -> None:
        if payload.value == "waits":
            try:
                await behind
            except WouldDeadlock as error:
                errors.append(error)

    queue = CollectorQueue([Collector("one", gate, max_concurrency=1)], max_consumers=4)
    async with queue:
        queue.publisher.send_nowait("runs", keys="one")
        behind = queue.publisher.send_nowait("behind", keys="one")
        await ticks(5)
        removing = asyncio.create_task(queue.remove_collector("one"))
        await ticks(5)
        await queue.add_collector(Collector("one", waits, max_concurrency=1))
        waiting = queue.publisher.send_nowait("waits", keys="one")
        await ticks(5)
        gate.open()
        async with asyncio.timeout(100):
            await removing
            await waiting
            await behind
        assert "a collector was replaced" in str(errors[0])
    assert_closes(queue)


@virtual
async def test_for_one_that_ran_and_is_tried_again_after_the_limit_was_lowered() -> None:
    """It runs beside the handler; then it is held at a gate whose only run waits for it."""
    refused = 0
    tries = 0

    async def handle(payload: Payload[str]) -> None:
        nonlocal refused, tries
        if payload.value == "waits":
            try:
                await runs
            except WouldDeadlock as error:
                assert "tried again" in str(error)
                refused += 1
            return
        tries += 1
        await asyncio.sleep(2)
        if tries == 1:
            raise RuntimeError("try me again")

    limited = Collector(
        "a", handle, max_concurrency=2, retry=Retry(2, backoff=0.1, jitter=0)
    )
    queue = CollectorQueue([limited], max_consumers=4)
    async with queue:
        runs = queue.publisher.send_nowait("runs", keys="a")
        waits = queue.publisher.send_nowait("waits", keys="a")
        await asyncio.sleep(1)
        limited.max_concurrency = 1
        async with asyncio.timeout(100):
            await runs
            await waits
    assert (refused, tries) == (1, 2)
    assert_closes(queue)


@virtual
async def test_only_the_wait_that_cannot_end_is_refused_of_several_of_one_handler() -> None:
    """The second begins when the first is to be refused, and has not been told yet."""

    async def handle(payload: Payload[str]) -> None:
        if payload.value != "asks":
            return

        async def ask_elsewhere() -> None:
            limited.max_concurrency = 1
            await queue.publisher.request("other", keys="b")

        first, second = await asyncio.gather(
            queue.publisher.request("own", keys="a"), ask_elsewhere(), return_exceptions=True
        )
        assert isinstance(first, WouldDeadlock)
        assert second is None

    limited = Collector("a", handle)
    queue = CollectorQueue([limited, Collector("b", handle)])
    async with queue:
        asks = queue.publisher.send_nowait("asks", keys="a")
        async with asyncio.timeout(100):
            assert await asks == [Ok(None)]
    assert_closes(queue)
