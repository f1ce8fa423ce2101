"""A router that calls collectors itself: `process` keeps their policies too."""

from __future__ import annotations

import asyncio
import gc
import sys
import time
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest

from collectorqueue import (
    Batch,
    Collector,
    CollectorQueue,
    Context,
    Error,
    Ok,
    Outcome,
    Payload,
    RateLimit,
    ResultList,
    Retry,
    Router,
)
from collectorqueue.errors import (
    PayloadInvalid,
    QueueClosed,
    QueueNotStarted,
    RunTimeout,
    UnknownKey,
)
from tests.policies import handlers
from tests.policies.support import Clocked, Flaky
from tests.support import Gate, assert_closes, both_loops, ticks, until, virtual


class Whole(Router):
    async def handle_event(self, payload: Payload[Any]) -> ResultList:
        results = await asyncio.gather(
            *(collector.process(payload) for collector in self.collectors.values())
        )
        return ResultList(results, list(self.collectors))


class InTurn(Router):
    async def handle_event(self, payload: Payload[Any]) -> ResultList:
        return ResultList(
            [await collector.process(payload) for collector in self.collectors.values()]
        )


class Alone(Router):
    """Makes one call, or closes it while it waits."""

    async def handle_event(self, payload: Payload[Any]) -> ResultList:
        (collector,) = self.collectors.values()
        call = collector.process(payload)
        if payload.value == "close":
            call.send(None)
            call.close()
            return ResultList([Ok(None)])
        return ResultList([await call])


@virtual
async def test_a_call_that_is_closed_while_it_waits_gives_its_turn_to_the_next() -> None:
    gate = Gate()
    collector = Collector("c", gate, max_concurrency=1)
    async with CollectorQueue([collector], Alone, min_consumers=3) as queue:
        first = await queue.publisher.send("first")
        await queue.publisher.request("close")
        gate.open()
        await first
        assert (await queue.publisher.request("next")).first().ok()
    assert_closes(queue)


async def leaves(payload: Payload[Any]) -> None:
    raise GeneratorExit


async def leaves_later(payload: Payload[Any]) -> None:
    await asyncio.sleep(0)
    raise GeneratorExit


@pytest.mark.parametrize("handler", [leaves, leaves_later])
@both_loops
async def test_a_generator_exit_of_a_handler_is_its_failure(handler: Any) -> None:
    collectors = [Collector("leaves", handler), Collector("stays", lambda payload: 2)]
    async with CollectorQueue(collectors, InTurn) as queue:
        left, stayed = await queue.publisher.request(1)
        assert isinstance(left, Error)
        assert isinstance(left.err, GeneratorExit)
        assert stayed == Ok(2)
    assert_closes(queue)


@pytest.mark.parametrize("place", ["another task", "no loop"])
def test_a_call_that_is_closed_elsewhere_makes_no_result_of_it(place: str) -> None:
    async def waits(payload: Payload[Any]) -> None:
        await asyncio.get_running_loop().create_future()

    async def begun() -> Coroutine[Any, Any, Any]:
        call = Collector("c", waits).process(Payload(1))
        call.send(None)
        return call

    def close(call: Coroutine[Any, Any, Any]) -> None:
        with pytest.raises(GeneratorExit):
            call.throw(GeneratorExit)

    async def main() -> Coroutine[Any, Any, Any]:
        call = await asyncio.create_task(begun())
        if place == "another task":
            close(call)
        return call

    call = asyncio.run(main())
    if place == "no loop":
        close(call)


async def answers_late(payload: Payload[Any]) -> str:
    try:
        await asyncio.sleep(5)
    except asyncio.CancelledError:
        return "late"
    raise AssertionError


async def fails_late(payload: Payload[Any]) -> None:
    try:
        await asyncio.sleep(5)
    finally:
        raise ValueError


@pytest.mark.parametrize("handler", [answers_late, fails_late])
@virtual
async def test_what_ends_after_its_timeout_has_timed_out(handler: Any) -> None:
    collector = Collector("c", handler, timeout=1)
    for router in (Alone, Choosing):
        async with CollectorQueue([collector], router) as queue:
            result = (await queue.publisher.request(1)).first()
            assert isinstance(result, Error)
            assert isinstance(result.err, RunTimeout)


class Choosing(Router):
    def select(self, payload: Payload[Any]) -> list[str]:
        return list(self.collectors)


@virtual
async def test_process_retries_times_limits_and_decodes() -> None:
    class Order(msgspec.Struct):
        id: int

    flaky, rated = Flaky(2), Clocked()
    collectors = [
        Collector("flaky", flaky, retry=Retry(backoff=1, factor=1, jitter=0)),
        Collector("gone", Flaky(9), retry=Retry(backoff=0)),
        Collector("slow", Clocked(10), timeout=1),
        Collector("rated", rated, rate_limit=RateLimit(1, burst=1)),
        Collector("typed", Clocked(), payload_type=Order),
    ]
    async with CollectorQueue(collectors, Whole, max_consumers=2) as queue:
        events = [await queue.publisher.send({"id": n}) for n in range(2)]
        for number, event in enumerate(events):
            results = await event
            assert results["flaky"] == Ok({"id": number})
            assert results["gone"].attempts == 3  # type: ignore[union-attr]
            assert isinstance(results["slow"].err, RunTimeout)  # type: ignore[union-attr]
            assert results["typed"] == Ok(Order(number))
        wrong = await (await queue.publisher.send({"id": "x"}))
        assert isinstance(wrong["typed"].err, PayloadInvalid)  # type: ignore[union-attr]
        assert_closes(queue)
    assert rated.times == [0, pytest.approx(1, abs=0.01), pytest.approx(2, abs=1.1)]


@virtual
async def test_its_limit_is_shared_with_nobody_passed() -> None:
    gate = Gate()
    full = Collector("full", gate, max_concurrency=2)
    async with CollectorQueue([full], Whole, max_consumers=5, min_consumers=5) as queue:
        events = [await queue.publisher.send(n) for n in range(5)]
        await until(lambda: len(gate.started) == 2)
        await ticks(10)
        assert gate.started == [0, 1]
        assert events[2].cancel()
        await ticks(10)
        gate.open()
        await queue.publisher.wait()
        assert gate.started == [0, 1, 3, 4]
        assert events[2].outcome is Outcome.ABORTED
        gate.shut()
        again = [await queue.publisher.send(n) for n in (5, 6)]
        await until(lambda: gate.started[-2:] == [5, 6])
        gate.open()
        for event in again:
            await event


@virtual
async def test_a_batch_is_one_of_one() -> None:
    async def batch(payloads: list[Payload[int]]) -> list[int]:
        return [payload.value + len(payloads) for payload in payloads]

    async with CollectorQueue([Collector("b", batch, batch=Batch(9))], Whole) as queue:
        assert await (await queue.publisher.send(7)) == [Ok(8)]


@both_loops
async def test_in_processes() -> None:
    collectors = [
        Collector("flaky", handlers.flaky, runs_in="process", retry=Retry(backoff=0.001)),
        Collector("batch", handlers.batch, runs_in="process", batch=Batch(9)),
        Collector("wrong", handlers.wrong, runs_in="process", retry=Retry(on=(OSError,))),
    ]
    async with CollectorQueue(collectors, Whole, workers=1) as queue:
        results = await (await queue.publisher.send("routed"))
        assert results["flaky"] == Ok("routed")
        assert results["batch"] == Ok(["routed", 1, "flush", []])
        assert isinstance(results["wrong"], Error) and results["wrong"].attempts == 1


@virtual
async def test_a_router_that_chooses_keeps_them_all() -> None:
    flaky = Flaky(1)
    seen: list[list[int]] = []

    async def batch(payloads: list[Payload[int]]) -> None:
        seen.append([payload.value for payload in payloads])

    collectors = [
        Collector("flaky", flaky, retry=Retry(backoff=1, jitter=0), max_concurrency=1),
        Collector("batch", batch, batch=Batch(size=3, wait=1)),
    ]
    async with CollectorQueue(collectors, Choosing, max_consumers=2) as queue:
        events = [await queue.publisher.send(n, ordering_key=n % 2) for n in range(4)]
        await queue.publisher.wait()
        assert {event.outcome for event in events} == {Outcome.OK}
        assert_closes(queue)
    assert sorted(value for values in seen for value in values) == [0, 1, 2, 3]


@virtual
async def test_without_a_queue_it_runs_as_it_is() -> None:
    assert await Collector("c", Clocked()).process(Payload(3)) == Ok(3)


# -- calls that come too late ----------------------------------------------------------


class Tenant:
    """A collector that may run in its lifecycle only, which it notes."""

    def __init__(self, **options: Any) -> None:
        self.gate = Gate()
        self.is_there = False
        self.ran: list[bool] = []
        self.collector = Collector("tenant", self.run, lifecycle=self.lifecycle, **options)

    @asynccontextmanager
    async def lifecycle(self, ctx: Context) -> AsyncIterator[None]:
        self.is_there = True
        yield
        self.is_there = False

    async def run(self, payload: Payload[Any]) -> None:
        self.ran.append(self.is_there)
        if payload.value == "fails":
            raise ValueError
        await self.gate(payload)


class Chosen(Router):
    """Keeps the collector it has chosen, and calls it when it is let."""

    gate = Gate()

    async def handle_event(self, payload: Payload[Any]) -> ResultList:
        collector = self.collectors["tenant"]
        await self.gate(payload)
        return ResultList([await collector.process(payload)])


@virtual
async def test_one_that_is_removed_before_it_is_called_does_not_run() -> None:
    tenant = Tenant(max_concurrency=1)
    Chosen.gate.shut()
    async with CollectorQueue([tenant.collector], Chosen, max_consumers=2) as queue:
        events = [await queue.publisher.send(n) for n in range(2)]
        await ticks(5)
        await queue.remove_collector("tenant")
        Chosen.gate.open()
        for event in events:
            assert isinstance((await event).first().err, UnknownKey)
    assert tenant.ran == []


@pytest.mark.parametrize("how", ["batch", "limit", "rate"])
@virtual
async def test_nor_one_that_is_removed_while_the_call_waits_for_a_limit(how: str) -> None:
    options: dict[str, Any] = {
        "batch": {"max_concurrency": 1, "batch": Batch(3)},
        "limit": {"max_concurrency": 1},
        "rate": {"rate_limit": RateLimit(1, burst=1)},
    }[how]
    tenant = Tenant()
    tenant.collector = Collector(
        "tenant",
        (lambda payloads: tenant.run(payloads[0])) if how == "batch" else tenant.run,
        lifecycle=tenant.lifecycle,
        **options,
    )
    async with CollectorQueue([tenant.collector], Alone, max_consumers=3) as queue:
        events = [await queue.publisher.send(n) for n in range(3)]
        await ticks(5)
        assert tenant.ran == [True]
        removing = asyncio.create_task(queue.remove_collector("tenant"))
        await ticks(5)
        tenant.gate.open()
        await removing
        assert (await events[0]).first().ok()
        for event in events[1:]:
            assert isinstance((await event).first().err, UnknownKey)
    assert tenant.ran == [True]


@virtual
async def test_one_that_is_removed_is_not_tried_again() -> None:
    tenant = Tenant(retry=Retry(backoff=5, jitter=0))
    async with CollectorQueue([tenant.collector], Alone) as queue:
        event = await queue.publisher.send("fails")
        await ticks(5)
        await queue.remove_collector("tenant")
        error = (await event).first()
        assert isinstance(error, Error)
        assert error.attempts == 2
        assert isinstance(error.err, UnknownKey)
    assert tenant.ran == [True]


class Straying(Router):
    """Calls in tasks that nobody waits for."""

    strays: list[asyncio.Task[Any]]

    async def handle_event(self, payload: Payload[Any]) -> ResultList:
        self.strays += [
            asyncio.create_task(each.process(payload)) for each in self.collectors.values()
        ]
        return ResultList([Ok(None)])


@pytest.mark.parametrize("again", [False, True])
@virtual
async def test_calls_that_nobody_waits_for_end_with_their_queue(again: bool) -> None:
    Straying.strays = strays = []
    tenant = Tenant(max_concurrency=1)
    failing = Collector("failing", Flaky(9), retry=Retry(backoff=5, jitter=0))
    queue = CollectorQueue([tenant.collector, failing], Straying)
    await queue.start()
    for value in range(2):
        await queue.publisher.request(value)
    await ticks(5)
    await queue.close()
    if again:
        await queue.start()
    runs, failed, waits, _ = strays
    await asyncio.wait([waits])
    assert waits.cancelled()
    tenant.gate.open()
    assert (await runs).ok()
    if not again:
        assert isinstance((await failed).err, QueueClosed)
        assert failed.result().attempts == 2
    await asyncio.wait(strays)
    await queue.close()
    assert tenant.ran == [True]


@both_loops
async def test_a_call_to_a_worker_ends_with_its_queue() -> None:
    Straying.strays = strays = []
    collector = Collector("sleeps", handlers.sleeps, runs_in="process")
    async with CollectorQueue([collector], Straying, workers=1, drain_timeout=0) as queue:
        await queue.publisher.request(1)
        await ticks(5)
    async with asyncio.timeout(30):
        result = await strays[0]
    assert isinstance(result, Error)


# -- calls by hand --------------------------------------------------------------------


@pytest.mark.parametrize("is_gone", [False, True])
@pytest.mark.parametrize(
    "options",
    [{}, {"max_concurrency": 1}, {"rate_limit": RateLimit(1, burst=1)}, {"batch": Batch(3)}],
)
@virtual
async def test_when_its_queue_is_closed_it_runs_as_it_is(
    options: dict[str, Any], is_gone: bool
) -> None:
    async def adds(given: Any) -> Any:
        await asyncio.sleep(0.1)
        return [item.value + 1 for item in given] if "batch" in options else given.value + 1

    collector = Collector("adds", adds, **options)
    queue = CollectorQueue([collector])
    async with queue:
        assert (await queue.publisher.request(1)).first() == Ok(2)
    if is_gone:
        del queue
        gc.collect()
    calls = [collector.process(Payload(value)) for value in range(3)]
    begun = asyncio.get_running_loop().time()
    assert await asyncio.gather(*calls) == [Ok(1), Ok(2), Ok(3)]
    assert asyncio.get_running_loop().time() - begun < 0.2


@pytest.mark.parametrize("runs_in", ["thread", "process"])
@both_loops
async def test_but_not_in_threads_or_processes(runs_in: Any) -> None:
    collector = Collector("wrong", handlers.wrong, runs_in=runs_in)
    async with CollectorQueue([collector], workers=1) as queue:
        assert isinstance(await collector.process(Payload(1)), Error)
        await queue.publisher.request(1)
    with pytest.raises(QueueNotStarted):
        await collector.process(Payload(1))


@virtual
async def test_of_several_queues_one_that_runs_counts() -> None:
    gate = Gate()
    shared = Collector("shared", gate, max_concurrency=1)
    one, other = CollectorQueue([shared]), CollectorQueue([shared])
    async with one:
        async with other:
            await other.remove_collector("shared")
        calls = [asyncio.create_task(shared.process(Payload(n))) for n in range(3)]
        await ticks(5)
        assert gate.started == [0]
        gate.open()
        assert await asyncio.gather(*calls) == [Ok(0), Ok(1), Ok(2)]


# -- calls that go on though their queue is over, or gone --------------------------------


@virtual
async def test_a_router_that_was_given_up_runs_nothing_any_more() -> None:
    tenant = Tenant()
    results: list[Any] = []

    class Stubborn(Router):
        async def handle_event(self, payload: Payload[Any]) -> ResultList:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                await asyncio.sleep(10)
            results.append(await tenant.collector.process(payload))
            return ResultList(results)

    queue = CollectorQueue([tenant.collector], Stubborn)
    await queue.start()
    await queue.publisher.send(1)
    await ticks(5)
    report = await queue.close(timeout=0)
    assert len(report.abandoned) == 1
    await asyncio.sleep(20)
    assert isinstance(results[0].err, QueueClosed)
    assert tenant.ran == []


@pytest.mark.parametrize("is_batched", [False, True])
@virtual
async def test_a_limit_is_kept_over_a_restart(is_batched: bool) -> None:
    gate = Gate()
    collector = Collector(
        "c",
        (lambda payloads: gate(payloads[0])) if is_batched else gate,
        max_concurrency=1,
        batch=Batch(1) if is_batched else None,
    )
    queue = CollectorQueue([collector])
    async with queue:
        call = asyncio.create_task(collector.process(Payload("of before")))
        await ticks(5)
    async with queue:
        events = [await queue.publisher.send(n) for n in range(2)]
        await ticks(9)
        assert gate.started == ["of before"]
        gate.open()
        await call
        await queue.publisher.wait()
        assert gate.started == ["of before", 0, 1]
        assert {event.outcome for event in events} == {Outcome.OK}


def dropped(queue: list[CollectorQueue]) -> None:
    """The only reference to a queue is given up, and what it was is gone: asyncio tells of
    consumers whose tasks were destroyed, and nobody may keep what it tells."""
    queue.clear()
    gc.collect()


@pytest.mark.parametrize("is_batched", [False, True])
def test_calls_at_a_limit_end_when_their_queue_is_gone(is_batched: bool) -> None:
    gate = Gate()

    async def main() -> None:
        collector = Collector(
            "c",
            (lambda payloads: gate(payloads[0])) if is_batched else gate,
            max_concurrency=1,
            batch=Batch(1) if is_batched else None,
        )
        queue = [CollectorQueue([collector])]
        await queue[0].start()
        calls = [asyncio.create_task(collector.process(Payload(n))) for n in range(3)]
        await ticks(5)
        dropped(queue)
        gate.open()
        await asyncio.wait(calls)
        assert calls[0].result().ok()
        assert all(call.cancelled() for call in calls[1:])

    asyncio.run(main())


def test_a_call_that_is_let_in_as_its_queue_goes_is_not_made() -> None:
    """It has passed the gate of events, and comes to that of batches."""
    ran: list[int] = []

    async def main() -> None:
        collector = Collector(
            "c", lambda payloads: ran.append(1), max_concurrency=1, batch=Batch(3)
        )
        queue = [CollectorQueue([collector])]
        await queue[0].start()
        collector.rate_limit = RateLimit(5, burst=1)
        assert await collector.process(Payload(0))
        call = asyncio.create_task(collector.process(Payload(1)))
        await ticks(5)
        loop = asyncio.get_running_loop()
        # In one turn: the rate lets it in, and then the queue goes.
        loop.call_soon(time.sleep, 0.25)
        loop.call_later(0.22, dropped, queue)
        assert isinstance((await call).err, QueueClosed)

    asyncio.run(main())
    assert ran == [1]


@virtual
async def test_calls_at_a_limit_keep_no_batch_from_being_handed_over() -> None:
    gate, seen = Gate(), []
    limited = Collector("limited", gate, max_concurrency=1)
    batch = Collector("batch", seen.extend, batch=Batch(100, wait=60))
    queue = CollectorQueue([limited, batch])
    await queue.start()
    calls = [asyncio.create_task(limited.process(Payload(n))) for n in range(2)]
    await ticks(5)
    event = await queue.publisher.send(1, keys="batch")
    report = await queue.close(timeout=5)
    assert event.outcome is Outcome.OK
    assert report.seconds == 0
    gate.open()
    await asyncio.wait(calls)


# -- what they may answer ---------------------------------------------------------------


@pytest.mark.parametrize("key", [["unhashable"], 7, None])
@both_loops
async def test_strange_keys_cost_their_own_event_only(key: Any) -> None:
    class Strange(Router):
        async def handle_event(self, payload: Payload[Any]) -> ResultList:
            return ResultList([Error(ValueError())], [key])

    letters: list[Any] = []
    queue = CollectorQueue(
        [Collector("c", str)], Strange, max_consumers=1, dead_letter=letters.append
    )
    async with queue:
        for value in range(9):
            event = await queue.publisher.send(value)
            await event
            assert event.outcome is Outcome.FAILED
        assert len(letters) == 9


@pytest.mark.parametrize("limit", ["max_concurrency", "rate_limit"])
@virtual
async def test_calls_that_are_not_wanted_any_more_wait_nowhere(limit: str) -> None:
    limits: dict[str, Any] = (
        {limit: 1} if limit == "max_concurrency" else {limit: RateLimit(1, per=1e6)}
    )
    gate = Gate()
    collector = Collector("c", gate, **limits)
    async with CollectorQueue([collector]):
        first = asyncio.create_task(collector.process(Payload(0)))
        await ticks(3)
        blocks = 0
        for number in range(2100):
            if number == 100:
                blocks = sys.getallocatedblocks()
            call = asyncio.create_task(collector.process(Payload(number)))
            await ticks(2)
            call.cancel()
            await asyncio.wait([call])
        assert sys.getallocatedblocks() - blocks < 2000  # some are swept together
        if limit == "max_concurrency":  # the next one's turn comes
            call = asyncio.create_task(collector.process(Payload("next")))
            await ticks(2)
            gate.open()
            assert await call == Ok("next")
        gate.open()
        await first
