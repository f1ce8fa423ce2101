"""Somebody else cancels a consumer's task: never swallowed, its event is ABORTED, the
pool replaces it; if all go in one turn the queue has failed, and everybody hears it.
"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from collectorqueue import Collector, CollectorQueue, Ok, Outcome, Payload
from collectorqueue.errors import EventAborted, QueueFailed
from tests.faults.harness import (
    assert_closed,
    assert_serves,
    consumer_tasks,
    me,
    script,
)
from tests.support import Gate, both_loops, ticks, until, virtual


async def answer(payload: Payload[Any]) -> Any:
    assert me().cancelling() == 0
    return payload.value


async def blocks(payload: Payload[Any]) -> Any:
    """Waits for ever, unless it is to show that the queue serves."""
    assert me().cancelling() == 0
    if payload.value != "serves":
        await asyncio.Event().wait()
    return payload.value


@both_loops
async def test_an_idle_consumer_is_replaced_and_keeps_its_cancellation() -> None:
    async with CollectorQueue(
        [Collector("answer", answer)], max_consumers=2, autoscale=False
    ) as queue:
        await ticks(2)
        victim, other = consumer_tasks()
        victim.cancel()
        await ticks(4)
        assert victim.cancelled()
        assert not other.done()
        assert queue.consumers == 2
        assert len(consumer_tasks()) == 2
        await assert_serves(queue)
    assert_closed(queue)


@both_loops
async def test_a_consumer_that_has_not_begun_is_replaced() -> None:
    async with CollectorQueue(
        [Collector("answer", answer)], max_consumers=2, autoscale=False
    ) as queue:
        victim, _ = consumer_tasks()
        victim.cancel()
        events = await queue.publisher.send_many(range(5))
        await ticks(4)
        assert victim.cancelled()
        assert queue.consumers == 2
        await queue.publisher.wait()
        assert {event.outcome for event in events} == {Outcome.OK}
    assert_closed(queue)


@both_loops
async def test_a_consumer_that_was_just_woken_leaves_its_event_to_another() -> None:
    async with CollectorQueue(
        [Collector("answer", answer)], max_consumers=2, autoscale=False
    ) as queue:
        await ticks(2)
        event = queue.publisher.send_nowait(1)
        for victim in consumer_tasks()[1:]:
            victim.cancel()
        await event.wait(timeout=5)
        assert event.outcome is Outcome.OK
        await ticks(3)
        assert queue.consumers == 2
    assert_closed(queue)


@pytest.mark.parametrize("collectors", [1, 2, 3])
@both_loops
async def test_the_event_of_a_running_one_is_aborted(collectors: int) -> None:
    tasks = []

    async def last(payload: Payload[Any]) -> None:
        tasks.append(me())
        await blocks(payload)

    made = [Collector(f"blocks-{each}", blocks) for each in range(collectors - 1)]
    async with CollectorQueue(
        [*made, Collector("last", last)], max_consumers=2, autoscale=False
    ) as queue:
        event = await queue.publisher.send(1)
        await until(lambda: tasks)
        assert tasks[0] in consumer_tasks()
        tasks[0].cancel()
        results = await event
        assert event.outcome is Outcome.ABORTED
        assert len(results) == collectors
        assert all(isinstance(each.err, EventAborted) for each in results)
        await ticks(5)
        assert tasks[0].cancelled()
        assert queue.consumers == 2
        await assert_serves(queue)
    assert_closed(queue)


@both_loops
async def test_a_handler_that_swallows_it_keeps_its_answer_but_not_its_consumer() -> (
    None
):
    tasks: list[asyncio.Task[Any]] = []

    async def swallows(payload: Payload[Any]) -> Any:
        if payload.value == "serves":
            return me().cancelling()
        tasks.append(me())
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await ticks(2)
            return "kept"

    async with CollectorQueue(
        [Collector("swallows", swallows)], max_consumers=2, autoscale=False
    ) as queue:
        event = await queue.publisher.send(1)
        await until(lambda: tasks)
        tasks[0].cancel()
        results = await event
        assert results["swallows"] == Ok("kept")
        await ticks(4)
        assert tasks[0].cancelled(), "the cancellation was swallowed"
        assert queue.consumers == 2
        assert (await queue.publisher.request("serves")).first() == Ok(0)
    assert_closed(queue)


@both_loops
async def test_a_callback_that_cancels_the_task_is_somebody_else() -> None:
    tasks = []

    async def handler(payload: Payload[Any]) -> None:
        if payload.value != "serves":
            tasks.append(me())
            asyncio.get_running_loop().call_soon(me().cancel)
            await asyncio.Event().wait()

    async with CollectorQueue(
        [Collector("handler", handler)], max_consumers=2, autoscale=False
    ) as queue:
        await ticks(2)
        event = await queue.publisher.send(1)
        await event
        assert event.outcome is Outcome.ABORTED
        await ticks(4)
        assert tasks[0].cancelled()
        assert queue.consumers == 2
        await assert_serves(queue)


@pytest.mark.parametrize("place", [0, 1])
@both_loops
async def test_the_task_of_one_of_several_collectors_may_be_cancelled(
    place: int,
) -> None:
    tasks = {}

    async def blocking(payload: Payload[Any]) -> str:
        tasks["blocking"] = me()
        if payload.value != "serves":
            await asyncio.Event().wait()
        return "blocked"

    async def other(payload: Payload[Any]) -> str:
        await ticks(6)
        return "other"

    collectors = [Collector("blocking", blocking), Collector("other", other)]
    if place:
        collectors.reverse()
    async with CollectorQueue(collectors, max_consumers=2, autoscale=False) as queue:
        event = await queue.publisher.send(1)
        await until(lambda: tasks)
        tasks["blocking"].cancel()
        results = await event.wait(timeout=5)
        assert event.outcome is Outcome.ABORTED
        assert isinstance(results["blocking"].err, EventAborted)
        await ticks(6)
        assert tasks["blocking"].cancelled()
        assert queue.consumers == 2
        await assert_serves(queue)
    assert_closed(queue)


@pytest.mark.parametrize("offset", range(12))
@pytest.mark.parametrize("collectors", [1, 2])
@both_loops
async def test_at_any_turn_nothing_is_lost_and_the_pool_is_whole_again(
    collectors: int, offset: int
) -> None:
    async def handler(payload: Payload[Any]) -> Any:
        assert me().cancelling() == 0
        await ticks(2)
        return payload.value

    made = [Collector(f"handler-{each}", handler) for each in range(collectors)]
    async with CollectorQueue(made, max_consumers=2, autoscale=False) as queue:
        events = await queue.publisher.send_many(range(6))
        await ticks(offset)
        victim = consumer_tasks()[0]
        victim.cancel()
        for event in events:
            await event.wait(timeout=5)
        await ticks(5)
        assert victim.cancelled()
        aborted = [event for event in events if event.outcome is Outcome.ABORTED]
        assert len(aborted) <= 1
        assert queue.ledger.ok == 6 - len(aborted)
        assert queue.consumers == 2
        await assert_serves(queue)
    assert_closed(queue)


@both_loops
async def test_cancelled_again_and_again_the_pool_keeps_its_size() -> None:
    async with CollectorQueue(
        [Collector("answer", answer)], max_consumers=3, autoscale=False
    ) as queue:
        for round_ in range(100):
            events = [queue.publisher.send_nowait(each) for each in range(4)]
            await ticks(round_ % 4)
            consumer_tasks()[round_ % 2].cancel()
            await ticks(4)
            assert 1 <= queue.consumers <= 3
            assert len(consumer_tasks()) <= 3
            for event in events:
                await event.wait(timeout=5)
        await ticks(4)
        assert queue.consumers == 3
        assert queue.metrics.peak_consumers == 3
    assert_closed(queue)


# -- all in one turn --------------------------------------------------------------


@pytest.mark.parametrize("consumers", [1, 2, 5])
@pytest.mark.parametrize("state", ["new", "idle", "running"])
@both_loops
async def test_if_all_are_cancelled_in_one_turn_every_waiter_is_told(
    state: str, consumers: int
) -> None:
    queue = CollectorQueue(
        [Collector("blocks", blocks)],
        max_consumers=consumers,
        autoscale=False,
        capacity=3,
    )
    await queue.start()
    publisher = queue.publisher
    events = []
    if state != "new":
        await ticks(3)
    if state == "running":
        for value in range(consumers):
            events.append(await publisher.send(value))
            await ticks(2)
    for task in consumer_tasks():
        task.cancel()
    queued = [publisher.send_nowait(each) for each in range(3)]
    waiters = [asyncio.create_task(each.wait()) for each in queued]
    blocked = [asyncio.create_task(publisher.send("blocked")) for _ in range(2)]
    everything = asyncio.create_task(publisher.wait())
    await ticks(8)
    assert all(task.done() for task in waiters)
    assert everything.done()
    for event in events:
        assert event.outcome is Outcome.ABORTED
    for waiter in waiters:
        assert isinstance(waiter.result().first().err, QueueFailed)
    assert {each.outcome for each in queued} == {Outcome.ABORTED}
    for task in blocked:
        assert isinstance(task.exception(), QueueFailed)
    assert everything.exception() is None
    with pytest.raises(QueueFailed):
        publisher.send_nowait(1)
    with pytest.raises(QueueFailed):
        await publisher.send(1)
    with pytest.raises(QueueFailed):
        await publisher.request(1)
    assert_closed(queue)
    report = await queue.close()
    assert report.ledger == queue.ledger
    await queue.start()
    await assert_serves(queue)
    await queue.close()


@both_loops
async def test_a_failed_queue_leaves_its_lifecycles_and_says_why(caplog: Any) -> None:
    from contextlib import asynccontextmanager

    steps = []

    @asynccontextmanager
    async def lifecycle(ctx: Any) -> Any:
        steps.append("enter")
        yield
        steps.append("exit")

    async with CollectorQueue(
        [Collector("answer", answer, lifecycle=lifecycle)]
    ) as queue:
        await ticks(2)
        for task in consumer_tasks():
            task.cancel()
        await ticks(4)
        assert "the queue has failed" in caplog.text
    assert steps == ["enter", "exit"]
    assert_closed(queue)


@both_loops
async def test_all_but_one_is_not_all() -> None:
    gate = Gate()
    async with CollectorQueue(
        [Collector("gate", gate)], max_consumers=4, autoscale=False
    ) as queue:
        await ticks(3)
        for task in consumer_tasks()[1:]:
            task.cancel()
        event = queue.publisher.send_nowait(1)
        await ticks(5)
        assert queue.consumers == 4
        gate.open()
        await event.wait(timeout=5)
        assert event.outcome is Outcome.OK
    assert_closed(queue)


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
@pytest.mark.parametrize("handler", ["sleeps", "swallows", "cleans_up", "in_thread"])
def test_a_program_that_ends_without_close_ends(loop: str, handler: str) -> None:
    code, out, err = script(
        """
        import asyncio, sys, time, uvloop
        from collectorqueue import Collector, CollectorQueue

        async def sleeps(payload):
            await asyncio.sleep(3600)

        async def swallows(payload):
            try:
                await asyncio.sleep(3600)
            except asyncio.CancelledError:
                return "kept"

        async def cleans_up(payload):
            try:
                await asyncio.sleep(3600)
            finally:
                await asyncio.sleep(0.001)

        def in_thread(payload):
            time.sleep(3600)

        async def main():
            handler = globals()[sys.argv[2]]
            runs_in = "thread" if sys.argv[2] == "in_thread" else "loop"
            collector = Collector("h", handler, runs_in=runs_in)
            queue = CollectorQueue([collector], max_consumers=3)
            await queue.start()
            for value in range(10):
                await queue.publisher.send(value)
            await asyncio.sleep(0.01)
            main.queue = queue
            print("main ends")

        factory = uvloop.new_event_loop if sys.argv[1] == "uvloop" else None
        with asyncio.Runner(loop_factory=factory) as runner:
            runner.run(main())
        print("the loop has ended")
        ledger = main.queue.ledger
        assert ledger.closes and not ledger.in_flight and not ledger.queued, ledger
        print("the sum closes")
        """,
        loop,
        handler,
        PYTHONWARNINGS="ignore",
    )
    assert code == 0, err
    assert out.splitlines() == ["main ends", "the loop has ended", "the sum closes"], (
        err
    )


@pytest.mark.parametrize("offset", range(10))
@both_loops
async def test_one_that_serves_an_awaited_event_may_be_cancelled_too(
    offset: int,
) -> None:
    """The consumer that was started for what a handler waits for is cancelled."""

    async def outer(payload: Payload[Any]) -> str:
        event = await queue.publisher.send(1, keys="inner")
        await event
        return str(event.outcome)

    async def inner(payload: Payload[Any]) -> None:
        await ticks(3)

    queue = CollectorQueue(
        [Collector("outer", outer), Collector("inner", inner)], max_consumers=1
    )
    async with queue:
        before = consumer_tasks()
        event = await queue.publisher.send(1, keys="outer")
        await until(lambda: len(consumer_tasks()) == 2)
        await ticks(offset)
        for task in consumer_tasks():
            if task not in before:
                task.cancel()
        results = await event.wait(timeout=5)
        assert results.first().value in ("ok", "aborted")
        await ticks(3)
        assert queue.consumers == 1
        await assert_serves(queue, keys="inner")
    assert_closed(queue)


@both_loops
async def test_waiting_for_all_on_a_failed_queue_says_so() -> None:
    """One handler still runs: it swallows its cancellation and takes its time."""
    gate = Gate()

    async def slow(payload: Payload[Any]) -> str:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await gate(payload)
        return "slow"

    async with CollectorQueue(
        [Collector("slow", slow)], max_consumers=2, autoscale=False
    ) as queue:
        event = await queue.publisher.send(1)
        await ticks(4)
        for task in consumer_tasks():
            task.cancel()
        await ticks(6)
        with pytest.raises(QueueFailed):
            queue.publisher.send_nowait(1)
        waiting = asyncio.create_task(queue.publisher.wait())
        await ticks(3)
        gate.open()
        await asyncio.wait([waiting], timeout=5)
        error = waiting.exception()
        assert error is None or isinstance(error, QueueFailed), error
        await event.wait(timeout=5)
    assert_closed(queue)


@virtual
async def test_one_that_is_cancelled_beside_one_in_its_handlers_timeout_is_replaced() -> (
    None
):
    """A timeout's own cancellation is one of nobody else, and of an earlier turn."""

    async def slow(payload: Payload[Any]) -> str:
        try:
            await asyncio.sleep(10)
        finally:
            await asyncio.sleep(5)
        return "slept"

    async def limited(payload: Payload[Any]) -> str:
        try:
            async with asyncio.timeout(1):
                return await slow(payload)
        except TimeoutError:
            return "late"

    queue = CollectorQueue(
        [Collector("limited", limited)], max_consumers=2, autoscale=False
    )
    async with queue:
        first = await queue.publisher.send(1)
        await asyncio.sleep(2)
        (idle,) = [task for task in consumer_tasks() if not task.cancelling()]
        idle.cancel()
        await ticks(5)
        assert idle.cancelled()
        second = await queue.publisher.send(2)
        assert (await first).first() == (await second).first() == Ok("late")
    assert_closed(queue)


@virtual
async def test_one_that_is_lost_beside_one_that_times_its_handler_out_is_replaced() -> None:
    async def cancels_itself(payload: Payload[Any]) -> None:
        asyncio.get_running_loop().call_later(1, me().cancel)
        await asyncio.sleep(100)

    async def times_itself(payload: Payload[Any]) -> str:
        try:
            async with asyncio.timeout(1):
                try:
                    await asyncio.sleep(100)
                finally:
                    await asyncio.sleep(0.1)  # as a connection that rolls back
        except TimeoutError:
            return "late"
        return "never"

    collectors = [Collector("a", cancels_itself), Collector("b", times_itself)]
    async with CollectorQueue(collectors, max_consumers=2, autoscale=False) as queue:
        lost = await queue.publisher.send(1, keys="a")
        late = await queue.publisher.send(1, keys="b")
        await asyncio.sleep(5)
        assert lost.outcome is Outcome.ABORTED
        assert late.get_result().first() == Ok("late")
        assert queue.consumers == 2
        assert queue.is_running
