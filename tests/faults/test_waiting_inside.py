"""Waiting from inside a handler never deadlocks: it is compensated, or refused."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from collectorqueue import Collector, CollectorQueue, Ok, Outcome, Payload, QueueType
from collectorqueue.errors import WouldDeadlock
from tests.faults.harness import assert_closed, assert_serves, consumer_tasks
from tests.support import both_loops, ticks, until

KINDS = pytest.mark.parametrize("queue_type", list(QueueType))


async def assert_at_rest(queue: CollectorQueue, consumers: int) -> None:
    """Nothing of any compensation is left."""
    await ticks(5)
    assert queue.metrics.blocked == 0
    assert queue.consumers <= consumers
    assert len(consumer_tasks()) <= consumers
    await assert_serves(queue, keys="serves")


def serves(payload: Payload[Any]) -> None:
    """A collector that does nothing."""


def queue_of(*handlers: Any, **options: Any) -> CollectorQueue:
    options.setdefault("max_consumers", 1)
    made = [Collector(each.__name__, each) for each in (*handlers, serves)]
    return CollectorQueue(made, **options)


@KINDS
@both_loops
async def test_requests_nest_200_deep_with_one_consumer(queue_type: QueueType) -> None:
    async def count(payload: Payload[int]) -> int:
        if payload.value == 0:
            return 0
        below: int = await queue.publisher.call("count", payload.value - 1)
        return below + 1

    async with queue_of(count, queue_type=queue_type) as queue:
        assert await queue.publisher.call("count", 200) == 200
        assert queue.ledger.ok == 201
        await assert_at_rest(queue, 1)
    assert_closed(queue)


@pytest.mark.parametrize("consumers", [1, 2, 5])
@both_loops
async def test_several_such_chains_run_side_by_side(consumers: int) -> None:
    async def count(payload: Payload[int]) -> int:
        if payload.value == 0:
            return 0
        event = await queue.publisher.send(payload.value - 1, keys="count")
        below: int = (await event).first().unwrap()
        return below + 1

    async with queue_of(count, max_consumers=consumers) as queue:
        calls = [queue.publisher.call("count", 20) for _ in range(10)]
        assert await asyncio.gather(*calls) == [20] * 10
        await assert_at_rest(queue, consumers)
    assert_closed(queue)


@KINDS
@pytest.mark.parametrize("consumers", [1, 2])
@both_loops
async def test_a_handler_gathers_several_requests(
    consumers: int, queue_type: QueueType
) -> None:
    ran = []

    async def part(payload: Payload[int]) -> int:
        ran.append(payload.value)
        await ticks(payload.value % 3)
        return payload.value

    async def whole(payload: Payload[int]) -> int:
        parts = [queue.publisher.call("part", value) for value in range(10)]
        return sum(await asyncio.gather(*parts))

    async with queue_of(
        whole, part, max_consumers=consumers, queue_type=queue_type
    ) as queue:
        assert await queue.publisher.call("whole", 1) == 45
        assert sorted(ran) == list(range(10))
        await assert_at_rest(queue, consumers)
    assert_closed(queue)


@both_loops
async def test_fan_out_of_fan_out_with_one_consumer() -> None:
    async def spread(payload: Payload[int]) -> int:
        if payload.value == 0:
            return 1
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(queue.publisher.call("spread", payload.value - 1))
                for _ in range(3)
            ]
        return sum(task.result() for task in tasks)

    async with queue_of(spread) as queue:
        assert await queue.publisher.call("spread", 4) == 81
        await assert_at_rest(queue, 1)
    assert_closed(queue)


@both_loops
async def test_handlers_of_a_broadcast_all_request_something() -> None:
    async def inner(payload: Payload[int]) -> int:
        await ticks(1)
        return payload.value + 1

    async def one(payload: Payload[int]) -> int:
        value: int = await queue.publisher.call("inner", payload.value)
        return value

    async def two(payload: Payload[int]) -> int:
        await ticks(2)
        value: int = await queue.publisher.call("inner", payload.value * 10)
        return value

    async with queue_of(one, two, inner) as queue:
        results = await queue.publisher.request(5, keys=["one", "two"])
        assert list(results) == [Ok(6), Ok(51)]
        await assert_at_rest(queue, 1)
    assert_closed(queue)


@both_loops
async def test_only_the_awaited_event_runs_out_of_turn() -> None:
    order = []

    async def note(payload: Payload[str]) -> None:
        order.append(payload.value)

    async def outer(payload: Payload[str]) -> None:
        order.append("outer begins")
        await queue.publisher.send("ahead", keys="note")
        await queue.publisher.request("awaited", keys="note")
        order.append("outer ends")

    async with queue_of(outer, note) as queue:
        await queue.publisher.send(1, keys="outer")
        await queue.publisher.wait()
        assert order == ["outer begins", "awaited", "outer ends", "ahead"]
        await assert_at_rest(queue, 1)


@KINDS
@both_loops
async def test_the_awaited_event_starts_though_a_later_one_took_the_free_consumer(
    queue_type: QueueType,
) -> None:
    """A consumer was free when the wait began, but took one that waits for it."""
    inner_done = asyncio.Event()
    go = asyncio.Event()

    async def outer(payload: Payload[Any]) -> None:
        await go.wait()
        event = queue.publisher.send_nowait(1, keys="inner", priority=2000)
        waiting = asyncio.ensure_future(event.wait())
        queue.publisher.send_nowait(1, keys="blocks", priority=0)
        await waiting
        inner_done.set()

    async def blocks(payload: Payload[Any]) -> None:
        await inner_done.wait()

    async def inner(payload: Payload[Any]) -> None:
        pass

    async with queue_of(
        outer,
        blocks,
        inner,
        max_consumers=2,
        autoscale=False,
        queue_type=queue_type,
        ageing=0,
    ) as queue:
        event = await queue.publisher.send(1, keys="outer")
        await ticks(3)
        go.set()
        try:
            await event.wait(timeout=1)
        finally:
            inner_done.set()
        assert event.outcome is Outcome.OK
        await queue.publisher.wait()


@KINDS
@both_loops
async def test_the_awaited_event_starts_though_others_came_and_block(
    queue_type: QueueType,
) -> None:
    release = asyncio.Event()

    async def outer(payload: Payload[Any]) -> None:
        await queue.publisher.request(1, keys="inner", priority=2000)
        release.set()

    async def blocks(payload: Payload[Any]) -> None:
        await release.wait()

    async def inner(payload: Payload[Any]) -> None:
        pass

    async with queue_of(
        outer,
        blocks,
        inner,
        max_consumers=3,
        autoscale=False,
        queue_type=queue_type,
        ageing=0,
    ) as queue:
        await ticks(3)
        event = queue.publisher.send_nowait(1, keys="outer")
        await ticks(1)
        for _ in range(4):
            queue.publisher.send_nowait(1, keys="blocks", priority=0)
        try:
            await event.wait(timeout=1)
        finally:
            release.set()
        assert event.outcome is Outcome.OK
        await queue.publisher.wait()


@both_loops
async def test_a_wait_that_times_out_inside_leaves_no_consumer_behind() -> None:
    async def endless(payload: Payload[Any]) -> None:
        await asyncio.Event().wait()

    async def outer(payload: Payload[Any]) -> str:
        for _ in range(3):
            with pytest.raises(TimeoutError):
                await queue.publisher.request(1, keys="endless", timeout=0.001)
            event = await queue.publisher.send(1, keys="endless")
            with pytest.raises(TimeoutError):
                await event.wait(timeout=0.001)
            assert event.cancel()
        return "outer"

    async with queue_of(outer, endless) as queue:
        assert await queue.publisher.call("outer", 1, timeout=5) == "outer"
        await queue.publisher.wait()
        assert queue.ledger.aborted == 6
        await assert_at_rest(queue, 1)
    assert_closed(queue)


@both_loops
async def test_an_awaited_event_that_is_cancelled_wakes_its_handler() -> None:
    async def inner(payload: Payload[Any]) -> None:
        raise AssertionError("it ran")

    async def outer(payload: Payload[Any]) -> str:
        event = await queue.publisher.send(1, keys="inner")
        asyncio.get_running_loop().call_soon(event.cancel)
        waiting = asyncio.ensure_future(event.wait())
        await asyncio.sleep(0)
        await waiting
        return str(event.outcome)

    async def outer_cancels_at_once(payload: Payload[Any]) -> str:
        event = await queue.publisher.send(1, keys="inner")
        event.cancel()
        await event
        return str(event.outcome)

    async with queue_of(outer_cancels_at_once, inner) as queue:
        assert await queue.publisher.call("outer_cancels_at_once", 1) == "aborted"
        await assert_at_rest(queue, 1)
    async with queue_of(outer, inner) as queue:
        outcome = await queue.publisher.call("outer", 1, timeout=5)
        assert outcome in ("aborted", "failed")
        await assert_at_rest(queue, 1)
    assert_closed(queue)


@both_loops
async def test_cancelling_the_outermost_of_nested_requests_cancels_them_all() -> None:
    depth = 0

    async def nested(payload: Payload[int]) -> None:
        nonlocal depth
        depth += 1
        if payload.value == 0:
            await asyncio.Event().wait()
        await queue.publisher.request(payload.value - 1, keys="nested")

    async with queue_of(nested) as queue:
        event = await queue.publisher.send(20, keys="nested")
        await until(lambda: depth == 21)
        assert event.cancel()
        await event.wait(timeout=5)
        await asyncio.wait_for(queue.publisher.wait(), 5)
        assert queue.ledger.aborted == 21
        await assert_at_rest(queue, 1)
    assert_closed(queue)


@both_loops
async def test_nested_requests_end_well_in_a_drain() -> None:
    begun = asyncio.Event()

    async def nested(payload: Payload[int]) -> int:
        begun.set()
        await ticks(3)
        if payload.value == 0:
            return 0
        below: int = await queue.publisher.call("nested", payload.value - 1)
        return below + 1

    async with queue_of(nested) as queue:
        event = await queue.publisher.send(10, keys="nested")
        await begun.wait()
    assert event.get_result().first() == Ok(10)
    assert queue.drain_report is not None
    assert queue.drain_report.ledger.ok == 11
    assert_closed(queue)


@both_loops
async def test_two_queues_whose_handlers_request_each_other() -> None:
    async def ping(payload: Payload[int]) -> int:
        if payload.value == 0:
            return 0
        value: int = await second.publisher.call("pong", payload.value - 1)
        return value + 1

    async def pong(payload: Payload[int]) -> int:
        if payload.value == 0:
            return 0
        value: int = await first.publisher.call("ping", payload.value - 1)
        return value + 1

    async with queue_of(ping) as first, queue_of(pong) as second:
        assert await first.publisher.call("ping", 40, timeout=5) == 40
        await assert_at_rest(first, 2)
        await assert_at_rest(second, 2)
    assert_closed(first)
    assert_closed(second)


# -- what is refused --------------------------------------------------------------


@pytest.mark.parametrize("how", ["await", "wait", "timeout", "task", "gather"])
@both_loops
async def test_waiting_for_its_own_event_is_refused_at_once(how: str) -> None:
    events: list[Any] = []

    async def own(payload: Payload[Any]) -> None:
        event = events[0]
        if how == "await":
            await event
        elif how == "wait":
            await event.wait()
        elif how == "timeout":
            await event.wait(timeout=100)
        elif how == "task":
            await asyncio.create_task(event.wait())
        else:
            await asyncio.gather(event.wait(), asyncio.sleep(0))

    async with queue_of(own) as queue:
        events.append(await queue.publisher.send(1, keys="own"))
        results = await events[0].wait(timeout=5)
        assert events[0].outcome is Outcome.FAILED
        assert isinstance(results.first().err, WouldDeadlock)
        await assert_at_rest(queue, 1)
    assert_closed(queue)


@pytest.mark.parametrize("circle", [2, 3, 10])
@pytest.mark.parametrize("consumers", [1, 2, 20])
@both_loops
async def test_a_circle_of_waits_is_refused_to_the_one_who_closes_it(
    consumers: int, circle: int
) -> None:
    events: list[Any] = []

    async def waits(payload: Payload[int]) -> str:
        await ticks(2)
        await events[(payload.value + 1) % circle]
        return "waited"

    async with queue_of(waits, max_consumers=consumers) as queue:
        events.extend(
            queue.publisher.send_nowait(value, keys="waits") for value in range(circle)
        )
        for event in events:
            await event.wait(timeout=5)
        failed = [each for each in events if each.outcome is Outcome.FAILED]
        assert len(failed) == 1
        assert isinstance(failed[0].get_result().first().err, WouldDeadlock)
        assert queue.ledger.ok == circle - 1
        await assert_at_rest(queue, consumers)
    assert_closed(queue)


@both_loops
async def test_a_circle_through_requests_is_refused() -> None:
    events: list[Any] = []

    async def outer(payload: Payload[Any]) -> Any:
        return await queue.publisher.call("inner", 1)

    async def inner(payload: Payload[Any]) -> Any:
        return await events[0]

    async with queue_of(outer, inner) as queue:
        events.append(await queue.publisher.send(1, keys="outer"))
        results = await events[0].wait(timeout=5)
        assert isinstance(results.first().err, WouldDeadlock)
        await assert_at_rest(queue, 1)
    assert_closed(queue)


@both_loops
async def test_a_task_that_outlives_its_handler_waits_like_anyone() -> None:
    events: list[Any] = []
    tasks = []

    async def background() -> Any:
        await ticks(5)
        results = await events[0]
        other = await queue.publisher.request(1, keys="serves")
        return results.first(), other.first()

    async def handler(payload: Payload[Any]) -> str:
        tasks.append(asyncio.create_task(background()))
        return "handler"

    async with queue_of(handler) as queue:
        events.append(await queue.publisher.send(1, keys="handler"))
        await events[0]
        assert await tasks[0] == (Ok("handler"), Ok(None))
        assert queue.metrics.blocked == 0


@both_loops
async def test_two_waits_for_one_event_in_one_handler() -> None:
    async def inner(payload: Payload[Any]) -> int:
        await ticks(2)
        return 1

    async def outer(payload: Payload[Any]) -> int:
        event = await queue.publisher.send(1, keys="inner")
        first, second = await asyncio.gather(event.wait(), event.wait())
        return int(first.first().unwrap() + second.first().unwrap())

    async with queue_of(outer, inner) as queue:
        assert await queue.publisher.call("outer", 1, timeout=5) == 2
        assert queue.collector_stats()["inner"].received == 1
        await assert_at_rest(queue, 1)


# -- publisher.wait() inside ------------------------------------------------------


@pytest.mark.parametrize("callers", [1, 2, 5])
@pytest.mark.parametrize("consumers", [1, 2])
@both_loops
async def test_waiting_for_all_leaves_out_its_callers(
    consumers: int, callers: int
) -> None:
    done = []

    async def work(payload: Payload[Any]) -> None:
        await ticks(2)
        done.append(payload.value)

    async def waits(payload: Payload[Any]) -> list[Any]:
        await queue.publisher.wait()
        return done[:]

    async with queue_of(work, waits, max_consumers=consumers) as queue:
        before = await queue.publisher.send_many(
            [Payload(value, keys="work") for value in range(5)]
        )
        waiting = await queue.publisher.send_many(
            [Payload(value, keys="waits") for value in range(callers)]
        )
        after = await queue.publisher.send("after", keys="work")
        for event in waiting:
            results = await event.wait(timeout=5)
            assert event.outcome is Outcome.OK
            assert set(range(5)) <= {
                value for value in results.first().unwrap() if isinstance(value, int)
            }
        await asyncio.wait_for(queue.publisher.wait(), 5)
        assert {event.outcome for event in [*before, after]} == {Outcome.OK}
        await assert_at_rest(queue, consumers)
    assert_closed(queue)


@pytest.mark.parametrize("consumers", [1, 3])
@both_loops
async def test_waiting_for_all_leaves_out_whoever_waits_for_its_caller(
    consumers: int,
) -> None:
    """However far: each waits for the next, and the last for all."""

    async def work(payload: Payload[Any]) -> None:
        await ticks(3)

    async def waits(payload: Payload[Any]) -> int:
        if payload.value == 0:
            await queue.publisher.wait()
            return 0
        inner = await queue.publisher.call("waits", payload.value - 1, timeout=5)
        return int(inner) + 1

    async with queue_of(work, waits, max_consumers=consumers) as queue:
        before = await queue.publisher.send(None, keys="work")
        assert await queue.publisher.call("waits", 8, timeout=5) == 8
        assert before.outcome is Outcome.OK
        await assert_at_rest(queue, consumers)
    assert_closed(queue)


@both_loops
async def test_waiting_for_all_inside_waits_for_what_the_handler_sent() -> None:
    done = []

    async def work(payload: Payload[Any]) -> None:
        await ticks(2)
        done.append(payload.value)

    async def waits(payload: Payload[Any]) -> list[Any]:
        for value in range(5):
            await queue.publisher.send(value, keys="work")
        await queue.publisher.wait()
        return done[:]

    async with queue_of(work, waits) as queue:
        assert await queue.publisher.call("waits", 1, timeout=5) == list(range(5))
        await assert_at_rest(queue, 1)


@both_loops
async def test_waiting_for_all_inside_and_for_an_event_of_another_such_waiter() -> None:
    """One waits for all, another waits for the first: neither waits for ever."""
    events: list[Any] = []

    async def waits(payload: Payload[Any]) -> None:
        await ticks(1)
        await queue.publisher.wait()

    async def waits_for_it(payload: Payload[Any]) -> None:
        await ticks(1)
        await events[0]

    async with queue_of(waits, waits_for_it, max_consumers=2) as queue:
        events.append(queue.publisher.send_nowait(1, keys="waits"))
        events.append(queue.publisher.send_nowait(1, keys="waits_for_it"))
        for event in events:
            await event.wait(timeout=2)
        assert events[0].outcome is Outcome.OK or events[1].outcome is Outcome.OK
        await assert_at_rest(queue, 2)
    assert_closed(queue)


@both_loops
async def test_removing_a_collector_inside_a_handler_is_refused() -> None:
    async def removes(payload: Payload[Any]) -> None:
        await queue.remove_collector("removes")

    async with queue_of(removes) as queue:
        results = await queue.publisher.request(1, keys="removes")
        assert isinstance(results.first().err, WouldDeadlock)
        assert "removes" in queue.collectors


# -- sending inside ---------------------------------------------------------------


@pytest.mark.parametrize("consumers", [1, 2, 8])
@pytest.mark.parametrize("capacity", [1, 3, 8])
@pytest.mark.parametrize("fan_out", [1, 2, 3])
@both_loops
async def test_sending_inside_never_waits(
    capacity: int, consumers: int, fan_out: int
) -> None:
    from collectorqueue.errors import QueueFull

    full = 0

    async def spreads(payload: Payload[int]) -> None:
        nonlocal full
        for _ in range(fan_out):
            if payload.value:
                try:
                    await queue.publisher.send(payload.value - 1, keys="spreads")
                except QueueFull:
                    full += 1
        await ticks(1)

    async with queue_of(spreads, capacity=capacity, max_consumers=consumers) as queue:
        for _ in range(5):
            await queue.publisher.send(4, keys="spreads")
            assert queue.ledger.queued <= 2 * capacity
        await asyncio.wait_for(queue.publisher.wait(), 5)
        while queue.ledger.queued or queue.ledger.in_flight:
            await asyncio.wait_for(queue.publisher.wait(), 5)
        assert queue.ledger.ok == queue.ledger.accepted
        assert full == 0 or queue.metrics.overflow_sends > 0
    assert_closed(queue)
