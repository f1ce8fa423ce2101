"""ttl: an event that has not started by then ends DROPPED, on time."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from collectorqueue import Collector, CollectorQueue, Error, Ok, Outcome, Payload
from collectorqueue.errors import EventDropped
from tests.support import (
    Gate,
    Log,
    VirtualLoop,
    assert_closes,
    both_loops,
    ticks,
    virtual,
)


def gated(**options: Any) -> tuple[CollectorQueue, Gate]:
    options.setdefault("max_consumers", 1)
    gate = Gate()
    return CollectorQueue([Collector("gate", gate)], **options), gate


@virtual
async def test_an_event_is_dropped_on_time_while_the_consumer_is_stuck() -> None:
    queue, gate = gated()
    loop = asyncio.get_running_loop()
    async with queue:
        await queue.publisher.send("stuck")
        event = await queue.publisher.send(7, ttl=2.5)
        begun = loop.time()
        (result,) = await event
        assert loop.time() - begun == pytest.approx(2.5, abs=1e-3)
        assert event.outcome is Outcome.DROPPED
        assert isinstance(result, Error)
        assert type(result.err) is EventDropped
        assert str(result.err) == "the event did not start within its ttl of 2.5 s"
        assert (queue.ledger.dropped, queue.ledger.queued) == (1, 0)
        assert_closes(queue)
        gate.open()
    assert gate.started == ["stuck"]


@virtual
async def test_an_event_that_started_in_time_runs_on_for_as_long_as_it_likes() -> None:
    queue = CollectorQueue(max_consumers=1)

    @queue.collector
    async def slow(payload: Payload[int]) -> int:
        await asyncio.sleep(100)
        return payload.value

    async with queue:
        event = await queue.publisher.send(7, ttl=1)
        assert await event == [Ok(7)]
        assert queue.ledger.dropped == 0


@virtual
async def test_an_event_that_ended_in_time_is_not_dropped_later() -> None:
    log = Log()
    async with CollectorQueue([Collector("log", log)]) as queue:
        event = await queue.publisher.send(7, ttl=1)
        await event
        await asyncio.sleep(10)
        assert event.outcome is Outcome.OK
        assert queue.ledger.dropped == 0


@virtual
async def test_no_event_starts_after_its_ttl_though_no_timer_could_ring() -> None:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    queue = CollectorQueue(max_consumers=1)
    ran: list[Any] = []

    @queue.collector
    async def block(payload: Payload[Any]) -> None:
        ran.append(payload.value)
        if payload.value == "blocks the loop":
            loop.clock.elapse(10)

    async with queue:
        await queue.publisher.send("blocks the loop")
        event = await queue.publisher.send("too late", ttl=2)
        other = await queue.publisher.send("in time", ttl=20)
        await event
        await other
    assert event.outcome is Outcome.DROPPED
    assert other.outcome is Outcome.OK
    assert ran == ["blocks the loop", "in time"]


@virtual
async def test_a_dropped_event_gives_its_place_to_a_blocked_sender() -> None:
    queue, gate = gated(capacity=1)
    loop = asyncio.get_running_loop()
    async with queue:
        await queue.publisher.send("stuck")
        await ticks(3)
        await queue.publisher.send("drops", ttl=2)
        begun = loop.time()
        await queue.publisher.send("takes its place")
        assert loop.time() - begun == pytest.approx(2, abs=1e-3)
        gate.open()
    assert gate.started == ["stuck", "takes its place"]


@pytest.mark.parametrize("queue_type", ["fifo", "lifo", "priority"])
@virtual
async def test_events_are_dropped_from_the_middle_of_every_kind_of_queue(
    queue_type: str,
) -> None:
    queue, gate = gated(queue_type=queue_type, capacity=500)
    async with queue:
        await queue.publisher.send("stuck")
        await ticks(3)
        for number in range(200):
            ttl = 5 if number % 3 == 0 else None
            await queue.publisher.send(number, ttl=ttl, priority=number % 7)
        await asyncio.sleep(6)
        assert queue.ledger.dropped == 67
        assert queue.ledger.queued == 133
        assert_closes(queue)
        gate.open()
    assert sorted(gate.started[1:]) == [n for n in range(200) if n % 3]


@virtual
async def test_a_ttl_counts_from_the_moment_of_being_accepted() -> None:
    queue, gate = gated(capacity=1)
    async with queue:
        await queue.publisher.send("stuck")
        await ticks(3)
        queued = await queue.publisher.send("queued")
        sending = asyncio.ensure_future(queue.publisher.send("blocked", ttl=2))
        await asyncio.sleep(5)
        queued.cancel()
        event = await sending
        await asyncio.sleep(1)
        assert event.outcome is None
        gate.open()
        assert await event == [Ok("blocked")]


@virtual
async def test_a_payload_sent_twice_has_its_ttl_each_time() -> None:
    queue, gate = gated()
    payload = Payload(7, ttl=2)
    async with queue:
        await queue.publisher.send("stuck")
        first = await queue.publisher.send(payload)
        await asyncio.sleep(1.5)
        second = await queue.publisher.send(payload)
        await asyncio.sleep(1)
        assert (first.outcome, second.outcome) == (Outcome.DROPPED, None)
        await asyncio.sleep(1)
        assert second.outcome is Outcome.DROPPED
        gate.open()


@virtual
async def test_a_cancelled_event_is_not_dropped_as_well() -> None:
    queue, gate = gated()
    async with queue:
        await queue.publisher.send("stuck")
        event = await queue.publisher.send(7, ttl=2)
        event.cancel()
        await asyncio.sleep(5)
        assert event.outcome is Outcome.ABORTED
        assert (queue.ledger.aborted, queue.ledger.dropped) == (1, 0)
        assert_closes(queue)
        gate.open()


@virtual
async def test_events_are_dropped_on_time_while_the_queue_drains() -> None:
    queue, gate = gated(drain_timeout=None)
    loop = asyncio.get_running_loop()
    async with queue:
        await queue.publisher.send("stuck")
        event = await queue.publisher.send(7, ttl=3)
        closing = asyncio.ensure_future(queue.close())
        begun = loop.time()
        await event
        assert event.outcome is Outcome.DROPPED
        assert loop.time() - begun == pytest.approx(3, abs=1e-3)
        gate.open()
        report = await closing
        assert report.ledger.dropped == 1
        assert report.aborted == ()


@virtual
async def test_no_deadline_of_one_run_reaches_the_next_run_of_the_queue() -> None:
    queue, gate = gated(drain_timeout=0)
    async with queue:
        await queue.publisher.send("stuck")
        await queue.publisher.send(7, ttl=3)
    async with queue:
        gate.open()
        await asyncio.sleep(10)
        assert queue.ledger.dropped == 0
        assert await queue.publisher.request(8, ttl=3) == [Ok(8)]


@both_loops
async def test_an_event_is_dropped_in_real_time_too() -> None:
    queue, gate = gated()
    async with queue:
        await queue.publisher.send("stuck")
        event = await queue.publisher.send(7, ttl=0.002)
        await event.wait(timeout=5)
        assert event.outcome is Outcome.DROPPED
        assert event.wait_time() >= 2_000_000
        gate.open()


@both_loops
async def test_the_longest_ttl_does_no_harm() -> None:
    queue, gate = gated()
    async with queue:
        await queue.publisher.send("stuck")
        event = await queue.publisher.send(7, ttl=1e9)
        await ticks(10)
        gate.open()
        assert await event == [Ok(7)]
