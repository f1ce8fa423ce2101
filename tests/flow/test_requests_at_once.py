"""A request that finds the queue idle is collected in its caller's step."""

from __future__ import annotations

import asyncio
import contextvars
import time
from typing import Any

import pytest

from collectorqueue import (
    Collector,
    CollectorEvent,
    CollectorQueue,
    Error,
    Ok,
    Outcome,
    Payload,
)
from tests.faults.harness import assert_closed, consumer_tasks, me
from tests.support import Gate, Log, both_loops, ticks, virtual


async def turns_of(operation: Any) -> tuple[Any, int]:
    """What it returns, and how often the loop turned meanwhile."""
    turns = 0
    loop = asyncio.get_running_loop()

    def count() -> None:
        nonlocal turns, handle
        turns += 1
        handle = loop.call_soon(count)

    handle = loop.call_soon(count)
    result = await operation
    handle.cancel()
    return result, turns


@both_loops
async def test_a_handler_that_does_not_wait_takes_no_turn_of_the_loop() -> None:
    async with CollectorQueue([Collector("log", Log())]) as queue:
        await ticks(2)
        results, turns = await turns_of(queue.publisher.request(1))
        assert results == [Ok(1)]
        assert turns == 0
        assert queue.consumers == 1
    assert_closed(queue)


@both_loops
async def test_a_handler_is_in_its_consumers_task_from_beginning_to_end() -> None:
    async def handler(payload: Payload[Any]) -> list[Any]:
        begun = me()
        async with asyncio.timeout(5):
            await ticks(2)
        async with asyncio.TaskGroup() as group:
            group.create_task(ticks(1))
        return [begun, me()]

    async with CollectorQueue([Collector("handler", handler)]) as queue:
        await ticks(2)
        (consumer,) = consumer_tasks()
        for _ in range(3):
            result = (await queue.publisher.request(1)).first()
            assert result.value == [consumer, consumer]
            assert consumer is not me()


@both_loops
async def test_it_does_not_pass_what_waits_and_keeps_to_max_consumers() -> None:
    gate = Gate()
    async with CollectorQueue([Collector("gate", gate)], max_consumers=1) as queue:
        await ticks(2)
        requests = [asyncio.create_task(queue.publisher.request(i)) for i in range(4)]
        await ticks(3)
        assert gate.started == [0]
        gate.open()
        await asyncio.gather(*requests)
        assert gate.started == [0, 1, 2, 3]
        assert queue.metrics.peak_consumers == 1
    assert_closed(queue)


@both_loops
async def test_what_its_handler_sends_is_collected_a_turn_later() -> None:
    log = Log()
    queue = CollectorQueue([Collector("log", log)], max_consumers=1)

    @queue.collector("boss")
    def boss(payload: Payload[Any]) -> None:
        for value in range(3):
            queue.publisher.send_nowait(value, keys="log")

    async with queue:
        await ticks(2)
        await queue.publisher.request(0, keys="boss")
        assert log.values == []
        await ticks(2)
        assert log.values == [0, 1, 2]
    assert_closed(queue)


@both_loops
async def test_requests_one_after_the_other_leave_the_loop_to_others() -> None:
    latest = 0.0

    async def tick() -> None:
        nonlocal latest
        while True:
            begun = time.perf_counter()
            await asyncio.sleep(0)
            latest = max(latest, time.perf_counter() - begun)

    async with CollectorQueue([Collector("log", Log())]) as queue:
        await ticks(2)
        ticking = asyncio.create_task(tick())
        turns = [(await turns_of(queue.publisher.request(i)))[1] for i in range(5000)]
        ticking.cancel()
        assert 0 < sum(turns) < 5000
        assert latest < 0.25  # of a whole that takes much less, or more than it


@pytest.mark.parametrize("waits", [False, True])
@pytest.mark.parametrize(
    "how", ["raises", "cancels itself", "raises a cancel", "exits"]
)
@both_loops
async def test_what_it_does_to_itself_costs_its_event_only(
    how: str, waits: bool
) -> None:
    async def handler(payload: Payload[Any]) -> Any:
        if payload.value != "bad":
            return payload.value
        if how == "cancels itself":
            me().cancel()
        if waits:
            await asyncio.sleep(0)
        match how:
            case "raises":
                raise ValueError("of the handler")
            case "raises a cancel":
                raise asyncio.CancelledError
            case "exits":
                raise SystemExit
        return "done"

    async with CollectorQueue(
        [Collector("handler", handler)], max_consumers=2
    ) as queue:
        await ticks(2)
        for _ in range(3):
            result = (await queue.publisher.request("bad")).first()
            if how == "cancels itself" and not waits:
                assert result == Ok("done")
            else:
                assert isinstance(result, Error)
            assert me().cancelling() == 0
            assert (await queue.publisher.request("good")).first() == Ok("good")
        await ticks(3)
        assert 1 <= queue.consumers <= 2
        assert queue.ledger.ok + queue.ledger.failed == queue.ledger.accepted == 6
    assert_closed(queue)


@virtual
async def test_its_caller_and_its_event_can_be_cancelled_while_it_waits() -> None:
    gate = Gate()
    async with CollectorQueue([Collector("gate", gate)], max_consumers=1) as queue:
        await ticks(2)
        asking = asyncio.create_task(queue.publisher.request(1))
        await ticks(1)
        assert gate.started == [1]
        asking.cancel()
        await asyncio.wait([asking])
        assert asking.cancelled()
        await ticks(3)
        assert queue.ledger.aborted == 1
        with pytest.raises(TimeoutError):
            await queue.publisher.request(2, timeout=3)
        await ticks(3)
        assert queue.ledger.aborted == 2
        assert gate.ended == []
        gate.open()
        assert (await queue.publisher.request(3)).first() == Ok(3)
    assert_closed(queue)


@both_loops
async def test_a_consumer_that_is_retired_by_its_handler_goes() -> None:
    queue = CollectorQueue(min_consumers=2, max_consumers=2)

    @queue.collector("smaller")
    def smaller(payload: Payload[Any]) -> None:
        queue.min_consumers = 1
        queue.max_consumers = 1

    async with queue:
        await ticks(3)
        assert queue.consumers == 2
        await queue.publisher.request(1)
        assert queue.consumers == 1
        await ticks(3)
        assert len(consumer_tasks()) == 1
        await queue.publisher.request(2)
    assert_closed(queue)


@both_loops
async def test_a_consumer_that_is_being_cancelled_is_left_alone() -> None:
    async with CollectorQueue(
        [Collector("log", Log())], min_consumers=2, max_consumers=2
    ) as queue:
        await ticks(3)
        for consumer in consumer_tasks()[:1]:
            consumer.cancel()
        assert (await queue.publisher.request(1)).first() == Ok(1)
        await ticks(3)
        assert queue.consumers == len(consumer_tasks()) == 2
    assert_closed(queue)


@both_loops
async def test_context_variables_of_its_handler_stay_with_it() -> None:
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable")

    def handler(payload: Payload[Any]) -> str:
        found = variable.get("none")
        variable.set("of the handler")
        return found

    async with CollectorQueue([Collector("handler", handler)]) as queue:
        await ticks(2)
        assert (await queue.publisher.request(1)).first() == Ok("none")
        variable.set("of the caller")
        assert (await queue.publisher.request(1)).first() == Ok("of the caller")
        assert variable.get() == "of the caller"


@both_loops
async def test_an_event_that_an_observer_of_sends_cancels_does_not_run() -> None:
    class Refuses:
        def on_sent(self, event: CollectorEvent) -> None:
            event.cancel()

    log = Log()
    async with CollectorQueue([Collector("log", log)]) as queue:
        await ticks(2)
        queue.observe(Refuses())
        event = await queue.publisher.send(1)
        await event
        await queue.publisher.request(2)
        assert event.outcome is Outcome.ABORTED
        assert log.values == []
    assert_closed(queue)


@both_loops
async def test_what_an_observer_of_sends_sends_is_collected_too() -> None:
    """Two events then wait, and the request is none that may pass the other."""

    class Doubles:
        def on_sent(self, event: CollectorEvent) -> None:
            if event.payload.value == 1:
                queue.publisher.send_nowait(2)

    log = Log()
    queue = CollectorQueue([Collector("log", log)], max_consumers=2)
    async with queue:
        await ticks(2)
        queue.observe(Doubles())
        await queue.publisher.request(1, timeout=5)
        await queue.publisher.wait()
        assert log.values == [1, 2]
    assert_closed(queue)
