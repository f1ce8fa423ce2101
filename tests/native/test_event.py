"""CollectorEvent: one accepted payload, from the side of who sent it."""

from __future__ import annotations

import asyncio
import gc
import inspect
import time
import weakref
from collections.abc import Coroutine
from itertools import pairwise
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
from collectorqueue._native.probe import Probe
from collectorqueue.errors import ConfigError, EventAborted, WrongLoop
from tests.support import (
    Gate,
    Hang,
    assert_closes,
    both_loops,
    run_virtual,
    ticks,
    virtual,
)


def gated(**options: Any) -> tuple[CollectorQueue, Gate]:
    """A queue of one consumer whose only collector waits for the test."""
    options.setdefault("max_consumers", 1)
    gate = Gate()
    queue = CollectorQueue(**options)
    queue.collector("gate")(gate)
    return queue, gate


@both_loops
async def test_an_event_goes_from_queued_to_running_to_its_outcome() -> None:
    queue, gate = gated()
    async with queue:
        event = await queue.publisher.send(7)
        assert isinstance(event, CollectorEvent)
        assert event.payload.value == 7
        assert (event.outcome, event.get_result()) == (None, None)
        assert not event.is_done()
        assert repr(event) == f"<CollectorEvent id={event.id} queued Payload(7)>"
        await ticks(3)
        assert gate.started == [7]
        assert event.outcome is None
        assert repr(event) == f"<CollectorEvent id={event.id} running Payload(7)>"
        gate.open()
        results = await event
        assert results == [Ok(7)]
        assert (event.outcome, event.is_done()) == (Outcome.OK, True)
        assert event.get_result() == results
        assert repr(event) == f"<CollectorEvent id={event.id} ok Payload(7)>"


@both_loops
async def test_many_who_wait_for_one_event_are_woken_over_several_turns() -> None:
    """In the order in which they came; who is cancelled meanwhile is not woken."""
    queue, gate = gated()
    woken: list[int] = []
    async with queue:
        event = await queue.publisher.send(7)

        async def wait(number: int) -> None:
            assert await event == [Ok(7)]
            woken.append(number)

        tasks = [asyncio.create_task(wait(number)) for number in range(1000)]
        await ticks(3)
        gate.open()
        counts = []
        while len(woken) < 900:
            await ticks(1)
            counts.append(len(woken))
            if 0 < len(woken) < 300:
                for task in tasks[900:]:
                    task.cancel()
        await asyncio.wait(tasks)
        assert woken == list(range(900))
        steps = [after - before for before, after in pairwise(counts) if after > before]
        assert max(steps) == 256
        assert all(task.cancelled() for task in tasks[900:])


@both_loops
async def test_ids_rise_with_each_accepted_event() -> None:
    queue, gate = gated()
    gate.open()
    async with queue:
        ids = [(await queue.publisher.send(n)).id for n in range(5)]
    assert ids == sorted(set(ids))


@both_loops
async def test_awaiting_and_wait_give_the_same_results_to_everyone_every_time() -> None:
    queue, gate = gated()
    async with queue:
        event = await queue.publisher.send(7)
        waits = [asyncio.ensure_future(event.wait()) for _ in range(3)]
        waits += [asyncio.ensure_future(one(event)) for _ in range(3)]
        await ticks(3)
        gate.open()
        lists = await asyncio.gather(*waits)
        lists += [await event, await event.wait(), await event.wait(timeout=1)]
        assert all(each == [Ok(7)] and each.keys() == ("gate",) for each in lists)
        assert len(lists) == 9


async def one(event: CollectorEvent) -> Any:
    return await event


@both_loops
async def test_a_wait_is_a_coroutine_so_that_a_task_can_be_made_of_it() -> None:
    queue, gate = gated()
    gate.open()
    async with queue:
        event = await queue.publisher.send(7)
        wait = event.wait()
        assert isinstance(wait, Coroutine)
        assert inspect.isawaitable(event)
        assert await asyncio.create_task(wait) == [Ok(7)]


@both_loops
async def test_wait_for_of_asyncio_and_gather_and_as_completed_take_waits() -> None:
    queue, gate = gated(max_consumers=4)
    gate.open()
    async with queue:
        events = await queue.publisher.send_many(range(4))
        assert await asyncio.wait_for(events[0], 5) == [Ok(0)]
        assert [r.first().value for r in await asyncio.gather(*events)] == [0, 1, 2, 3]
        waits = [event.wait() for event in events]
        assert len([await each for each in asyncio.as_completed(waits)]) == 4


@virtual
async def test_a_wait_raises_timeout_error_at_its_time_and_the_event_goes_on() -> None:
    queue, gate = gated()
    loop = asyncio.get_running_loop()
    async with queue:
        event = await queue.publisher.send(7)
        begun = loop.time()
        with pytest.raises(TimeoutError) as caught:
            await event.wait(timeout=2.5)
        assert str(caught.value) == "the event did not end within 2.5 s"
        assert loop.time() - begun == pytest.approx(2.5)
        assert event.outcome is None
        gate.open()
        assert await event.wait(timeout=2.5) == [Ok(7)]


@virtual
async def test_a_wait_of_no_time_looks_once() -> None:
    queue, gate = gated()
    async with queue:
        event = await queue.publisher.send(7)
        with pytest.raises(TimeoutError):
            await event.wait(timeout=0)
        gate.open()
        await event
        assert await event.wait(timeout=0) == [Ok(7)]


@pytest.mark.parametrize(
    ("timeout", "kind", "message"),
    [
        ("1", TypeError, "timeout must be a number of seconds, got '1'"),
        (True, TypeError, "timeout must be a number of seconds, got True"),
        (-1, ConfigError, "timeout must not be negative, got -1"),
        (float("nan"), ConfigError, "timeout must not be negative, got nan"),
    ],
)
@virtual
async def test_a_bad_timeout_is_refused(timeout: Any, kind: Any, message: str) -> None:
    queue, gate = gated()
    gate.open()
    async with queue:
        event = await queue.publisher.send(7)
        with pytest.raises(kind) as caught:
            await event.wait(timeout=timeout)
        assert str(caught.value) == message


@both_loops
async def test_a_cancelled_wait_ends_and_the_event_goes_on() -> None:
    queue, gate = gated()
    async with queue:
        event = await queue.publisher.send(7)
        wait = asyncio.ensure_future(one(event))
        other = asyncio.ensure_future(one(event))
        await ticks(3)
        wait.cancel()
        with pytest.raises(asyncio.CancelledError):
            await wait
        assert event.outcome is None
        gate.open()
        assert await other == [Ok(7)]


@both_loops
async def test_an_event_that_nobody_keeps_runs_all_the_same() -> None:
    queue, gate = gated()
    gate.open()
    async with queue:
        await queue.publisher.send(7)
        gc.collect()
        await queue.publisher.wait()
    assert gate.ended == [7]


@pytest.mark.slow
@both_loops
async def test_cancelling_twenty_thousand_waiters_is_linear() -> None:
    if asyncio.get_running_loop().get_debug():
        pytest.skip("in debug mode asyncio's own tasks are what is measured")
    queue, gate = gated()

    async def cancel(count: int) -> float:
        event = await queue.publisher.send(count)
        waits = [asyncio.ensure_future(event.wait()) for _ in range(count)]
        await ticks(2)
        begun = time.process_time()
        for wait in waits:
            wait.cancel()
        await asyncio.wait(waits)
        return time.process_time() - begun

    async with queue:
        few = min([await cancel(2_000) for _ in range(3)])
        many = min([await cancel(20_000) for _ in range(2)])
        # Ten times as many: 10 if linear, 100 and seconds if quadratic.
        assert many < 60 * few + 0.5, (few, many)
        gate.open()


# -- times ------------------------------------------------------------------------


@virtual
async def test_times_are_nanoseconds_sent_to_started_and_started_to_ended() -> None:
    queue = CollectorQueue(max_consumers=1)

    @queue.collector
    async def slow(payload: Payload[float]) -> None:
        await asyncio.sleep(payload.value)

    async with queue:
        first = await queue.publisher.send(2.0)
        second = await queue.publisher.send(0.5)
        assert (second.wait_time(), second.service_time()) == (0, 0)
        await asyncio.sleep(1)
        assert (first.wait_time(), first.service_time()) == (0, 0)
        await second
    assert first.service_time() == pytest.approx(2_000_000_000, abs=10_000)
    assert second.wait_time() == pytest.approx(2_000_000_000, abs=10_000)
    assert second.service_time() == pytest.approx(500_000_000, abs=10_000)
    assert isinstance(second.wait_time(), int)


@virtual
async def test_an_event_that_never_started_waited_until_its_end() -> None:
    queue, gate = gated()
    async with queue:
        await queue.publisher.send("holds the only consumer")
        event = await queue.publisher.send(7)
        await asyncio.sleep(3)
        event.cancel()
        gate.open()
    assert event.wait_time() == pytest.approx(3_000_000_000, abs=10_000)
    assert event.service_time() == 0


# -- cancel -----------------------------------------------------------------------


@both_loops
async def test_a_cancelled_queued_event_is_aborted_and_frees_its_place() -> None:
    queue, gate = gated(capacity=2, overflow="reject")
    async with queue:
        await queue.publisher.send(0)
        await ticks(3)
        first = await queue.publisher.send(1)
        await queue.publisher.send(2)
        assert first.cancel() is True
        assert first.outcome is Outcome.ABORTED
        assert queue.ledger.queued == 1
        assert_closes(queue)
        await queue.publisher.send(3)
        (result,) = await first
        assert isinstance(result, Error)
        assert type(result.err) is EventAborted
        assert str(result.err) == "cancelled before it started"
        assert first.cancel() is False
        gate.open()
        await queue.publisher.wait()
    assert gate.started == [0, 2, 3]


@both_loops
async def test_a_cancelled_running_event_is_aborted_by_its_coroutine() -> None:
    ended = []
    queue = CollectorQueue(max_consumers=1)

    @queue.collector
    async def hang(payload: Payload[int]) -> None:
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            ended.append(payload.value)

    async with queue:
        event = await queue.publisher.send(1)
        await ticks(3)
        assert event.cancel() is True
        assert event.outcome is None
        assert_closes(queue)
        results = await event
        assert event.outcome is Outcome.ABORTED
        assert isinstance(results.first().err, EventAborted)
        assert ended == [1]
        assert event.cancel() is False
        after = await queue.publisher.send(2)
        await ticks(3)
        after.cancel()
        await after


@both_loops
async def test_cancelling_a_settled_event_changes_nothing() -> None:
    queue, gate = gated()
    gate.open()
    async with queue:
        event = await queue.publisher.send(7)
        results = await event
        assert event.cancel() is False
        assert event.outcome is Outcome.OK
        assert await event == results


@both_loops
async def test_waiters_of_a_cancelled_event_are_woken() -> None:
    queue, gate = gated()
    async with queue:
        await queue.publisher.send(0)
        event = await queue.publisher.send(1)
        wait = asyncio.ensure_future(one(event))
        await ticks(3)
        event.cancel()
        assert isinstance((await wait).first().err, EventAborted)
        gate.open()


# -- the queue behind it ----------------------------------------------------------


def test_an_event_waited_for_on_another_loop_raises_wrong_loop() -> None:
    queue, _ = gated(drain_timeout=0)
    events: list[CollectorEvent] = []

    async def elsewhere() -> None:
        with pytest.raises(WrongLoop) as caught:
            await events[0]
        assert str(caught.value).startswith(
            "an event is waited for on the loop of its queue, "
        )

    async def main() -> None:
        async with queue:
            events.append(await queue.publisher.send(7))
            await asyncio.to_thread(lambda: asyncio.run(elsewhere()))

    asyncio.run(main())


def test_a_settled_event_can_be_awaited_on_any_loop() -> None:
    queue, gate = gated()
    events: list[CollectorEvent] = []

    async def main() -> None:
        gate.open()
        async with queue:
            events.append(await queue.publisher.send(7))

    asyncio.run(main())
    assert asyncio.run(one(events[0])) == [Ok(7)]


def test_an_event_does_not_keep_its_queue_alive() -> None:
    async def main() -> tuple[CollectorEvent, weakref.ref[CollectorQueue]]:
        queue, gate = gated()
        gate.open()
        async with queue:
            event = await queue.publisher.send(7)
        return event, weakref.ref(queue)

    event, queue = asyncio.run(main())
    gc.collect()
    assert queue() is None
    assert event.cancel() is False
    assert event.get_result() == [Ok(7)]


@both_loops
async def test_the_garbage_collector_sees_cycles_through_events() -> None:
    class Node:
        event: CollectorEvent

    queue = CollectorQueue()
    queue.collector("echo")(lambda payload: payload.value)
    async with queue:
        for waits in (False, True):
            node = Node()
            node.event = await queue.publisher.send(node)
            if waits:
                await node.event
            else:
                await queue.publisher.wait()
            gone = weakref.ref(node)
            del node
            gc.collect()
            assert gone() is None


@both_loops
async def test_a_settled_event_keeps_neither_context_nor_waiter() -> None:
    class Big:
        pass

    queue, gate = gated()
    async with queue:
        event = await queue.publisher.send(7)
        big = Big()

        async def waiting(big: Big) -> None:
            await event

        task = asyncio.ensure_future(waiting(big))
        await ticks(3)
        gate.open()
        await task
        gone = weakref.ref(big)
        del big, task, waiting
        gc.collect()
        assert gone() is None


@both_loops
async def test_a_wait_that_is_never_awaited_does_no_harm() -> None:
    queue, gate = gated()
    async with queue:
        event = await queue.publisher.send(7)
        event.wait()
        event.wait(timeout=1).close()
        gate.open()
        assert await event == [Ok(7)]


def test_in_virtual_time_a_wait_for_what_cannot_happen_is_seen() -> None:
    async def main() -> None:
        queue, _ = gated()
        await queue.start()
        await (await queue.publisher.send(7))

    with pytest.raises(Hang):
        run_virtual(main(), leftovers=True)


def test_what_an_event_makes_to_wait_with_is_made_by_it_alone() -> None:
    event = Probe().put(Payload(1))
    with pytest.raises(TypeError, match="made by an event"):
        type(event.wait()).__new__(type(event.wait())).send(None)


@both_loops
async def test_a_wait_may_be_as_long_as_can_be_said() -> None:
    gate = Gate()
    async with CollectorQueue([Collector("gate", gate)]) as queue:
        event = queue.publisher.send_nowait(1)
        waits = [
            asyncio.ensure_future(event.wait(timeout=timeout))
            for timeout in (10**400, float("inf"), 1e300)
        ]
        await ticks(2)
        gate.open()
        assert len(await asyncio.gather(*waits)) == 3
