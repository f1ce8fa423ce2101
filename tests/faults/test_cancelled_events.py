"""`event.cancel()`: wherever the event is, it ends ABORTED; nothing else is touched."""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress
from typing import Any

import pytest

from collectorqueue import (
    Collector,
    CollectorQueue,
    Error,
    Ok,
    Outcome,
    Payload,
    QueueType,
)
from collectorqueue.errors import EventAborted, QueueFull
from tests.faults.harness import assert_closed, assert_serves, me, until_thread
from tests.support import Gate, both_loops, ticks, until


def assert_aborted(event: Any) -> None:
    assert event.outcome is Outcome.ABORTED
    assert isinstance(event.get_result().first().err, EventAborted)


@pytest.mark.parametrize("queue_type", list(QueueType))
@both_loops
async def test_a_queued_event_is_aborted_at_once_and_never_runs(
    queue_type: QueueType,
) -> None:
    gate = Gate()
    async with CollectorQueue(
        [Collector("gate", gate)], max_consumers=1, queue_type=queue_type
    ) as queue:
        first = await queue.publisher.send(0)
        await until(lambda: gate.started)
        events = await queue.publisher.send_many(range(1, 6))
        assert events[2].cancel() is True
        assert_aborted(events[2])
        assert queue.ledger.queued == 4
        assert events[2].cancel() is False
        gate.open()
        await queue.publisher.wait()
        assert sorted(gate.started) == [0, 1, 2, 4, 5]
        assert first.outcome is Outcome.OK
        assert events[2].service_time() == 0
    assert_closed(queue)


@both_loops
async def test_the_place_of_a_cancelled_event_goes_to_a_blocked_sender() -> None:
    gate = Gate()
    async with CollectorQueue(
        [Collector("gate", gate)], max_consumers=1, capacity=2
    ) as queue:
        await queue.publisher.send(0)
        await until(lambda: gate.started)
        queued = await queue.publisher.send_many([1, 2])
        blocked = asyncio.create_task(queue.publisher.send(3))
        await ticks(2)
        assert not blocked.done()
        queued[0].cancel()
        with pytest.raises(QueueFull):
            queue.publisher.send_nowait("passes the blocked one")
        event = await blocked
        gate.open()
        await event
        assert gate.started == [0, 2, 3]
    assert_closed(queue)


@both_loops
async def test_all_queued_events_can_be_cancelled_and_the_queue_serves() -> None:
    gate = Gate()
    async with CollectorQueue([Collector("gate", gate)], max_consumers=1) as queue:
        first = await queue.publisher.send(0)
        await until(lambda: gate.started)
        events = await queue.publisher.send_many(range(1000))
        assert all(event.cancel() for event in events)
        assert queue.ledger.aborted == 1000
        assert queue.ledger.queued == 0
        gate.open()
        await first
        await assert_serves(queue)
        assert gate.started == [0, "serves"]
    assert_closed(queue)


@both_loops
async def test_a_suspended_handler_gets_the_cancellation() -> None:
    heard = []

    async def handler(payload: Payload[Any]) -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            heard.append(payload.value)
            raise

    async def fine(payload: Payload[Any]) -> None:
        assert me().cancelling() == 0

    async with CollectorQueue(
        [Collector("handler", handler), Collector("fine", fine)], max_consumers=1
    ) as queue:
        event = await queue.publisher.send(1, keys="handler")
        await ticks(3)
        assert event.cancel() is True
        assert event.outcome is None
        await event
        assert_aborted(event)
        assert heard == [1]
        assert event.cancel() is False
        await assert_serves(queue, keys="fine")
        assert queue.consumers == 1
    assert_closed(queue)


@pytest.mark.parametrize("cancels", [1, 2, 3])
@both_loops
async def test_a_handler_may_clean_up_before_its_event_is_aborted(cancels: int) -> None:
    steps = []

    async def handler(payload: Payload[Any]) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            steps.append("clean")
            if cancels == 1:
                await ticks(5)
                steps.append("cleaned")

    async with CollectorQueue(
        [Collector("handler", handler)], max_consumers=1
    ) as queue:
        event = await queue.publisher.send(1)
        await ticks(3)
        for _ in range(cancels):
            assert event.cancel() is True
        results = await event
        assert_aborted(event)
        assert results["handler"].err.args
        assert steps == ["clean", "cleaned"][: 2 if cancels == 1 else 1]
    assert_closed(queue)


@pytest.mark.parametrize("place", ["alone", "first", "last"])
@both_loops
async def test_a_handler_that_swallows_it_ends_aborted_and_the_next_is_unharmed(
    place: str,
) -> None:
    tasks = set()

    async def odd(payload: Payload[Any]) -> str:
        tasks.add(me())
        assert me().cancelling() == 0
        if payload.value == "odd":
            with suppress(asyncio.CancelledError):
                await asyncio.Event().wait()
            await ticks(2)
        return "kept"

    async def fine(payload: Payload[Any]) -> str:
        return "fine"

    handlers = {"odd": odd, "fine": fine}
    order = {"alone": ["odd"], "first": ["odd", "fine"], "last": ["fine", "odd"]}[place]
    async with CollectorQueue(
        [Collector(key, handlers[key]) for key in order], max_consumers=1
    ) as queue:
        event = await queue.publisher.send("odd")
        await ticks(4)
        assert event.cancel() is True
        await event
        assert event.outcome is Outcome.ABORTED
        results = event.get_result()
        assert isinstance(results["odd"].err, EventAborted)
        if place != "alone":
            assert results["fine"] == Ok("fine")
        await assert_serves(queue)
        await ticks(3)
        assert queue.consumers == 1
        if place != "first":
            assert len(tasks) == 2, "the task of a swallowed cancel was reused"
    assert_closed(queue)


@both_loops
async def test_a_handler_may_cancel_its_own_event_and_suspend() -> None:
    events: list[Any] = []
    after = []

    async def handler(payload: Payload[Any]) -> None:
        if payload.value == "own":
            assert events[0].cancel() is True
            await asyncio.sleep(0)
            after.append("not reached")
        assert me().cancelling() == 0

    async with CollectorQueue(
        [Collector("handler", handler)], max_consumers=1
    ) as queue:
        events.append(queue.publisher.send_nowait("own"))
        await events[0]
        assert_aborted(events[0])
        assert after == []
        await assert_serves(queue)
        assert queue.consumers == 1
    assert_closed(queue)


@pytest.mark.parametrize("raises", [False, True])
@both_loops
async def test_a_handler_may_cancel_its_own_event_without_suspension(
    raises: bool,
) -> None:
    events: list[Any] = []

    def handler(payload: Payload[Any]) -> str:
        if payload.value == "own":
            assert events[0].cancel() is True
            if raises:
                raise ValueError
        assert payload.value == "own" or me().cancelling() == 0
        return "value"

    async with CollectorQueue(
        [Collector("handler", handler)], max_consumers=1
    ) as queue:
        events.append(queue.publisher.send_nowait("own"))
        await events[0]
        assert_aborted(events[0])
        await assert_serves(queue)
        await ticks(2)
        assert queue.consumers == 1
    assert_closed(queue)


@both_loops
async def test_an_event_in_a_thread_is_aborted_now_and_its_result_discarded() -> None:
    release, started, ended = threading.Event(), threading.Event(), threading.Event()

    def handler(payload: Payload[Any]) -> str:
        if payload.value == "slow":
            started.set()
            release.wait(10)
            ended.set()
        return "value"

    async with CollectorQueue(
        [Collector("handler", handler, runs_in="thread")], max_consumers=1
    ) as queue:
        event = await queue.publisher.send("slow")
        await until_thread(started.is_set)
        assert event.cancel() is True
        assert_aborted(event)
        assert queue.ledger.in_flight == 0
        assert event.cancel() is False
        results = await event
        await assert_serves(queue)
        assert not ended.is_set()
        release.set()
        await until_thread(ended.is_set)
        await ticks(5)
        assert event.get_result() == results
        assert_aborted(event)
    assert_closed(queue)


@pytest.mark.parametrize("ticks_before", range(6))
@both_loops
async def test_with_several_collectors_all_get_the_cancellation(
    ticks_before: int,
) -> None:
    heard = []

    def make(key: str) -> Collector:
        async def handler(payload: Payload[Any]) -> str:
            if payload.value == "serves":
                return key
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                heard.append(key)
                raise
            return key

        return Collector(key, handler)

    async with CollectorQueue([make(key) for key in "abc"], max_consumers=1) as queue:
        event = await queue.publisher.send(1)
        await ticks(ticks_before)
        was_queued = queue.ledger.queued == 1
        assert event.cancel() is True
        results = await event
        assert event.outcome is Outcome.ABORTED
        assert all(isinstance(result.err, EventAborted) for result in results)
        if not was_queued:
            assert results.keys() == ("a", "b", "c")
        if ticks_before >= 3:
            assert sorted(heard) == ["a", "b", "c"]
        await assert_serves(queue)
        assert queue.consumers == 1
    assert_closed(queue)


@pytest.mark.parametrize("order", ["quick, slow", "slow, quick"])
@both_loops
async def test_a_collector_that_was_done_before_keeps_its_result(order: str) -> None:
    async def quick(payload: Payload[Any]) -> str:
        return "quick"

    async def slow(payload: Payload[Any]) -> str:
        if payload.value != "serves":
            await asyncio.Event().wait()
        return "slow"

    handlers = {"quick": quick, "slow": slow}
    async with CollectorQueue(
        [Collector(key, handlers[key]) for key in order.split(", ")], max_consumers=1
    ) as queue:
        event = await queue.publisher.send(1)
        await ticks(5)
        assert event.cancel() is True
        results = await event
        assert event.outcome is Outcome.ABORTED
        assert results["quick"] == Ok("quick")
        assert isinstance(results["slow"].err, EventAborted)
        await assert_serves(queue)
    assert_closed(queue)


@both_loops
async def test_threads_and_loop_together_are_aborted_when_the_loop_part_has_ended() -> (
    None
):
    release = threading.Event()
    started = threading.Event()

    def in_thread(payload: Payload[Any]) -> str:
        if payload.value != "serves":
            started.set()
            release.wait(10)
        return "thread"

    async def on_loop(payload: Payload[Any]) -> str:
        if payload.value != "serves":
            await asyncio.Event().wait()
        return "loop"

    for order in (1, -1):
        started.clear()
        release.clear()
        collectors = [
            Collector("thread", in_thread, runs_in="thread"),
            Collector("loop", on_loop),
        ][::order]
        async with CollectorQueue(collectors, max_consumers=1) as queue:
            event = await queue.publisher.send(1)
            await until_thread(started.is_set)
            await ticks(2)
            assert event.cancel() is True
            await event.wait(timeout=5)
            assert event.outcome is Outcome.ABORTED
            await assert_serves(queue)
            release.set()
        assert_closed(queue)


@both_loops
async def test_a_settled_event_cannot_be_cancelled() -> None:
    async def fails(payload: Payload[Any]) -> None:
        raise ValueError

    async with CollectorQueue([Collector("fails", fails)]) as queue:
        event = await queue.publisher.send(1)
        await event
        assert event.cancel() is False
        assert event.outcome is Outcome.FAILED
        unrouted = await queue.publisher.send(1, topics="nobody's")
        await unrouted
        assert unrouted.cancel() is False
    assert event.cancel() is False
    del queue
    assert event.cancel() is False


@both_loops
async def test_a_request_that_times_out_cancels_its_event() -> None:
    heard = []

    async def handler(payload: Payload[Any]) -> None:
        if payload.value == "serves":
            return
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            heard.append(1)
            raise

    async with CollectorQueue(
        [Collector("handler", handler)], max_consumers=1
    ) as queue:
        for timeout in (0.0, 0.001, 0.01):
            with pytest.raises(TimeoutError):
                await queue.publisher.request(1, timeout=timeout)
            assert me().cancelling() == 0
        with pytest.raises(TimeoutError):
            await queue.publisher.call("handler", 1, timeout=0.001)
        await until(lambda: queue.ledger.in_flight == 0)
        assert queue.ledger.aborted == queue.ledger.accepted
        await assert_serves(queue)
    assert_closed(queue)


@both_loops
async def test_a_cancelled_request_cancels_its_event() -> None:
    async def handler(payload: Payload[Any]) -> None:
        if payload.value != "serves":
            await asyncio.Event().wait()

    async with CollectorQueue(
        [Collector("handler", handler)], max_consumers=1
    ) as queue:
        for offset in range(8):
            request = asyncio.create_task(queue.publisher.request(1))
            await ticks(offset)
            request.cancel()
            with pytest.raises(asyncio.CancelledError):
                await request
            await until(lambda: queue.ledger.in_flight + queue.ledger.queued == 0)
        assert queue.ledger.aborted == queue.ledger.accepted
        await assert_serves(queue)
    assert_closed(queue)


@both_loops
async def test_a_cancelled_waiter_leaves_the_event_and_other_waiters_alone() -> None:
    gate = Gate()
    async with CollectorQueue([Collector("gate", gate)], max_consumers=1) as queue:
        event = await queue.publisher.send("value")
        waiters = [asyncio.create_task(event.wait()) for _ in range(5)]
        await ticks(2)
        waiters[0].cancel()
        waiters[3].cancel()
        await ticks(2)
        assert [each.cancelled() for each in waiters] == [
            True,
            False,
            False,
            True,
            False,
        ]
        with pytest.raises(TimeoutError):
            await event.wait(timeout=0.001)
        assert event.outcome is None
        gate.open()
        results = await event
        assert [await waiters[at] for at in (1, 2, 4)] == [results] * 3
        assert await event.wait(timeout=0) == results


@both_loops
async def test_an_event_cancelled_by_its_last_waiter_wakes_the_others() -> None:
    gate = Gate()
    async with CollectorQueue([Collector("gate", gate)], max_consumers=1) as queue:
        await queue.publisher.send("first")
        queued = await queue.publisher.send("second")
        waiters = [asyncio.create_task(queued.wait()) for _ in range(3)]
        await ticks(2)
        assert queued.cancel()
        for waiter in waiters:
            assert isinstance((await waiter).first(), Error)
        gate.open()


@pytest.mark.parametrize("offset", range(12))
@both_loops
async def test_an_event_may_be_cancelled_at_any_turn_of_its_run(offset: int) -> None:
    async def handler(payload: Payload[Any]) -> str:
        assert me().cancelling() == 0
        await ticks(2)
        async with asyncio.timeout(5):
            await ticks(2)
        return "value"

    async def other(payload: Payload[Any]) -> str:
        await ticks(3)
        return "other"

    for collectors in (
        [Collector("handler", handler)],
        [Collector("handler", handler), Collector("other", other)],
    ):
        async with CollectorQueue(collectors, max_consumers=1) as queue:
            event = await queue.publisher.send(1)
            follower = await queue.publisher.send(2)
            await ticks(offset)
            cancelled = event.cancel()
            await event
            expected = Outcome.ABORTED if cancelled else Outcome.OK
            assert event.outcome is expected
            assert (await follower)["handler"] == Ok("value")
            assert queue.consumers == 1
        assert_closed(queue)
