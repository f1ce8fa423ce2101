"""send, send_nowait, send_many, request and call; before, during and after a run."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from collectorqueue import (
    Collector,
    CollectorEvent,
    CollectorQueue,
    Delivery,
    Error,
    EventPublisher,
    Ok,
    Outcome,
    Payload,
)
from collectorqueue.errors import (
    CollectorFailed,
    ConfigError,
    EventAborted,
    QueueClosed,
    QueueNotStarted,
    UnknownKey,
    Unrouted,
    WouldDeadlock,
    WrongThread,
)
from tests.support import Gate, Log, assert_closes, both_loops, ticks, virtual


def echo_queue(**options: Any) -> CollectorQueue:
    return CollectorQueue([Collector("echo", lambda payload: payload.value)], **options)


def gated(**options: Any) -> tuple[CollectorQueue, Gate]:
    options.setdefault("max_consumers", 1)
    gate = Gate()
    return CollectorQueue([Collector("gate", gate)], **options), gate


# -- what is sent -----------------------------------------------------------------


@both_loops
async def test_a_value_with_keywords_is_sent_as_the_payload_they_make() -> None:
    queue = CollectorQueue([Collector("a", lambda p: p.value, topics="t")])
    async with queue:
        publisher = queue.publisher
        event = await publisher.send(7, topics="t", priority=3, ttl=60)
        payload = event.payload
        assert (payload.value, payload.delivery) == (7, Delivery.TOPIC)
        assert (payload.topics, payload.priority, payload.ttl) == (("t",), 3, 60.0)
        assert (await publisher.send(7, "key", "a")).payload.keys == ("a",)
        assert publisher.send_nowait(7, keys="a").payload.keys == ("a",)
        assert publisher.send_nowait(7, Delivery.BROADCAST).payload.keys == ()


@both_loops
async def test_a_payload_is_sent_as_it_is() -> None:
    payload = Payload(7)
    async with echo_queue() as queue:
        assert (await queue.publisher.send(payload)).payload is payload
        assert queue.publisher.send_nowait(payload).payload is payload
        (event,) = await queue.publisher.send_many([payload])
        assert event.payload is payload


@pytest.mark.parametrize(
    "keywords",
    [
        {"keys": "echo"},
        {"topics": "t"},
        {"priority": 1},
        {"ttl": 1},
        {"delivery": "broadcast"},
    ],
)
@both_loops
async def test_a_payload_takes_no_keywords_beside_it(keywords: dict[str, Any]) -> None:
    message = (
        "a Payload says itself whom it is for; give delivery, keys, topics, priority, "
        "ordering_key, delay and ttl with a plain value only"
    )
    async with echo_queue() as queue:
        for send in (queue.publisher.send, queue.publisher.request):
            with pytest.raises(TypeError) as caught:
                await send(Payload(7), **keywords)
            assert str(caught.value) == message
        with pytest.raises(TypeError) as caught:
            queue.publisher.send_nowait(Payload(7), **keywords)
        assert str(caught.value) == message
        assert queue.ledger.accepted == 0


@both_loops
async def test_a_bad_keyword_raises_where_it_is_given_and_nothing_is_accepted() -> None:
    async with echo_queue() as queue:
        with pytest.raises(ConfigError):
            await queue.publisher.send(7, keys=[])
        with pytest.raises(TypeError):
            queue.publisher.send_nowait(7, priority="high")
        with pytest.raises(TypeError):
            await queue.publisher.send(7, colour=3)  # type: ignore[call-arg]
        assert queue.ledger.accepted == 0


@both_loops
async def test_a_send_returns_once_accepted_and_before_it_is_collected() -> None:
    log = Log()
    async with CollectorQueue([Collector("log", log)]) as queue:
        event = await queue.publisher.send(7)
        assert isinstance(event, CollectorEvent)
        assert log.values == []
        assert (queue.ledger.accepted, queue.ledger.queued) == (1, 1)
        await event
        assert log.values == [7]


@both_loops
async def test_a_send_while_every_consumer_is_held_grows_the_pool() -> None:
    queue, gate = gated(max_consumers=4, drain_timeout=1.0)
    async with queue:
        for number in range(6):
            await queue.publisher.send(number)
            await ticks(4)
        assert gate.started == [0, 1, 2, 3]
        assert queue.consumers == 4
        gate.open()


@both_loops
async def test_send_nowait_while_every_consumer_is_held_grows_the_pool() -> None:
    queue, gate = gated(max_consumers=4, drain_timeout=1.0)
    async with queue:
        for number in range(6):
            queue.publisher.send_nowait(number)
            await ticks(4)
        assert gate.started == [0, 1, 2, 3]
        gate.open()


# -- send_many --------------------------------------------------------------------


@both_loops
async def test_send_many_sends_payloads_and_values_in_order() -> None:
    log = Log()
    queue = CollectorQueue(
        [Collector("log", log), Collector("other", lambda payload: 0)]
    )
    async with queue:
        items = [1, Payload(2, keys="log"), (3, "three")]
        events = await queue.publisher.send_many(iter(items))
        assert [event.payload.value for event in events] == [1, 2, (3, "three")]
        assert events[1].payload is items[1]
        await queue.publisher.wait()
        assert log.values == [1, 2, (3, "three")]
        assert await queue.publisher.send_many([]) == []


@both_loops
async def test_send_many_takes_a_generator_as_far_as_there_is_room() -> None:
    produced = []

    def produce() -> Iterator[int]:
        for number in range(10):
            produced.append(number)
            yield number

    queue, gate = gated(capacity=3)
    async with queue:
        sending = asyncio.ensure_future(queue.publisher.send_many(produce()))
        await ticks(5)
        assert not sending.done()
        assert queue.ledger.queued == 3
        assert len(produced) <= 5
        gate.open()
        assert len(await sending) == 10


@both_loops
async def test_a_send_many_that_meets_a_bad_item_carries_what_was_accepted() -> None:
    log = Log()
    async with CollectorQueue([Collector("log", log)], on_unrouted="error") as queue:
        with pytest.raises(Unrouted) as caught:
            await queue.publisher.send_many([1, 2, Payload(3, keys="nobody"), 4])
        accepted = caught.value.accepted  # type: ignore[attr-defined]
        assert [event.payload.value for event in accepted] == [1, 2]
        await queue.publisher.wait()
        assert log.values == [1, 2]
        assert all(event.outcome is Outcome.OK for event in accepted)


@both_loops
async def test_a_send_many_whose_iterable_raises_carries_what_was_accepted() -> None:
    def produce() -> Iterator[int]:
        yield 1
        yield 2
        raise LookupError("no third")

    async with echo_queue() as queue:
        with pytest.raises(LookupError, match=r"^no third$") as caught:
            await queue.publisher.send_many(produce())
        assert [e.payload.value for e in caught.value.accepted] == [1, 2]  # type: ignore[attr-defined]


@both_loops
async def test_a_cancelled_send_many_carries_what_was_accepted_and_that_runs() -> None:
    queue, gate = gated(capacity=3)
    caught: list[Any] = []
    async with queue:

        async def send() -> None:
            try:
                await queue.publisher.send_many(range(10))
            except asyncio.CancelledError as exc:
                caught.append(exc)
                raise

        sending = asyncio.ensure_future(send())
        await ticks(5)
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
        accepted = [event.payload.value for event in caught[0].accepted]
        assert accepted == list(range(queue.ledger.accepted))
        assert len(accepted) in (3, 4)
        gate.open()
        await queue.publisher.wait()
        assert gate.ended == accepted


@both_loops
async def test_a_send_many_that_is_refused_for_good_carries_what_was_accepted() -> None:
    queue, gate = gated(capacity=2)
    async with queue:
        sending = asyncio.ensure_future(queue.publisher.send_many(range(10)))
        await ticks(5)
        closing = asyncio.ensure_future(queue.close())
        await ticks(3)
        with pytest.raises(QueueClosed) as caught:
            await sending
        accepted = caught.value.accepted  # type: ignore[attr-defined]
        gate.open()
        await closing
    assert gate.ended == [event.payload.value for event in accepted] == [0, 1, 2]


@pytest.mark.parametrize("bad", [None, 7])
@both_loops
async def test_send_many_of_what_is_not_iterable_is_a_type_error(bad: Any) -> None:
    async with echo_queue() as queue:
        with pytest.raises(TypeError):
            await queue.publisher.send_many(bad)


# -- request ----------------------------------------------------------------------


@both_loops
async def test_a_request_returns_the_results() -> None:
    async with echo_queue() as queue:
        assert await queue.publisher.request(7) == [Ok(7)]
        assert await queue.publisher.request(Payload(8)) == [Ok(8)]
        results = await queue.publisher.request(9, keys="nobody")
        assert isinstance(results.first().err, Unrouted)


@virtual
async def test_a_request_that_times_out_cancels_its_running_event() -> None:
    events: list[str] = []

    async def slow(payload: Payload[int]) -> None:
        try:
            await asyncio.sleep(100)
        except asyncio.CancelledError:
            events.append("cancelled")
            raise

    loop = asyncio.get_running_loop()
    async with CollectorQueue([Collector("slow", slow)]) as queue:
        begun = loop.time()
        with pytest.raises(TimeoutError):
            await queue.publisher.request(7, timeout=2)
        assert loop.time() - begun == pytest.approx(2)
        await queue.publisher.wait()
        assert events == ["cancelled"]
        assert queue.ledger.aborted == 1
        assert loop.time() - begun < 3


@virtual
async def test_a_request_that_times_out_cancels_its_queued_event() -> None:
    queue, gate = gated()
    async with queue:
        await queue.publisher.send("holds the only consumer")
        with pytest.raises(TimeoutError):
            await queue.publisher.request(7, timeout=2)
        assert (queue.ledger.aborted, queue.ledger.queued) == (1, 0)
        gate.open()
    assert gate.started == ["holds the only consumer"]


@virtual
async def test_the_timeout_of_a_request_covers_its_waiting_for_room() -> None:
    queue, gate = gated(capacity=1)
    async with queue:
        await queue.publisher.send(0)
        await ticks(3)
        await queue.publisher.send(1)
        with pytest.raises(TimeoutError):
            await queue.publisher.request(2, timeout=2)
        assert queue.ledger.accepted == 2
        gate.open()
    assert gate.started == [0, 1]


@both_loops
async def test_a_cancelled_request_cancels_its_event() -> None:
    queue, gate = gated()
    async with queue:
        request = asyncio.ensure_future(queue.publisher.request(7))
        await ticks(3)
        assert gate.started == [7]
        request.cancel()
        with pytest.raises(asyncio.CancelledError):
            await request
        await queue.publisher.wait()
        assert queue.ledger.aborted == 1


@pytest.mark.parametrize("offset", range(8))
@both_loops
async def test_a_request_cancelled_at_any_tick_leaves_nothing_behind(
    offset: int,
) -> None:
    queue, gate = gated()
    async with queue:
        request = asyncio.ensure_future(queue.publisher.request(7))
        await ticks(offset)
        request.cancel()
        await asyncio.wait([request])
        assert request.cancelled()
        await queue.publisher.wait()
        ledger = queue.ledger
        assert ledger.accepted == ledger.aborted <= 1
        gate.open()
        assert await queue.publisher.request(8) == [Ok(8)]


VARIABLE: contextvars.ContextVar[str] = contextvars.ContextVar(
    "variable", default="unset"
)


@both_loops
async def test_the_handlers_of_a_request_or_call_see_the_callers_context() -> None:
    queue = CollectorQueue([Collector("see", lambda payload: VARIABLE.get())])
    async with queue:
        VARIABLE.set("the caller's")
        assert await queue.publisher.call("see", 0) == "the caller's"
        assert await queue.publisher.request(0) == [Ok("the caller's")]
        event = await queue.publisher.send(0)
        assert await event == [Ok("unset")]


# -- call -------------------------------------------------------------------------


@both_loops
async def test_call_returns_the_one_value_of_a_collector_by_key_or_itself() -> None:
    double = Collector("double", lambda payload: payload.value * 2)
    async with CollectorQueue([double, Collector("other", lambda payload: 0)]) as queue:
        assert await queue.publisher.call("double", 21) == 42
        assert await queue.publisher.call(double, 21) == 42


@both_loops
async def test_call_raises_what_the_collector_raised_or_answered() -> None:
    async def fail(payload: Payload[Any]) -> Any:
        if isinstance(payload.value, Exception):
            raise payload.value
        return Error(payload.value)

    async with CollectorQueue([Collector("fail", fail)]) as queue:
        with pytest.raises(ZeroDivisionError, match=r"^oh$"):
            await queue.publisher.call("fail", ZeroDivisionError("oh"))
        with pytest.raises(CollectorFailed, match=r"^out of paper$"):
            await queue.publisher.call("fail", "out of paper")


@pytest.mark.parametrize("kind", [asyncio.CancelledError, SystemExit, KeyboardInterrupt])
@virtual
async def test_call_does_not_end_its_caller_by_what_a_handler_raised(
    kind: type[BaseException],
) -> None:
    def fail(payload: Payload[Any]) -> None:
        raise kind("of the handler")

    async with CollectorQueue([Collector("fail", fail)]) as queue:
        with pytest.raises(CollectorFailed) as raised:
            await queue.publisher.call("fail", 1)
        assert str(raised.value) == f"collector 'fail' raised {kind('of the handler')!r}"
        assert type(raised.value.__cause__) is kind


@both_loops
async def test_call_of_an_unknown_collector_names_those_there_are() -> None:
    async with echo_queue() as queue:
        with pytest.raises(UnknownKey) as caught:
            await queue.publisher.call("ecko", 7)
        assert str(caught.value) == "no collector 'ecko'; registered: 'echo'"
        assert caught.value.key == "ecko"
        with pytest.raises(TypeError) as refused:
            await queue.publisher.call(7, 7)  # type: ignore[arg-type]
        assert str(refused.value) == "call() takes a Collector or its key, got 7"
        assert queue.ledger.accepted == 0


@virtual
async def test_a_call_that_times_out_cancels_its_event() -> None:
    queue, _ = gated()
    async with queue:
        with pytest.raises(TimeoutError):
            await queue.publisher.call("gate", 7, timeout=1)
        await queue.publisher.wait()
        assert queue.ledger.aborted == 1


@both_loops
async def test_a_call_whose_event_is_aborted_by_another_raises_event_aborted() -> None:
    queue, _ = gated()
    async with queue:
        await queue.publisher.send(0)
        call = asyncio.ensure_future(queue.publisher.call("gate", 1))
        await ticks(3)
        await queue.close(timeout=0)
        with pytest.raises(EventAborted):
            await call


@both_loops
async def test_handlers_may_request_and_call_each_other() -> None:
    queue = CollectorQueue(max_consumers=1)

    @queue.collector
    async def outer(payload: Payload[int]) -> Any:
        results = await queue.publisher.request(payload.value, keys="inner")
        return results.first().value + await queue.publisher.call("inner", 1)

    @queue.collector
    async def inner(payload: Payload[int]) -> int:
        return payload.value * 10

    async with queue:
        assert await queue.publisher.call("outer", 4) == 50
        assert queue.metrics.blocked == 0


@both_loops
async def test_a_handler_that_waits_for_its_own_event_gets_would_deadlock() -> None:
    queue = CollectorQueue(max_consumers=1)
    sent: list[CollectorEvent] = []

    @queue.collector
    async def selfish(payload: Payload[int]) -> Any:
        return await sent[0]

    async with queue:
        sent.append(await queue.publisher.send(7))
        (result,) = await sent[0]
        assert isinstance(result.err, WouldDeadlock)
        assert str(result.err) == "a handler waits for its own event"


# -- when and where ---------------------------------------------------------------


async def refusals(queue: CollectorQueue, kind: type[Exception]) -> set[str]:
    """The messages with which every way to send is refused."""
    messages = set()
    for send in (
        lambda: queue.publisher.send(7),
        lambda: queue.publisher.send_many([7]),
        lambda: queue.publisher.request(7),
        lambda: queue.publisher.call("echo", 7),
        lambda: nowait(queue),
    ):
        with pytest.raises(kind) as caught:
            await send()
        messages.add(str(caught.value))
    return messages


async def nowait(queue: CollectorQueue) -> None:
    queue.publisher.send_nowait(7)


@both_loops
async def test_a_queue_that_was_not_started_refuses_every_send() -> None:
    queue = echo_queue()
    assert await refusals(queue, QueueNotStarted) == {
        "the queue is not started: use `async with queue` or `await queue.start()`"
    }
    assert queue.ledger.accepted == 0
    assert not queue.is_running


@both_loops
async def test_a_closed_queue_refuses_every_send() -> None:
    queue = echo_queue()
    async with queue:
        await queue.publisher.send(1)
    assert await refusals(queue, QueueClosed) == {"the queue is closed"}
    assert queue.ledger.accepted == 1


@both_loops
async def test_a_draining_queue_refuses_every_send_from_outside() -> None:
    gate = Gate()
    queue = CollectorQueue([Collector("echo", gate)])
    async with queue:
        await queue.publisher.send(1)
        closing = asyncio.ensure_future(queue.close())
        await ticks(3)
        assert await refusals(queue, QueueClosed) == {
            "the queue is draining: only its handlers may still send"
        }
        gate.open()
        await closing


@both_loops
async def test_a_send_from_another_thread_is_refused_naming_both() -> None:
    async with echo_queue() as queue:
        mine = threading.get_ident()

        def send() -> tuple[str, int]:
            with pytest.raises(WrongThread) as caught:
                queue.publisher.send_nowait(7)
            return str(caught.value), threading.get_ident()

        message, other = await asyncio.to_thread(send)
        assert message == (
            f"a queue is used from the thread it was started in, {mine}, "
            f"got a send from {other}"
        )
        assert queue.ledger.accepted == 0


@both_loops
async def test_a_cancel_from_another_thread_is_refused() -> None:
    queue, gate = gated()
    async with queue:
        event = await queue.publisher.send(7)

        def cancel() -> None:
            with pytest.raises(WrongThread):
                event.cancel()

        await asyncio.to_thread(cancel)
        assert event.outcome is None
        gate.open()


@both_loops
async def test_the_same_queue_can_be_started_again_with_a_fresh_ledger() -> None:
    log = Log()
    queue = CollectorQueue([Collector("log", log)])
    for number in range(3):
        async with queue:
            assert queue.is_running
            assert queue.ledger.accepted == 0
            event = await queue.publisher.send(number)
            assert await event == [Ok(number)]
            assert queue.ledger.accepted == queue.ledger.ok == 1
        assert not queue.is_running
        assert queue.drain_report is not None
        assert queue.drain_report.ledger.ok == 1
        assert_closes(queue)
    assert log.values == [0, 1, 2]


@virtual
async def test_ids_rise_with_each_send_and_never_come_again() -> None:
    queue = echo_queue()
    ids = []
    for number in range(3):
        async with queue:
            ids += [(await queue.publisher.send(number)).id for _ in range(2)]
            ids += [event.id for event in await queue.publisher.send_many(range(2))]
    assert ids == sorted(set(ids))
    assert len(ids) == 12


def test_a_queue_can_be_started_again_on_another_loop() -> None:
    log = Log()
    queue = CollectorQueue([Collector("log", log)])

    async def once(number: int) -> None:
        async with queue:
            await queue.publisher.request(number)

    for number in range(3):
        asyncio.run(once(number))
    assert log.values == [0, 1, 2]


@both_loops
async def test_the_publisher_is_one_object_before_during_and_after() -> None:
    queue = echo_queue()
    publisher = queue.publisher
    assert queue.get_publisher() is publisher
    async with queue:
        assert queue.publisher is publisher
        await publisher.send(7)
    assert queue.publisher is publisher


# -- the ledger -------------------------------------------------------------------


@both_loops
async def test_the_ledger_closes_at_every_instant_inside_handlers_too() -> None:
    queue = CollectorQueue(max_consumers=3, capacity=50)
    checked = 0

    def check() -> None:
        nonlocal checked
        assert_closes(queue)
        ledger = queue.ledger
        assert ledger.in_flight >= 1
        assert 0 <= ledger.queued <= 100
        checked += 1

    @queue.collector(topics="all")
    async def first(payload: Payload[int]) -> None:
        check()
        await asyncio.sleep(0)
        check()
        if payload.value % 3 == 0:
            raise ValueError("every third")
        if payload.value % 5 == 0 and payload.value < 100:
            await queue.publisher.send(payload.value + 1000, keys="nobody")
        check()

    @queue.collector(topics="all")
    def second(payload: Payload[int]) -> None:
        check()

    async with queue:
        for number in range(60):
            event = await queue.publisher.send(number, topics="all")
            assert_closes(queue)
            if number % 7 == 0:
                event.cancel()
                assert_closes(queue)
            if number % 4 == 0:
                await asyncio.sleep(0)
                assert_closes(queue)
        await queue.publisher.wait()
        ledger = queue.ledger
        assert ledger.in_flight == ledger.queued == 0
        assert ledger.accepted == 60 + ledger.unrouted
        assert min(ledger.ok, ledger.failed, ledger.unrouted, ledger.aborted) > 0
    assert checked > 100


def test_a_publisher_that_was_not_made_to_its_end_is_of_no_queue() -> None:
    class Mine(EventPublisher):
        def __init__(self) -> None:
            pass

    for send in Mine().send_nowait, EventPublisher.__new__(EventPublisher).send_nowait:
        with pytest.raises(QueueNotStarted):
            send(1)


@pytest.mark.parametrize("timeout", ["3", True, -1, float("nan")])
@both_loops
async def test_a_timeout_that_is_none_is_refused_before_anything_is_sent(
    timeout: Any,
) -> None:
    kinds = (TypeError, ConfigError)
    async with CollectorQueue([Collector("log", Log())]) as queue:
        with pytest.raises(kinds, match="timeout must be"):
            await queue.publisher.request(1, timeout=timeout)
        with pytest.raises(kinds, match="timeout must be"):
            await queue.publisher.call("log", 1, timeout=timeout)
        with pytest.raises(kinds, match="timeout must be"):
            queue.publisher.request_threadsafe(1, timeout=timeout)
        assert queue.ledger.accepted == 0
