"""Policies at their edges: places that must come back, senders that must be woken."""

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
    ResultList,
    Retry,
    Router,
)
from collectorqueue.errors import ConfigError, PayloadInvalid
from collectorqueue.testing.virtual import VirtualLoop
from tests.policies.support import Clocked, Flaky
from tests.support import Gate, Stubborn, assert_closes, ticks, virtual


async def refuse(*_: Any) -> Any:
    raise ValueError


@virtual
async def test_what_runs_beside_one_that_is_written_off_can_be_cancelled_and_aborted() -> None:
    stubborn = Stubborn()
    for how in ("cancel", "close"):
        stubborn.shut()
        collectors = [
            Collector("long", Clocked(1000)), Collector("stubborn", stubborn, timeout=0.1)
        ]  # fmt: skip
        queue = CollectorQueue(collectors, max_consumers=2)
        await queue.start()
        event = await queue.publisher.send(1)
        await asyncio.sleep(1)
        assert queue.ledger.in_flight == 1
        if how == "cancel":
            assert event.cancel()
            await event
        report = await queue.close(1)
        assert event.outcome is Outcome.ABORTED
        assert report.ledger.closes and report.ledger.in_flight == 0
        assert len(report.aborted) == (how == "close")
        stubborn.open()
        await ticks(5)


@virtual
async def test_a_sender_is_let_in_whatever_ends_the_event_that_waited() -> None:
    parked = Retry(backoff=100)
    collectors = [
        Collector("batch", Clocked(), batch=Batch(9, wait=1, by=lambda p: 1 // p.value)),
        Collector("bad", refuse, retry=parked),
        Collector("good", Clocked()),
    ]
    async with CollectorQueue(collectors, capacity=1, max_consumers=1) as queue:
        await queue.publisher.send(0, keys="batch")
        sending = asyncio.ensure_future(queue.publisher.send(1, keys="good"))
        assert await (await sending) == [Ok(1)]
        for how in ("cancel", "remove"):
            first = await queue.publisher.send(0, keys=["bad", "good"])
            await asyncio.sleep(0.1)
            sending = asyncio.ensure_future(queue.publisher.send(1, keys="good"))
            await ticks(5)
            assert not sending.done()
            if how == "cancel":
                assert first.cancel()
            else:
                await queue.remove_collector("bad")
                await asyncio.sleep(200)
            assert await (await sending) == [Ok(1)]
        assert_closes(queue)


@virtual
async def test_one_that_was_let_in_and_expires_gives_its_place_back() -> None:
    gate = Gate()
    collector = Collector("gate", gate, max_concurrency=1)
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    async with CollectorQueue([collector], max_consumers=4, min_consumers=4) as queue:
        await queue.publisher.send("runs")
        await ticks(3)
        event = await queue.publisher.send("late", ttl=0.05)
        await ticks(3)
        collector.max_concurrency = 2
        loop.clock.elapse(1)  # the loop is held up
        await event
        assert event.outcome is Outcome.DROPPED
        collector.max_concurrency = 1
        gate.open()
        assert await (await queue.publisher.send("next")) == [Ok("next")]
        assert_closes(queue)


@virtual
async def test_a_group_function_may_cancel_its_own_event() -> None:
    events: list[Any] = []

    def by(payload: Payload[int]) -> int:
        if payload.value == 1:
            events[-1].cancel()
        return 0

    collectors = [
        Collector("batch", refuse, batch=Batch(9, wait=50, by=by)), Collector("good", Clocked())
    ]  # fmt: skip
    loop = asyncio.get_running_loop()
    async with CollectorQueue(collectors, drain_timeout=20) as queue:
        for number in range(3):
            events.append(await queue.publisher.send(number))
            await asyncio.sleep(0.1)
        assert events[1].outcome is Outcome.ABORTED
        assert queue._core.in_lane() == 0
        begun = loop.time()
    assert loop.time() - begun < 1


@pytest.mark.parametrize("queue_type", ["fifo", "lifo", "priority"])
@virtual
async def test_what_has_started_is_never_dropped(queue_type: str) -> None:
    flaky, gate = Flaky(1), Gate()
    collectors = [
        Collector("flaky", flaky, retry=Retry(backoff=0.1), max_concurrency=1),
        Collector("gate", gate),
    ]
    queue = CollectorQueue(
        collectors, capacity=3, overflow="drop_oldest", queue_type=queue_type, max_consumers=2
    )
    async with queue:
        event = await queue.publisher.send(0, keys="flaky", delay=0.05)
        await asyncio.sleep(0.06)
        for number in range(20):
            await queue.publisher.send(number, keys="gate")
            await asyncio.sleep(0.02)
        gate.open()
        assert await event == [Ok(0)]


@virtual
async def test_a_dead_letter_function_that_will_not_end_does_not_hold_the_close() -> None:
    async def keep(letter: Any) -> None:
        while True:
            try:
                await asyncio.sleep(10_000)
                return
            except asyncio.CancelledError:
                continue

    queue = CollectorQueue([Collector("bad", refuse)], dead_letter=keep, drain_timeout=1)
    loop = asyncio.get_running_loop()
    async with queue:
        await (await queue.publisher.send(7))
        begun = loop.time()
    assert loop.time() - begun < 2
    assert [letter.payload.value for letter in queue.dead_letters] == [7]
    await asyncio.sleep(20_000)


@virtual
async def test_a_group_that_cannot_be_compared_fails_its_event_only() -> None:
    class Odd:
        def __hash__(self) -> int:
            return 1

        def __eq__(self, other: object) -> bool:
            raise OSError

    collector = Collector("batch", Clocked(), batch=Batch(9, wait=1, by=lambda _: Odd()))
    async with CollectorQueue([collector]) as queue:
        events = [await queue.publisher.send(n) for n in range(2)]
        await queue.publisher.wait()
        assert events[1].outcome is Outcome.FAILED
        assert_closes(queue)


class Whole(Router):
    async def handle_event(self, payload: Payload[Any]) -> ResultList:
        (collector,) = self.collectors.values()
        return ResultList([await collector.process(payload)])


@virtual
async def test_a_router_keeps_the_limit_of_batches_too_and_gives_tokens_back() -> None:
    most = running = 0

    async def batch(payloads: list[Payload[int]]) -> Any:
        nonlocal most, running
        running += 1
        most = max(most, running)
        await asyncio.sleep(1)
        running -= 1
        return Ok([payload.value for payload in payloads] * 2)

    collector = Collector("b", batch, batch=Batch(9), max_concurrency=1)
    async with CollectorQueue([collector], Whole, min_consumers=4) as queue:
        events = [await queue.publisher.send(n) for n in range(4)]
        assert [(await event).first() for event in events] == [Ok([n, n]) for n in range(4)]
    assert most == 1
    rated = Clocked()
    limited = Collector("r", rated, rate_limit=RateLimit(1, burst=1))
    async with CollectorQueue([limited], Whole, min_consumers=12) as queue:
        events = [await queue.publisher.send(n) for n in range(10)]
        await asyncio.sleep(0.1)
        for event in events[1:9]:
            event.cancel()
        await queue.publisher.wait()
    (begun, _), (next_begun, last) = rated.begun
    assert last == 9
    assert next_begun - begun == pytest.approx(1, abs=0.01)


@virtual
async def test_limits_are_forgotten_with_the_queue() -> None:
    collector = Collector("log", Clocked(), max_concurrency=3)
    for _ in range(3):
        async with CollectorQueue() as queue:
            await queue.add_collector(collector)
            await (await queue.publisher.send(1))
            await queue.remove_collector("log")
    async with CollectorQueue([collector]):
        pass
    assert len(collector._limited) == 0


@virtual
async def test_size_of_is_asked_once_for_a_send() -> None:
    asked: list[Any] = []
    gate = Gate()

    def size_of(value: Any) -> int:
        asked.append(value)
        return 60

    queue = CollectorQueue(
        [Collector("gate", gate)], max_bytes=100, size_of=size_of, max_consumers=1
    )
    async with queue:
        await queue.publisher.send({"n": 0})
        await ticks(3)
        await queue.publisher.send({"n": 1})
        sending = asyncio.ensure_future(queue.publisher.send({"n": 2}))
        await ticks(3)
        gate.open()
        await (await sending)
    assert asked == [{"n": 0}, {"n": 1}, {"n": 2}]


@virtual
async def test_a_list_of_any_kind_is_one_for_each() -> None:
    async def same(payloads: list[Payload[int]]) -> Any:
        return payloads

    async with CollectorQueue([Collector("same", same, batch=Batch(2))]) as queue:
        events = [await queue.publisher.send(n) for n in range(2)]
        assert [(await event).first().value.value for event in events] == [0, 1]


@virtual
async def test_a_text_that_is_no_unicode_is_an_invalid_payload() -> None:
    collector = Collector("log", Clocked(), payload_type=list[int])
    async with CollectorQueue([collector]) as queue:
        (error,) = await (await queue.publisher.send("\ud800"))
        assert isinstance(error, Error) and isinstance(error.err, PayloadInvalid)


@virtual
async def test_many_retries_of_one_key_and_many_timeouts_are_not_quadratic() -> None:
    flaky = Flaky(1)
    flaky.calls = CountingList()
    collector = Collector("flaky", flaky, retry=Retry(backoff=0))
    async with CollectorQueue([collector], capacity=20_000) as queue:
        events = [await queue.publisher.send(n, ordering_key="k") for n in range(20_000)]
        await queue.publisher.wait()
        assert {event.outcome for event in events} == {Outcome.OK}


class CountingList(list[Any]):
    """As a list, and quick to count."""

    def __init__(self) -> None:
        super().__init__()
        self.counts: dict[Any, int] = {}

    def append(self, value: Any) -> None:
        self.counts[value] = self.counts.get(value, 0) + 1

    def count(self, value: Any) -> int:
        return self.counts.get(value, 0)


def test_what_does_not_apply_in_processes_is_refused() -> None:
    with pytest.raises(ConfigError, match="validate='send' works on the loop"):
        Collector("a", print, runs_in="process", payload_type=int, validate="send")
    with pytest.raises(ConfigError, match="encoding works on the loop"):
        Collector("a", print, runs_in="process", payload_type=int, encoding="json")
