"""`publisher.wait()`: from outside, several at once, and from handlers."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

import pytest

from collectorqueue import Collector, CollectorQueue, Ok, Outcome, Payload
from tests.support import Gate, Log, assert_closes, both_loops, ticks, until, virtual

# -- from outside -------------------------------------------------------------------


@both_loops
async def test_it_waits_for_all_that_this_queue_accepted_whoever_sent_it() -> None:
    gate = Gate()
    queue = CollectorQueue(max_consumers=2)
    queue.collector("gate")(gate)

    @queue.collector("forward")
    async def forward(payload: Payload[Any]) -> None:
        await queue.publisher.send("by a handler", keys="gate")

    async with queue:
        await asyncio.gather(queue.publisher.send("by a task", keys="gate"))
        await queue.publisher.request(0, keys="forward")
        waiting = asyncio.ensure_future(queue.publisher.wait())
        await ticks(5)
        assert not waiting.done()
        gate.open()
        await waiting
        assert sorted(gate.ended) == ["by a handler", "by a task"]


@both_loops
async def test_it_does_not_wait_for_what_is_accepted_after_the_call() -> None:
    gate = Gate()
    queue = CollectorQueue(max_consumers=2)
    queue.collector("gate")(gate)
    queue.collector("log")(Log())
    async with queue:
        await queue.publisher.send(1, keys="log")
        waiting = asyncio.ensure_future(queue.publisher.wait())
        await asyncio.sleep(0)
        await queue.publisher.send(2, keys="gate")
        await waiting
        assert gate.ended == []
        gate.open()


@both_loops
async def test_any_number_may_wait_at_once_and_all_are_woken() -> None:
    gate = Gate()
    queue = CollectorQueue(max_consumers=2)
    queue.collector("gate")(gate)
    async with queue:
        await queue.publisher.send(1)
        waits = [asyncio.ensure_future(queue.publisher.wait()) for _ in range(50)]
        await ticks(3)
        assert not any(wait.done() for wait in waits)
        gate.open()
        await asyncio.gather(*waits)


@both_loops
async def test_every_outcome_ends_a_wait() -> None:
    queue = CollectorQueue(max_consumers=1)
    gate = Gate()
    queue.collector("gate")(gate)
    queue.collector("fail")(lambda payload: 1 / 0)
    async with queue:
        running = await queue.publisher.send(1, keys="gate")
        events = [
            await queue.publisher.send(2, keys="fail"),
            await queue.publisher.send(3, keys="nobody"),
            await queue.publisher.send(4, keys="gate", ttl=1e-6),
            await queue.publisher.send(5, keys="gate"),
        ]
        waiting = asyncio.ensure_future(queue.publisher.wait())
        await ticks(2)
        events[3].cancel()
        running.cancel()
        await waiting
        assert running.outcome is Outcome.ABORTED
        outcomes = [event.outcome for event in events]
        assert outcomes == ["failed", "unrouted", "dropped", "aborted"]


@both_loops
async def test_before_the_start_and_after_the_close_it_returns_at_once() -> None:
    queue = CollectorQueue([Collector("log", Log())])
    await queue.publisher.wait()
    async with queue:
        await queue.publisher.send(1)
    await queue.publisher.wait()


@both_loops
async def test_it_returns_when_the_queue_drains_and_when_it_aborts() -> None:
    for timeout in (None, 0):
        gate = Gate()
        queue = CollectorQueue([Collector("gate", gate)], max_consumers=1)
        async with queue:
            await queue.publisher.send_many([1, 2])
            waiting = asyncio.ensure_future(queue.publisher.wait())
            await ticks(3)
            closing = asyncio.ensure_future(queue.close(timeout))
            await ticks(3)
            gate.open()
            await waiting
            await closing


@pytest.mark.parametrize("offset", range(8))
@both_loops
async def test_a_wait_cancelled_at_any_tick_leaves_the_queue_as_it_was(
    offset: int,
) -> None:
    gate = Gate()
    queue = CollectorQueue([Collector("gate", gate)], max_consumers=1)
    async with queue:
        await queue.publisher.send(1)
        waits = [asyncio.ensure_future(queue.publisher.wait()) for _ in range(2)]
        await ticks(offset)
        waits[0].cancel()
        await asyncio.wait(waits[:1])
        assert waits[0].cancelled()
        gate.open()
        await waits[1]
        await queue.publisher.wait()


@virtual
async def test_it_waits_for_what_a_close_is_giving_up() -> None:
    async def deaf(payload: Payload[Any]) -> None:
        while True:
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(2)
                return

    queue = CollectorQueue([Collector("deaf", deaf)])
    await queue.start()
    event = await queue.publisher.send(1)
    await ticks(3)
    closing = asyncio.create_task(queue.close(timeout=0))
    await ticks(5)
    assert not event.is_done() and not queue.is_running
    await queue.publisher.wait()
    assert event.outcome is Outcome.ABORTED
    await closing
    await asyncio.sleep(5)


# -- from handlers ------------------------------------------------------------------


@both_loops
async def test_a_handler_that_waits_leaves_out_its_own_event() -> None:
    queue = CollectorQueue(max_consumers=1)
    log = Log()
    queue.collector("log")(log)

    @queue.collector("boss")
    async def boss(payload: Payload[Any]) -> list[Any]:
        for number in range(3):
            await queue.publisher.send(number, keys="log")
        await queue.publisher.wait()
        return list(log.values)

    async with queue:
        assert await queue.publisher.request(0, keys="boss") == [Ok([0, 1, 2])]
        await ticks(3)
        assert queue.consumers == 1
        assert queue.metrics.peak_consumers <= 2
        assert_closes(queue)


@both_loops
async def test_handlers_that_wait_at_once_leave_out_each_other() -> None:
    queue = CollectorQueue(max_consumers=2)
    log = Log()
    queue.collector("log")(log)

    @queue.collector("boss")
    async def boss(payload: Payload[int]) -> int:
        await queue.publisher.send(payload.value, keys="log")
        await queue.publisher.wait()
        return len(log.values)

    async with queue:
        events = [await queue.publisher.send(n, keys="boss") for n in range(6)]
        for event in events:
            results = await event.wait(10)
            assert results.first().unwrap() >= 1
        assert sorted(log.values) == list(range(6))


@both_loops
async def test_a_wait_in_a_handler_waits_for_running_events_of_others() -> None:
    queue = CollectorQueue(max_consumers=2)
    gate = Gate()
    queue.collector("gate")(gate)

    @queue.collector("boss")
    async def boss(payload: Payload[Any]) -> None:
        await queue.publisher.wait()

    async with queue:
        await queue.publisher.send(1, keys="gate")
        await until(lambda: gate.started)
        event = await queue.publisher.send(2, keys="boss")
        await ticks(8)
        assert not event.is_done()
        gate.open()
        await event


@both_loops
async def test_a_wait_outside_waits_for_the_handlers_that_wait() -> None:
    queue = CollectorQueue(max_consumers=2)
    gate = Gate()
    queue.collector("gate")(gate)

    @queue.collector("boss")
    async def boss(payload: Payload[Any]) -> None:
        await queue.publisher.wait()

    async with queue:
        await queue.publisher.send(1, keys="gate")
        event = await queue.publisher.send(2, keys="boss")
        waiting = asyncio.ensure_future(queue.publisher.wait())
        await ticks(8)
        assert not waiting.done()
        gate.open()
        await waiting
        assert event.outcome is Outcome.OK


@both_loops
async def test_a_wait_in_a_task_of_a_handler_leaves_out_that_handlers_event() -> None:
    queue = CollectorQueue(max_consumers=1)
    log = Log()
    queue.collector("log")(log)

    @queue.collector("boss")
    async def boss(payload: Payload[Any]) -> int:
        await queue.publisher.send(1, keys="log")
        await asyncio.gather(queue.publisher.wait(), queue.publisher.wait())
        return len(log.values)

    async with queue:
        event = await queue.publisher.send(0, keys="boss")
        assert await event.wait(10) == [Ok(1)]


@both_loops
async def test_a_cancelled_wait_in_a_handler_gives_its_lent_consumer_back() -> None:
    queue = CollectorQueue(max_consumers=2)
    gate = Gate()
    queue.collector("gate")(gate)

    @queue.collector("boss")
    async def boss(payload: Payload[Any]) -> str:
        waiting = asyncio.ensure_future(queue.publisher.wait())
        await ticks(3)
        waiting.cancel()
        await asyncio.wait([waiting])
        return "gave up"

    async with queue:
        await queue.publisher.send(1, keys="gate")
        for _ in range(5):
            results = await queue.publisher.request(2, keys="boss")
            assert results == [Ok("gave up")]
        await ticks(5)
        assert queue.consumers <= 2
        gate.open()


@both_loops
async def test_an_event_cancelled_while_its_handler_waits_ends_aborted() -> None:
    queue = CollectorQueue(max_consumers=2)
    gate = Gate()
    queue.collector("gate")(gate)

    @queue.collector("boss")
    async def boss(payload: Payload[Any]) -> None:
        await queue.publisher.wait()

    async with queue:
        await queue.publisher.send(1, keys="gate")
        event = await queue.publisher.send(2, keys="boss")
        await ticks(6)
        assert event.cancel()
        await event
        assert event.outcome is Outcome.ABORTED
        gate.open()
        await queue.publisher.wait()
        await ticks(5)
        assert queue.consumers <= 2
