"""`publisher.send(...)` is a coroutine in all that a caller can see of one."""

from __future__ import annotations

import asyncio
import gc
import inspect
import sys
import types
import weakref
from collections.abc import Coroutine
from typing import Any

import anyio
import pytest

from collectorqueue import (
    Collector,
    CollectorEvent,
    CollectorQueue,
    EventPublisher,
    Ok,
    Outcome,
    Payload,
)
from collectorqueue.errors import QueueClosed
from tests.support import Gate, Log, both_loops, ticks, until

WAYS = ["send", "event"]


class Thing:
    """Something that can be watched while it goes."""


async def awaitable(way: str, publisher: EventPublisher) -> Coroutine[Any, Any, Any]:
    """A `send`, or the wait for an event: both are stepped by the same means."""
    if way == "send":
        return publisher.send(1)
    return (await publisher.send(1)).wait()


@both_loops
async def test_nothing_is_sent_before_it_is_awaited() -> None:
    log = Log()
    async with CollectorQueue([Collector("log", log)]) as queue:
        sending = queue.publisher.send(1)
        await ticks(3)
        assert queue.ledger.accepted == 0
        event = await sending
        assert type(event) is CollectorEvent
        await event
    assert log.values == [1]


@both_loops
async def test_all_ways_to_say_whom_it_is_for_reach_an_awaited_send() -> None:
    async with CollectorQueue([Collector("a", Log(), topics="t")]) as queue:
        send = queue.publisher.send
        events = [
            await send(Payload(1, keys="a")),
            await send(1, "key", "a"),
            await send(1, keys=["a"], priority=3),
            await send(x=1, topics="t", ttl=5),
            await send(1),
        ]
        for event in events:
            assert (await event).keys() == ("a",)
        assert [event.payload.keys for event in events[:3]] == [("a",)] * 3
        assert events[2].payload.priority == 3
        assert events[3].payload.ttl == 5


@both_loops
async def test_a_wrong_argument_is_refused_where_the_send_is_made() -> None:
    async with CollectorQueue([Collector("a", Log())]) as queue:
        with pytest.raises(TypeError, match="unexpected keyword"):
            queue.publisher.send(1, topic="t")  # type: ignore[call-arg]
        with pytest.raises(TypeError, match="positional argument"):
            queue.publisher.send()  # type: ignore[call-arg]
        with pytest.raises(TypeError, match="positional argument"):
            queue.publisher.send_nowait()  # type: ignore[call-arg]
        assert queue.ledger.accepted == 0


def test_its_signature_can_be_inspected() -> None:
    wanted = ["self", "x", "delivery", "keys", "topics", "priority"]
    wanted += ["ordering_key", "delay", "ttl"]
    for method in (EventPublisher.send, EventPublisher.send_nowait):
        assert list(inspect.signature(method).parameters) == wanted
        assert method.__doc__ is not None
        assert method.__doc__.startswith("Send")


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@both_loops
async def test_a_send_that_is_never_awaited_warns() -> None:
    async with CollectorQueue([Collector("a", Log())]) as queue:
        with pytest.warns(RuntimeWarning) as caught:
            queue.publisher.send(1)
        text = "coroutine 'EventPublisher.send' was never awaited"
        assert [str(each.message) for each in caught] == [text]
        assert queue.ledger.accepted == 0


@both_loops
async def test_a_closed_send_sends_nothing_and_does_not_warn() -> None:
    async with CollectorQueue([Collector("a", Log())]) as queue:
        sending = queue.publisher.send(1)
        sending.close()
        with pytest.raises(RuntimeError, match="cannot reuse already awaited"):
            await sending
        assert queue.ledger.accepted == 0


@both_loops
async def test_a_send_is_awaited_once() -> None:
    async with CollectorQueue([Collector("a", Log())]) as queue:
        sending = queue.publisher.send(1)
        await sending
        with pytest.raises(RuntimeError) as caught:
            await sending
        assert str(caught.value) == "cannot reuse already awaited coroutine"
        assert queue.ledger.accepted == 1


@both_loops
async def test_asyncio_takes_a_send_for_a_coroutine() -> None:
    async with CollectorQueue([Collector("a", Log())]) as queue:
        send = queue.publisher.send
        sending = send(0)
        assert asyncio.iscoroutine(sending)
        sending.close()
        events = [
            await asyncio.create_task(send(1)),
            await asyncio.ensure_future(send(2)),
            *await asyncio.gather(send(3), send(4)),
            await asyncio.shield(send(5)),
        ]
        async with asyncio.TaskGroup() as group:
            task = group.create_task(send(6))
        events.append(task.result())
        assert [event.payload.value for event in events] == [1, 2, 3, 4, 5, 6]


def test_a_task_group_of_anyio_takes_sends() -> None:
    """It checks that what it is given to start returns a coroutine."""

    async def main() -> None:
        async with CollectorQueue([Collector("log", Log())]) as queue:
            async with anyio.create_task_group() as group:
                for number in range(3):
                    group.start_soon(queue.publisher.send, number)
            await queue.publisher.wait()
            assert queue.ledger.ok == 3

    anyio.run(main)


@both_loops
async def test_a_task_of_a_send_can_be_shown() -> None:
    gate = Gate()
    async with CollectorQueue([Collector("a", gate)], capacity=1) as queue:
        await queue.publisher.send(1)
        await until(lambda: gate.started)
        queue.publisher.send_nowait(2)
        task = asyncio.create_task(queue.publisher.send(4))
        await ticks(3)
        assert "EventPublisher.send" in repr(task)
        gate.open()
        await task


@pytest.mark.parametrize("way", WAYS)
@both_loops
async def test_stepped_by_hand_it_behaves_as_a_coroutine_does(way: str) -> None:
    """`send`, `throw` and `close` from Python, as a debugger or a framework does."""
    async with CollectorQueue([Collector("a", Log())]) as queue:
        one = await awaitable(way, queue.publisher)
        if way == "event":
            await queue.publisher.wait()
        with pytest.raises(StopIteration) as stopped:
            one.send(None)
        assert stopped.value.value is not None
        other = await awaitable(way, queue.publisher)
        with pytest.raises(KeyError):
            other.throw(KeyError("mine"))
        another = await awaitable(way, queue.publisher)
        another.close()


@pytest.mark.parametrize("way", WAYS)
@both_loops
async def test_a_kept_stop_iteration_keeps_its_value(way: str) -> None:
    """One is filled again and again, but never one that somebody else has."""
    async with CollectorQueue([Collector("a", Log())]) as queue:
        kept = []
        for _ in range(3):
            one = await awaitable(way, queue.publisher)
            if way == "event":
                await queue.publisher.wait()
            try:
                next(iter(one))  # type: ignore[call-overload]
            except StopIteration as stop:
                kept.append(stop)
            event = await queue.publisher.send(2)
            await event
        assert len({id(stop) for stop in kept}) == 3
        assert len({id(stop.value) for stop in kept}) == 3
        assert all(stop.value is not None for stop in kept)


@both_loops
async def test_a_generator_based_coroutine_may_wait_for_a_send() -> None:
    @types.coroutine
    def send(publisher: EventPublisher) -> Any:
        event = yield from publisher.send(1)
        return event

    async with CollectorQueue([Collector("a", Log())]) as queue:
        event = await send(queue.publisher)
        assert (await event).first().unwrap() == 1


@pytest.mark.parametrize("way", ["send", "event", "done", "request", "call"])
@both_loops
async def test_what_was_returned_last_is_not_kept_alive(way: str) -> None:
    def collect(payload: Payload[Thing]) -> Thing:
        return payload.value

    async with CollectorQueue([Collector("a", collect)]) as queue:
        thing = Thing()
        gone = weakref.ref(thing)
        if way == "call":
            await queue.publisher.call("a", thing)
        elif way == "request":
            await queue.publisher.request(thing)
        else:
            event = await queue.publisher.send(thing)
            if way == "event":
                await event
            elif way == "done":
                await queue.publisher.wait()
                await event.wait()
            await queue.publisher.wait()
            del event
        del thing
        await ticks(3)
        gc.collect()
        assert gone() is None


@pytest.mark.repetitive
@both_loops
async def test_thousands_of_sends_and_waits_leave_no_reference_behind() -> None:
    async with CollectorQueue([Collector("a", Log())]) as queue:
        publisher = queue.publisher
        watched = (publisher, StopIteration, CollectorEvent)
        await (await publisher.send(0))
        before = [sys.getrefcount(each) for each in watched]
        for number in range(2000):
            await (await publisher.send(number))
            event = publisher.send_nowait(number)
            await event.wait()
            await event.wait()
        del event
        after = [sys.getrefcount(each) for each in watched]
        assert max(b - a for a, b in zip(before, after, strict=True)) < 20


# -- while it waits for room ------------------------------------------------------


def narrow(gate: Gate, capacity: int = 1) -> CollectorQueue:
    """A queue of one consumer and few places."""
    collectors = [Collector("a", gate)]
    return CollectorQueue(collectors, capacity=capacity, max_consumers=1)


async def full(queue: CollectorQueue, gate: Gate) -> None:
    """Have one event run and one wait: a queue of capacity 1 is full."""
    await queue.publisher.send("runs")
    await until(lambda: gate.started)
    queue.publisher.send_nowait("waits")


@both_loops
async def test_a_thrown_exception_ends_a_blocked_send_and_passes_its_place_on() -> None:
    gate = Gate()
    async with CollectorQueue(
        [Collector("a", gate)], capacity=1, max_consumers=1
    ) as queue:
        await full(queue, gate)
        blocked = queue.publisher.send("given up")
        future = blocked.send(None)
        assert blocked.cr_await is future
        behind = asyncio.create_task(queue.publisher.send("behind"))
        await ticks(3)
        with pytest.raises(KeyError):
            blocked.throw(KeyError("mine"))
        gate.open()
        event = await behind
        await event
    assert gate.started == ["runs", "waits", "behind"]


@both_loops
async def test_a_closed_blocked_send_passes_its_place_on() -> None:
    gate = Gate()
    async with CollectorQueue(
        [Collector("a", gate)], capacity=1, max_consumers=1
    ) as queue:
        await full(queue, gate)
        blocked = queue.publisher.send("given up")
        blocked.send(None)
        behind = asyncio.create_task(queue.publisher.send("behind"))
        await ticks(3)
        gate.open()
        await until(lambda: len(gate.started) > 1)
        blocked.close()
        await (await behind)
    assert gate.started == ["runs", "waits", "behind"]


@both_loops
async def test_a_blocked_send_that_is_refused_says_why_and_was_never_accepted() -> None:
    gate = Gate()
    queue = narrow(gate)
    async with queue:
        await full(queue, gate)
        blocked = asyncio.create_task(queue.publisher.send("late"))
        await ticks(3)
        closing = asyncio.create_task(queue.close())
        with pytest.raises(QueueClosed):
            await blocked
        gate.open()
        await closing
    assert queue.ledger.accepted == queue.ledger.ok == 2


@both_loops
async def test_a_send_resumed_before_there_is_room_keeps_its_place_in_the_row() -> None:
    gate = Gate()
    async with narrow(gate) as queue:
        await full(queue, gate)
        blocked = queue.publisher.send("early")
        task = asyncio.create_task(blocked)
        await ticks(3)
        with pytest.raises(RuntimeError) as caught:
            await blocked
        assert str(caught.value) == "coroutine is being awaited already"
        assert queue.ledger.queued == 1
        gate.open()
        await (await task)
    assert gate.started == ["runs", "waits", "early"]


@both_loops
async def test_a_blocked_send_that_is_dropped_gives_its_place_up() -> None:
    gate = Gate()
    async with narrow(gate) as queue:
        await full(queue, gate)
        dropped = queue.publisher.send("dropped")
        dropped.send(None)
        del dropped
        gate.open()
        await queue.publisher.wait()
        await (await queue.publisher.send("next"))
    assert gate.started == ["runs", "waits", "next"]


@both_loops
async def test_a_wait_that_was_given_up_is_not_resumed() -> None:
    gate = Gate()
    async with narrow(gate) as queue:
        event = await queue.publisher.send(1)
        waiting = event.wait()
        waiting.send(None)
        with pytest.raises(KeyError):
            waiting.throw(KeyError("mine"))
        with pytest.raises(RuntimeError) as caught:
            await waiting
        given_up = "a wait for an event cannot be resumed after it was given up"
        assert str(caught.value) == given_up
        gate.open()


@both_loops
async def test_a_destructor_may_await_while_a_returned_value_is_let_go() -> None:
    """It runs in the midst of filling the kept exception anew."""
    got: list[Any] = []

    class Loud:
        def __del__(self) -> None:
            try:
                done.wait().send(None)
            except StopIteration as stop:
                got.append(stop.value)

    async with CollectorQueue([Collector("a", Log())]) as queue:
        done = await queue.publisher.send("done")
        await done
        for _ in range(3):
            one = (await queue.publisher.send(Loud())).wait()
            await one
            await queue.publisher.wait()
            kept = (await done, await queue.publisher.send("other"), one)
            del one, kept
            assert (await done)["a"] == Ok("done")
            await ticks(3)
        queue_log = queue.collectors["a"].processor
        assert isinstance(queue_log, Log)
        queue_log.values.clear()
        gc.collect()
    assert len(got) == 3
    assert all(results["a"] == Ok("done") for results in got)


@both_loops
async def test_send_many_waits_for_room_item_by_item() -> None:
    gate = Gate()
    async with CollectorQueue(
        [Collector("a", gate)], capacity=2, max_consumers=1
    ) as queue:
        sending = asyncio.create_task(queue.publisher.send_many(range(6)))
        await ticks(5)
        assert not sending.done()
        assert queue.ledger.queued == 2
        gate.open()
        events = await sending
        await queue.publisher.wait()
    assert [event.payload.value for event in events] == list(range(6))
    assert {event.outcome for event in events} == {Outcome.OK}
