"""A bounded queue: who waits, in which order, and who is refused."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest

from collectorqueue import (
    Collector,
    CollectorEvent,
    CollectorQueue,
    Ok,
    Outcome,
    Payload,
)
from collectorqueue.errors import QueueClosed, QueueFull, Unrouted
from tests.support import Gate, Log, assert_closes, both_loops, ticks, until, virtual


def gated(capacity: int, **options: Any) -> tuple[CollectorQueue, Gate]:
    """A queue of one consumer whose only collector waits for the test."""
    options.setdefault("max_consumers", 1)
    gate = Gate()
    return CollectorQueue([Collector("gate", gate)], capacity=capacity, **options), gate


async def fill(queue: CollectorQueue, capacity: int) -> None:
    """Have one event run and `capacity` wait."""
    await queue.publisher.send("runs")
    await until(lambda: queue.ledger.in_flight == 1)
    for number in range(capacity):
        queue.publisher.send_nowait(f"waits {number}")


FULL_MESSAGE = "the queue is full: its capacity is {} events"


# -- WAIT -------------------------------------------------------------------------


@both_loops
async def test_capacity_counts_queued_events_and_not_those_that_run() -> None:
    queue, gate = gated(3)
    async with queue:
        await fill(queue, 3)
        assert (queue.ledger.queued, queue.ledger.in_flight) == (3, 1)
        gate.open()


@both_loops
async def test_a_send_to_a_full_queue_waits_until_a_place_is_free() -> None:
    queue, gate = gated(2)
    async with queue:
        await fill(queue, 2)
        sending = asyncio.ensure_future(queue.publisher.send("blocked"))
        await ticks(5)
        assert not sending.done()
        assert queue.ledger.accepted == 3
        gate.open()
        event = await sending
        assert isinstance(event, CollectorEvent)
        assert await event == [Ok("blocked")]
        assert_closes(queue)


@both_loops
async def test_blocked_senders_are_admitted_in_order_however_they_send() -> None:
    queue, gate = gated(2)
    async with queue:
        await fill(queue, 2)
        publisher = queue.publisher
        blocked: list[asyncio.Future[Any]] = []
        for number in range(0, 12, 4):
            for send in (
                publisher.send(number),
                publisher.request(number + 1),
                publisher.call("gate", number + 2),
                publisher.send_many([number + 3]),
            ):
                blocked.append(asyncio.ensure_future(send))
                await ticks(1)
        gate.open()
        await asyncio.gather(*blocked)
        await publisher.wait()
    assert gate.started == ["runs", "waits 0", "waits 1", *range(12)]


@both_loops
async def test_the_queue_never_holds_more_than_its_capacity() -> None:
    most = 0

    async def look(payload: Payload[int]) -> None:
        nonlocal most
        most = max(most, queue.ledger.queued)
        await asyncio.sleep(0)

    queue = CollectorQueue([Collector("look", look)], capacity=5, max_consumers=3)
    async with queue:
        await asyncio.gather(*(queue.publisher.send_many(range(20)) for _ in range(10)))
        await queue.publisher.wait()
        assert queue.ledger.ok == 200
    assert 0 < most <= 5


@pytest.mark.parametrize("overflow", ["wait", "reject"])
@both_loops
async def test_send_nowait_to_a_full_queue_raises_queue_full_at_once(
    overflow: str,
) -> None:
    queue, gate = gated(2, overflow=overflow)
    async with queue:
        await fill(queue, 2)
        payload = Payload(7)
        with pytest.raises(QueueFull) as caught:
            queue.publisher.send_nowait(payload)
        assert str(caught.value) == FULL_MESSAGE.format(2)
        assert caught.value.capacity == 2
        assert queue.ledger.accepted == 3
        payload.set_priority(1)  # it was never sent
        gate.open()


@both_loops
async def test_send_nowait_never_passes_a_sender_that_is_blocked() -> None:
    queue, gate = gated(2)
    async with queue:
        await fill(queue, 2)
        blocked = [asyncio.ensure_future(queue.publisher.send(n)) for n in range(5)]
        await ticks(2)
        gate.open()
        refused = 0
        while not all(each.done() for each in blocked):
            try:
                queue.publisher.send_nowait("pushes in")
            except QueueFull:
                refused += 1
            await asyncio.sleep(0)
        await queue.publisher.wait()
    assert refused > 0
    assert gate.started[:8] == ["runs", "waits 0", "waits 1", *range(5)]


@both_loops
async def test_a_later_send_passes_no_blocked_one_though_both_have_room() -> None:
    queue, gate = gated(2)
    async with queue:
        await queue.publisher.send("runs")
        await ticks(3)
        queued = await queue.publisher.send_many(["a", "b"])
        blocked = asyncio.ensure_future(queue.publisher.send("first"))
        await ticks(2)
        for event in queued:
            event.cancel()
        await queue.publisher.send("second")  # may wait for the first, not pass it
        await blocked
        gate.open()
    assert gate.started == ["runs", "first", "second"]


@both_loops
async def test_a_place_freed_by_a_cancel_is_the_first_blocked_senders() -> None:
    queue, gate = gated(1)
    async with queue:
        await queue.publisher.send("runs")
        await ticks(3)
        queued = await queue.publisher.send("queued")
        blocked = asyncio.ensure_future(queue.publisher.send("blocked"))
        await ticks(2)
        queued.cancel()
        assert queue.ledger.queued == 0
        with pytest.raises(QueueFull):
            queue.publisher.send_nowait("pushes in")
        later = asyncio.ensure_future(queue.publisher.send("later"))
        await ticks(3)
        assert blocked.done()
        assert not later.done()
        gate.open()
        await later
    assert gate.started == ["runs", "blocked", "later"]


@pytest.mark.parametrize("offset", range(11))
@both_loops
async def test_the_place_of_a_sender_cancelled_at_any_tick_passes_to_the_next(
    offset: int,
) -> None:
    queue, gate = gated(1)
    async with queue:
        await queue.publisher.send("runs")
        await ticks(3)
        queued = await queue.publisher.send("queued")
        blocked = [
            asyncio.ensure_future(queue.publisher.send(name))
            for name in ("a", "b", "c")
        ]
        await ticks(2)
        queued.cancel()
        await ticks(offset)
        blocked[0].cancel()
        await asyncio.wait(blocked[:1])
        await until(lambda: queue.ledger.queued == 1)
        gate.open()
        await asyncio.gather(*blocked[1:])
        await queue.publisher.wait()
        names = ["b", "c"] if blocked[0].cancelled() else ["a", "b", "c"]
        assert gate.started == ["runs", *names]
        assert queue.ledger.accepted == len(names) + 2
        assert_closes(queue)
        for number in range(3):  # every place has come back
            await queue.publisher.send(number)


@pytest.mark.parametrize("offset", range(11))
@both_loops
async def test_all_senders_cancelled_at_any_tick_leave_the_place_free(
    offset: int,
) -> None:
    queue, gate = gated(1)
    async with queue:
        await queue.publisher.send("runs")
        await ticks(3)
        queued = await queue.publisher.send("queued")
        blocked = [asyncio.ensure_future(queue.publisher.send(n)) for n in range(4)]
        await ticks(2)
        queued.cancel()
        await ticks(offset)
        for each in blocked:
            each.cancel()
        await asyncio.wait(blocked)
        accepted = [each.result() for each in blocked if not each.cancelled()]
        assert len(accepted) <= 1
        for event in accepted:
            event.cancel()
        queue.publisher.send_nowait("there is room")
        with pytest.raises(QueueFull):
            queue.publisher.send_nowait("no more")
        gate.open()
    assert gate.started == ["runs", "there is room"]


@both_loops
async def test_a_send_that_is_cancelled_while_it_waits_was_never_accepted() -> None:
    queue, gate = gated(1)
    async with queue:
        await fill(queue, 1)
        payload = Payload("cancelled")
        blocked = asyncio.ensure_future(queue.publisher.send(payload))
        await ticks(3)
        blocked.cancel()
        with pytest.raises(asyncio.CancelledError):
            await blocked
        assert queue.ledger.accepted == 2
        payload.set_priority(1)
        gate.open()
    assert gate.started == ["runs", "waits 0"]


@virtual
async def test_a_blocked_send_under_a_timeout_gives_its_place_in_the_row_up() -> None:
    queue, gate = gated(1)
    async with queue:
        await fill(queue, 1)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(3):
                await queue.publisher.send("late")
        waiting = asyncio.ensure_future(queue.publisher.send("patient"))
        await ticks(2)
        gate.open()
        await waiting
    assert gate.started == ["runs", "waits 0", "patient"]


@both_loops
async def test_blocked_senders_get_queue_closed_when_the_queue_closes() -> None:
    queue, gate = gated(1)
    async with queue:
        await fill(queue, 1)
        blocked = [asyncio.ensure_future(queue.publisher.send(n)) for n in range(3)]
        await ticks(3)
        closing = asyncio.ensure_future(queue.close())
        await ticks(3)
        for each in blocked:
            with pytest.raises(QueueClosed) as caught:
                await each
            assert (
                str(caught.value) == "the queue was closed while a send waited for room"
            )
        gate.open()
        await closing
        assert queue.ledger.accepted == queue.ledger.ok == 2


@both_loops
async def test_a_sender_woken_just_before_the_close_is_never_lost() -> None:
    for offset in range(6):
        queue, gate = gated(1)
        async with queue:
            await queue.publisher.send("runs")
            await ticks(3)
            queued = await queue.publisher.send("queued")
            blocked = asyncio.ensure_future(queue.publisher.send("blocked"))
            await ticks(2)
            queued.cancel()
            await ticks(offset)
            closing = asyncio.ensure_future(queue.close())
            await asyncio.wait([blocked])
            gate.open()
            await closing
            assert_closes(queue)
            if blocked.exception() is None:
                assert blocked.result().outcome is Outcome.OK
            else:
                assert isinstance(blocked.exception(), QueueClosed)
                assert queue.ledger.accepted == 2


@both_loops
async def test_a_blocked_send_that_is_refused_in_the_end_passes_its_place_on() -> None:
    queue, gate = gated(1, on_unrouted="error")
    async with queue:
        await fill(queue, 1)
        lost = asyncio.ensure_future(queue.publisher.send("lost", keys="gate"))
        await ticks(2)
        next_one = asyncio.ensure_future(queue.publisher.send("next"))
        await ticks(2)
        removing = asyncio.ensure_future(queue.remove_collector("gate"))
        await ticks(2)
        await queue.add_collector(Collector("other", gate))
        gate.open()
        await removing
        with pytest.raises(Unrouted):
            await lost
        await next_one
        await queue.publisher.wait()
        assert queue.ledger.accepted == 3
        queue.publisher.send_nowait("there is room")
    assert gate.started == ["runs", "waits 0", "next", "there is room"]


@pytest.mark.slow
@both_loops
async def test_twenty_thousand_blocked_senders_are_admitted_in_order() -> None:
    queue, gate = gated(10)
    # In debug mode a task costs a hundred times as much to make.
    senders = 2_000 if asyncio.get_running_loop().get_debug() else 20_000
    async with queue:
        await fill(queue, 10)
        blocked = [
            asyncio.ensure_future(queue.publisher.send(n)) for n in range(senders)
        ]
        await ticks(2)
        gate.open()
        await asyncio.gather(*blocked)
        await queue.publisher.wait()
    assert gate.started[11:] == list(range(senders))


# -- REJECT -----------------------------------------------------------------------


@both_loops
async def test_with_reject_every_way_to_send_raises_queue_full_at_once() -> None:
    queue, gate = gated(2, overflow="reject")
    async with queue:
        await fill(queue, 2)
        publisher = queue.publisher
        sends: list[Callable[[], Awaitable[Any]]] = [
            lambda: publisher.send(7),
            lambda: publisher.request(7),
            lambda: publisher.call("gate", 7),
            lambda: publisher.send_many([7]),
        ]
        for send in sends:
            with pytest.raises(QueueFull) as caught:
                await send()
            assert str(caught.value) == FULL_MESSAGE.format(2)
        assert queue.ledger.accepted == 3
        gate.open()
        await publisher.wait()
        assert await publisher.request(7) == [Ok(7)]


@both_loops
async def test_with_reject_send_many_carries_what_was_accepted() -> None:
    queue, gate = gated(3, overflow="reject")
    async with queue:
        with pytest.raises(QueueFull) as caught:
            await queue.publisher.send_many(range(10))
        accepted = caught.value.accepted  # type: ignore[attr-defined]
        assert [event.payload.value for event in accepted] == [0, 1, 2]
        gate.open()
    assert gate.ended == [0, 1, 2]


@dataclasses.dataclass(frozen=True)
class Frozen(Exception):
    code: int


class Accepting(Exception):
    @property
    def accepted(self) -> Any:
        raise ZeroDivisionError


@pytest.mark.parametrize("error", [Frozen(5), Accepting()], ids=["frozen", "own name"])
@both_loops
async def test_send_many_raises_what_its_iterable_raised(error: Exception) -> None:
    def items() -> Iterator[int]:
        yield 1
        raise error

    async with CollectorQueue([Collector("log", Log())]) as queue:
        with pytest.raises(type(error)) as caught:
            await queue.publisher.send_many(items())
        assert caught.value is error
        (event,) = vars(error)["accepted"]
        assert await event == [Ok(1)]


# -- from inside a handler --------------------------------------------------------


def recursive(send: str, **options: Any) -> tuple[CollectorQueue, list[Any]]:
    """A queue whose collector sends until it is refused; what it met, in a list."""
    met: list[Any] = []

    async def spread(payload: Payload[int]) -> None:
        if payload.value != "root":
            return
        while True:
            try:
                if send == "send_nowait":
                    event = queue.publisher.send_nowait("leaf")
                elif send == "send":
                    event = await queue.publisher.send("leaf")
                else:
                    (event,) = await queue.publisher.send_many(["leaf"])
            except QueueFull as exc:
                met.append(exc)
                return
            met.append(event)

    options.setdefault("max_consumers", 1)
    queue = CollectorQueue([Collector("spread", spread)], **options)
    return queue, met


@pytest.mark.parametrize("send", ["send", "send_nowait", "send_many"])
@both_loops
async def test_a_handler_may_fill_the_queue_to_twice_its_capacity_and_never_waits(
    send: str,
) -> None:
    queue, met = recursive(send, capacity=5)
    async with queue:
        root = await queue.publisher.send("root")
        assert await root.wait(5) == [Ok(None)]
        assert len(met) == 11
        assert str(met[-1]) == (
            "the queue holds twice its capacity of 5 events, and a handler that waited "
            "for room would wait for itself"
        )
        assert met[-1].capacity == 5
        assert queue.metrics.overflow_sends == 5
        await queue.publisher.wait()
        assert queue.ledger.ok == 11
        assert_closes(queue)


@both_loops
async def test_with_reject_a_handler_is_refused_at_the_capacity() -> None:
    queue, met = recursive("send", capacity=5, overflow="reject")
    async with queue:
        root = await queue.publisher.send("root")
        await root
        assert len(met) == 6
        assert str(met[-1]) == FULL_MESSAGE.format(5)
        assert queue.metrics.overflow_sends == 0


@both_loops
async def test_senders_from_outside_wait_for_room_below_the_capacity() -> None:
    queue, _ = recursive("send", capacity=3)
    async with queue:
        root = await queue.publisher.send("root")
        await root.wait(5)
        if queue.ledger.queued >= 3:
            sending = asyncio.ensure_future(queue.publisher.send("outside"))
            await asyncio.wait([sending])
            assert queue.ledger.queued <= 3


@both_loops
async def test_a_task_started_in_a_handler_sends_where_there_is_room() -> None:
    gate = asyncio.Event()
    queue = CollectorQueue(max_consumers=1, capacity=1)
    children: list[asyncio.Task[Any]] = []

    async def child() -> CollectorEvent:
        return await queue.publisher.send("child")

    @queue.collector
    async def parent(payload: Payload[Any]) -> None:
        if payload.value == "parent":
            children.append(asyncio.ensure_future(child()))
            await gate.wait()

    async with queue:
        await queue.publisher.send("parent")
        await until(lambda: children)
        event = await children[0]  # it had room
        assert queue.ledger.queued == 1
        gate.set()
        await event
        assert queue.metrics.overflow_sends == 0


@both_loops
async def test_a_task_of_a_handler_is_inside_until_its_event_is_settled() -> None:
    gate = asyncio.Event()
    step = asyncio.Event()
    queue = CollectorQueue(max_consumers=1, capacity=1)
    sent: list[CollectorEvent] = []
    hold = Gate()

    async def child() -> None:
        sent.append(await queue.publisher.send("1", keys="hold"))
        sent.append(await queue.publisher.send("2", keys="hold"))  # beyond the capacity
        with pytest.raises(QueueFull):
            await queue.publisher.send("3", keys="hold")
        gate.set()
        await step.wait()
        sent.append(await queue.publisher.send("4", keys="hold"))  # outside: it waits

    @queue.collector
    async def parent(payload: Payload[Any]) -> asyncio.Task[None]:
        task = asyncio.ensure_future(child())
        await gate.wait()
        return task

    queue.collector("hold")(hold)
    async with queue:
        results = await queue.publisher.request("parent", keys="parent")
        task = results.first().value
        assert queue.metrics.overflow_sends == 1
        await ticks(3)  # the first one runs, and so one place is taken
        assert hold.started == ["1"]
        assert queue.ledger.queued == 1
        step.set()
        await ticks(5)
        assert not task.done()
        assert len(sent) == 2
        assert queue.metrics.overflow_sends == 1
        hold.open()
        await task
        assert len(sent) == 3
        await sent[-1]


@both_loops
async def test_a_handler_of_another_queue_waits_for_room_as_anyone_does() -> None:
    inner, gate = gated(1)
    outer = CollectorQueue()

    @outer.collector
    async def forward(payload: Payload[int]) -> None:
        await inner.publisher.send(payload.value)

    async with inner, outer:
        await fill(inner, 1)
        event = await outer.publisher.send(7)
        await ticks(8)
        assert not event.is_done()
        assert inner.ledger.accepted == 2
        assert inner.metrics.overflow_sends == 0
        gate.open()
        assert await event == [Ok(None)]
