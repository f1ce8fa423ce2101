"""Policies that meet at a bad moment: what once was lost, stuck, doubled or crashed."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from collectorqueue import (
    Batch,
    Collector,
    CollectorQueue,
    Error,
    Ok,
    Outcome,
    Payload,
    RateLimit,
    Retry,
)
from collectorqueue.errors import PayloadInvalid, WouldDeadlock
from tests.policies.support import Clocked, Flaky
from tests.support import Gate, assert_closes, ticks, virtual

STEADY = Retry(attempts=3, backoff=0.1, factor=1, jitter=0)


async def bad(payload: Payload[Any]) -> None:
    raise ValueError


@pytest.mark.parametrize("queue_type", ["fifo", "lifo", "priority"])
@virtual
async def test_what_stands_for_a_batch_or_a_part_is_not_dropped_for_a_newer_event(
    queue_type: str,
) -> None:
    slow = Clocked(5)
    batched = Collector("batched", slow_batch, batch=Batch(1), max_concurrency=1)
    collectors = [batched, Collector("slow", slow), Collector("bad", bad, retry=STEADY)]
    queue = CollectorQueue(
        collectors, max_consumers=2, capacity=1, overflow="drop_oldest", queue_type=queue_type
    )
    async with queue:
        events = []
        for keys in ("batched", "batched", "slow", ["slow", "bad"]):
            events.append(await queue.publisher.send(1, keys=keys))
            await asyncio.sleep(0.01)
        batched.max_concurrency = 2
        for _ in range(3):
            events.append(await queue.publisher.send(1, keys="slow"))
            await asyncio.sleep(0.2)
        await queue.publisher.wait()
        assert all(event.is_done() for event in events)
        assert_closes(queue)


async def slow_batch(payloads: list[Payload[Any]]) -> None:
    await asyncio.sleep(5)


@virtual
async def test_an_item_that_does_not_fit_fails_whatever_its_consumer_did_before() -> None:
    async def take(payloads: list[Payload[int]]) -> None:
        await asyncio.sleep(1)

    collector = Collector("take", take, batch=Batch(2), payload_type=int)
    async with CollectorQueue([collector], max_consumers=1) as queue:
        first = [await queue.publisher.send(n) for n in range(2)]
        await asyncio.sleep(0.5)
        for event in first:
            event.cancel()
        second = [await queue.publisher.send(value) for value in (1, "x")]
        assert await second[0] == [Ok(None)]
        (error,) = await second[1]
        assert second[1].outcome is Outcome.FAILED
        assert isinstance(error, Error) and isinstance(error.err, PayloadInvalid)


@virtual
async def test_a_part_of_a_running_batch_is_cancelled_with_its_event() -> None:
    slow = Clocked(5)
    collectors = [
        Collector("a", slow_batch, batch=Batch(2)),
        Collector("b", slow, max_concurrency=1),
    ]
    async with CollectorQueue(collectors, max_consumers=4) as queue:
        await queue.publisher.send(0, keys="b")
        event = await queue.publisher.send(1, keys=["a", "b"])
        other = await queue.publisher.send(2, keys="a")
        await asyncio.sleep(0.5)
        assert event.cancel()
        await event
        assert event.outcome is Outcome.ABORTED
        await other
        assert await (await queue.publisher.send(3, keys="b")) == [Ok(3)]
        assert_closes(queue)


@virtual
async def test_two_parts_of_one_event_may_stand_in_a_lane() -> None:
    collectors = [
        Collector("a", bad, retry=STEADY, topics="t"),
        Collector("b", bad, retry=STEADY, topics="t"),
        Collector("slow", Clocked(5), topics="u"),
    ]
    for queue_type in ("fifo", "lifo", "priority"):
        queue = CollectorQueue(collectors, max_consumers=1, queue_type=queue_type)
        await queue.start()
        event = await queue.publisher.send(1, topics="t")
        await asyncio.sleep(0.05)
        await queue.publisher.send(1, topics="u")
        await asyncio.sleep(1)
        await queue.close(0)
        assert event.outcome is Outcome.ABORTED
        assert queue.ledger.closes and queue.ledger.queued == 0


@virtual
async def test_a_drain_that_is_cut_short_ends_what_waits_for_its_time() -> None:
    collectors = [Collector("bad", bad, retry=Retry(backoff=50)), Collector("log", Clocked())]
    queue = CollectorQueue(collectors)
    await queue.start()
    events = [
        await queue.publisher.send(1, delay=10, keys="log"),
        await queue.publisher.send(2, keys="bad"),
    ]
    closing = asyncio.ensure_future(queue.close(None))
    await asyncio.sleep(1)
    report = await queue.close(0)
    await closing
    for event in events:
        await event
        assert event.outcome is Outcome.ABORTED
    assert sorted(payload.value for payload in report.aborted) == [1, 2]
    assert report.ledger.closes and report.ledger.queued == 0


@virtual
async def test_a_delay_that_a_handler_asks_for_as_the_queue_closes() -> None:
    queue = CollectorQueue(drain_timeout=5)

    @queue.collector(topics="send")
    async def send(payload: Payload[Any]) -> None:
        await asyncio.sleep(1)
        await queue.publisher.send("late", topics="none", delay=60)

    loop = asyncio.get_running_loop()
    async with queue:
        await queue.publisher.send(1, topics="send")
        begun = loop.time()
    assert loop.time() - begun < 2
    assert queue.drain_report is not None
    assert [payload.value for payload in queue.drain_report.aborted] == ["late"]


@pytest.mark.parametrize("batch", [None, Batch(1)])
@virtual
async def test_removing_a_collector_at_its_limit_lets_go_of_what_waits(
    batch: Batch | None,
) -> None:
    handler: Any = slow_batch if batch else Clocked(5)
    collector = Collector("full", handler, max_concurrency=1, batch=batch)
    async with CollectorQueue([collector], max_consumers=4) as queue:
        events = [await queue.publisher.send(n, keys="full") for n in range(4)]
        await asyncio.sleep(0.5)
        await queue.remove_collector("full")
        await queue.publisher.wait()
        outcomes = [event.outcome for event in events]
        assert outcomes == [Outcome.OK, *[Outcome.UNROUTED] * 3]
        assert_closes(queue)


@pytest.mark.parametrize("queue_type", ["fifo", "lifo", "priority"])
@virtual
async def test_what_was_taken_out_of_turn_may_come_back(queue_type: str) -> None:
    queue = CollectorQueue(max_consumers=1, queue_type=queue_type, drain_timeout=60)
    flaky = Flaky(2)

    async def ask(payload: Payload[int]) -> int:
        events = [await queue.publisher.send(n, keys="flaky") for n in range(100)]
        return len([await event for event in events])

    await queue.add_collector(Collector("flaky", flaky, retry=STEADY))
    await queue.add_collector(Collector("ask", ask))
    async with queue:
        assert await (await queue.publisher.send(1, keys="ask")) == [Ok(100)]
        assert queue._core.in_lane() == 0
        await queue.publisher.send("last", keys="flaky")
    assert queue.ledger.ok == 102


@virtual
async def test_a_handler_that_waits_for_what_is_retried_is_helped_each_time() -> None:
    queue = CollectorQueue(max_consumers=1)

    async def ask(payload: Payload[int]) -> Any:
        event = await queue.publisher.send("leaf", keys=["flaky", "other"])
        return (await event)["flaky"].value

    await queue.add_collector(Collector("flaky", Flaky(2), retry=STEADY))
    await queue.add_collector(Collector("other", Clocked(1), retry=STEADY))
    await queue.add_collector(Collector("ask", ask))
    async with queue:
        assert await (await queue.publisher.send(1, keys="ask")) == [Ok("leaf")]


@virtual
async def test_waiting_for_all_leaves_out_what_waits_for_the_waiter() -> None:
    for options in ({"ordering_key": "k"}, {}):
        queue = CollectorQueue(max_consumers=4)

        async def handle(
            payload: Payload[int],
            queue: CollectorQueue = queue,
            options: dict[str, Any] = options,
        ) -> None:
            if payload.value == 0:
                await queue.publisher.send(1, keys="handle", **options)
                await queue.publisher.wait()

        await queue.add_collector(
            Collector("handle", handle, max_concurrency=None if options else 1)
        )
        async with queue:
            await queue.publisher.send(0, keys="handle", **options)
            await asyncio.sleep(1)
            assert queue.ledger.ok == 2


async def sends_and_waits(
    collectors: list[Collector], queue: CollectorQueue, first: dict[str, Any]
) -> Any:
    for collector in collectors:
        await queue.add_collector(collector)
    async with queue:
        results = await (await queue.publisher.send("ask", **first))
        await queue.publisher.wait()
        assert queue.ledger.queued == 0
        return results


@virtual
async def test_a_target_that_runs_here_and_waits_for_my_place_there() -> None:
    queue = CollectorQueue(max_consumers=8)

    async def a(payload: Payload[str]) -> Any:
        if payload.value != "ask":
            return "asked"
        event = await queue.publisher.send("other")
        await asyncio.sleep(0.1)
        return (await event)["a"].value

    results = await sends_and_waits(
        [Collector("a", a, max_concurrency=1), Collector("b", Clocked(1))], queue, {}
    )
    assert isinstance(results["a"].err, WouldDeadlock)


@virtual
async def test_a_target_behind_a_key_whose_head_waits_for_my_place() -> None:
    queue = CollectorQueue(max_consumers=8)

    async def a(payload: Payload[str]) -> Any:
        if payload.value != "ask":
            return None
        await queue.publisher.send("head", keys="a", ordering_key="k")
        event = await queue.publisher.send("behind", keys="b", ordering_key="k")
        await asyncio.sleep(0.1)
        return await event

    results = await sends_and_waits(
        [Collector("a", a, max_concurrency=1), Collector("b", Clocked(1))],
        queue,
        {"keys": "a"},
    )
    assert isinstance(results["a"].err, WouldDeadlock)


@virtual
async def test_a_target_that_waits_to_be_retried_in_my_place() -> None:
    queue = CollectorQueue(max_consumers=8)
    events: list[Any] = []

    async def a(payload: Payload[str]) -> Any:
        if payload.value == "fail":
            raise ValueError
        return await events[0]

    await queue.add_collector(
        Collector(
            "a", a, max_concurrency=1,
            retry=Retry(attempts=2, backoff=1, never=(WouldDeadlock,)),
        )
    )
    async with queue:
        events.append(await queue.publisher.send("fail"))
        await asyncio.sleep(0.01)
        (error,) = await (await queue.publisher.send("wait"))
        assert isinstance(error, Error) and isinstance(error.err, WouldDeadlock)


@virtual
async def test_a_handler_that_was_written_off_may_send() -> None:
    queue = CollectorQueue(max_consumers=1)
    clocked = Clocked()

    async def stubborn(payload: Payload[Any]) -> None:
        end = asyncio.get_running_loop().time() + 3
        while (left := end - asyncio.get_running_loop().time()) > 0:
            try:
                await asyncio.sleep(left)
            except asyncio.CancelledError:
                continue
        await queue.publisher.send("late", keys="log")

    await queue.add_collector(Collector("stubborn", stubborn, timeout=0.1))
    await queue.add_collector(Collector("log", clocked))
    async with queue:
        await queue.publisher.send(1, keys="stubborn")
        await asyncio.sleep(5)
        assert clocked.values == ["late"]


@virtual
async def test_a_part_that_is_too_late_does_not_end_what_still_runs() -> None:
    later = Retry(attempts=2, backoff=100, max_backoff=100, jitter=0)
    slow = Clocked(5)
    collectors = [Collector("a", bad, retry=later), Collector("b", slow)]
    queue = CollectorQueue(collectors, max_consumers=4)
    await queue.start()
    events = [await queue.publisher.send(n, ordering_key="k") for n in range(2)]
    await asyncio.sleep(0.5)
    report = await queue.close(20)
    assert slow.begun[0] == (0, 0)
    assert report.seconds > 4.4  # its other part has run to its end
    assert [event.outcome for event in events] == [Outcome.ABORTED, Outcome.ABORTED]
    assert (await events[0])["b"] == Ok(0)
    assert [payload.value for payload in report.aborted] == [0, 1]


@virtual
async def test_a_cancel_is_not_taken_for_a_timeout_that_comes_meanwhile() -> None:
    runs = 0

    async def slow(payload: Payload[int]) -> None:
        nonlocal runs
        runs += 1
        try:
            await asyncio.sleep(100)
        except asyncio.CancelledError:
            await asyncio.sleep(0.2)
            raise

    collector = Collector("slow", slow, timeout=1, retry=STEADY)
    async with CollectorQueue([collector]) as queue:
        event = await queue.publisher.send(1)
        await asyncio.sleep(0.9)
        assert event.cancel()
        await event
        assert event.outcome is Outcome.ABORTED
        await asyncio.sleep(5)
    assert runs == 1


@virtual
async def test_an_event_that_tries_to_join_a_batch_pays_one_token() -> None:
    seen: list[tuple[float, list[int]]] = []

    async def take(payloads: list[Payload[int]]) -> None:
        now = round(asyncio.get_running_loop().time() - 1000, 2)
        seen.append((now, [payload.value for payload in payloads]))

    collector = Collector(
        "take", take, batch=Batch(3, wait=0.05), rate_limit=RateLimit(10, burst=1)
    )
    async with CollectorQueue([collector]) as queue:
        for number in range(10):
            await queue.publisher.send(number, ordering_key="k")
        await queue.publisher.wait()
    assert seen == [(round(0.05 + n / 10, 2), [n]) for n in range(10)]


@virtual
async def test_what_goes_elsewhere_is_not_passed_by_one_that_joins_a_batch() -> None:
    order: list[int] = []

    async def take(payloads: list[Payload[int]]) -> None:
        order.extend(payload.value for payload in payloads)

    async def single(payload: Payload[int]) -> None:
        order.append(payload.value)

    batched = Collector("take", take, batch=Batch(3, wait=0.1))
    collectors = [batched, Collector("single", single)]
    queue = CollectorQueue(collectors, queue_type="priority", min_consumers=5)
    async with queue:
        await queue.publisher.send(0, keys="take", ordering_key="k")
        await ticks(3)
        await queue.publisher.send(1, keys="single", ordering_key="k", priority=2000)
        await queue.publisher.send(2, keys="take", ordering_key="k", priority=1)
        await queue.publisher.wait()
    assert order == [0, 1, 2]


@virtual
async def test_those_that_were_cancelled_do_not_fill_a_batch() -> None:
    sizes: list[int] = []

    async def take(payloads: list[Payload[int]]) -> None:
        sizes.append(len(payloads))

    async with CollectorQueue([Collector("take", take, batch=Batch(3, wait=1))]) as queue:
        events = [await queue.publisher.send(n) for n in range(2)]
        await ticks(3)
        for event in events:
            event.cancel()
        for number in range(3):
            await queue.publisher.send(number)
        await queue.publisher.wait()
    assert sizes == [3]


@virtual
async def test_closing_waits_for_the_rate_before_it_hands_a_batch_over() -> None:
    sizes: list[int] = []

    async def take(payloads: list[Payload[int]]) -> None:
        sizes.append(len(payloads))

    collector = Collector(
        "take", take, batch=Batch(5, wait=100), rate_limit=RateLimit(1, burst=1)
    )
    async with CollectorQueue([collector], drain_timeout=60) as queue:
        for number in range(5):
            await queue.publisher.send(number)
    assert sizes == [5]


@virtual
async def test_nothing_is_remembered_of_what_was_tried() -> None:
    gate = Gate()
    collectors = [
        Collector("bad", bad, retry=STEADY),
        Collector("good", Clocked(0.3)),
        Collector("gate", gate),
    ]
    async with CollectorQueue(collectors, max_consumers=1) as queue:
        await queue.publisher.send(1, keys="bad")
        await asyncio.sleep(0.05)
        blocker = await queue.publisher.send(1, keys="gate")
        await asyncio.sleep(0.2)
        waiting = await queue.publisher.send(1, keys=["bad", "good"])
        gate.open()
        await blocker
        await asyncio.sleep(0.35)
        waiting.cancel()
        await queue.publisher.wait()
        assert queue._core.tried == 0


@virtual
async def test_a_batch_that_runs_on_though_its_events_have_ended_is_reported(
    caplog: pytest.LogCaptureFixture,
) -> None:
    release = asyncio.Event()

    async def stubborn(payloads: list[Payload[int]]) -> None:
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                continue

    queue = CollectorQueue([Collector("stubborn", stubborn, batch=Batch(2))])
    async with queue:
        events = [await queue.publisher.send(n) for n in range(2)]
        await ticks(5)
        for event in events:
            event.cancel()
    assert queue.drain_report is not None
    assert len(queue.drain_report.abandoned) == 1
    assert "drain: abandoned" in caplog.text
    release.set()
    await ticks(5)
