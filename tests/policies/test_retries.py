"""Retries: what fails is run again, later, and holds nothing while it waits."""

from __future__ import annotations

import asyncio
import contextvars
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
    Retry,
)
from collectorqueue.errors import ConfigError, RunTimeout
from tests.policies.support import Clocked, Flaky
from tests.support import Gate, assert_closes, both_loops, ticks, until, virtual


@virtual
async def test_it_is_run_again_after_growing_waits() -> None:
    flaky = Flaky(4)
    retry = Retry(attempts=5, backoff=1, factor=3, max_backoff=10, jitter=0)
    async with CollectorQueue([Collector("flaky", flaky, retry=retry)]) as queue:
        event = await queue.publisher.send(7)
        assert await event == [Ok(7)]
        assert queue.metrics.policies.retries == 4
        assert event.service_time() == pytest.approx(23e9, rel=1e-3)
        assert_closes(queue)
    assert flaky.times == [0, 1, 4, 13, 23]


@virtual
async def test_jitter_stays_within_its_share() -> None:
    flaky = Flaky(1)
    retry = Retry(attempts=2, backoff=10, jitter=0.5)
    async with CollectorQueue([Collector("flaky", flaky, retry=retry)]) as queue:
        for number in range(300):
            await queue.publisher.send(number)
        await queue.publisher.wait()
    waits = [time for time in flaky.times if time > 1]
    assert len(waits) == 300
    assert 5 <= min(waits) < 6
    assert 14 < max(waits) <= 15.001


@virtual
async def test_a_consumer_is_free_for_others_meanwhile() -> None:
    flaky, clocked = Flaky(3), Clocked()
    collectors = [
        Collector("a", flaky, retry=Retry(attempts=4, backoff=10, factor=1, jitter=0)),
        Collector("b", clocked),
    ]
    async with CollectorQueue(collectors, max_consumers=1) as queue:
        first = await queue.publisher.send("A", keys="a")
        others = [await queue.publisher.send(n, keys="b") for n in range(100)]
        for event in others:
            await event
        assert max(clocked.times) == 0
        assert (queue.ledger.queued, queue.ledger.in_flight) == (1, 0)
        assert await first == [Ok("A")]
    assert flaky.times == [0, 10, 20, 30]


@virtual
async def test_the_sender_sees_the_last_failure_and_how_often_it_was_tried() -> None:
    flaky = Flaky(9)
    collector = Collector("flaky", flaky, retry=Retry(attempts=3, backoff=1))
    async with CollectorQueue([collector]) as queue:
        event = await queue.publisher.send(7)
        (error,) = await event
        assert isinstance(error, Error)
        assert isinstance(error.err, ValueError)
        assert error.attempts == 3
        assert "7 failed" in error.traceback
        assert event.outcome is Outcome.FAILED
        stats = queue.collector_stats()["flaky"]
        assert (stats.received, stats.failed, stats.running) == (3, 3, 0)
        assert queue.ledger.failed == 1
    assert len(flaky.calls) == 3


@pytest.mark.parametrize(
    ("retry", "error", "calls"),
    [
        (Retry(backoff=0, on=(OSError,)), ValueError, 1),
        (Retry(backoff=0, on=(OSError,)), ConnectionError, 3),
        (Retry(backoff=0, never=(ConnectionError,)), ConnectionError, 1),
        (Retry(backoff=0, on=OSError), OSError, 3),
        (Retry(backoff=0), SystemExit, 1),
        (Retry(backoff=0, on=(SystemExit,)), SystemExit, 3),
        (Retry(attempts=1), ValueError, 1),
    ],
)
@virtual
async def test_which_exceptions_are_tried_again(
    retry: Retry, error: type[BaseException], calls: int
) -> None:
    flaky = Flaky(9, error)
    async with CollectorQueue([Collector("flaky", flaky, retry=retry)]) as queue:
        await (await queue.publisher.send(7))
    assert len(flaky.calls) == calls


@virtual
async def test_a_returned_error_is_tried_again_if_it_carries_an_exception() -> None:
    calls = {"text": 0, "exception": 0, "class": 0}

    async def refuse(payload: Payload[str]) -> Error:
        calls[payload.value] += 1
        carried: dict[str, Any] = {
            "text": "no", "exception": ValueError("no"), "class": ValueError
        }  # fmt: skip
        return Error(carried[payload.value])

    collector = Collector("refuse", refuse, retry=Retry(backoff=0))
    async with CollectorQueue([collector]) as queue:
        for kind in calls:
            await (await queue.publisher.send(kind))
    assert calls == {"text": 1, "exception": 3, "class": 3}


@virtual
async def test_each_attempt_has_fresh_context_variables() -> None:
    variable: contextvars.ContextVar[int] = contextvars.ContextVar("variable", default=0)
    seen = []

    async def handle(payload: Payload[int]) -> None:
        seen.append(variable.get())
        variable.set(variable.get() + 1)
        raise ValueError

    collector = Collector("handle", handle, retry=Retry(backoff=0))
    async with CollectorQueue([collector]) as queue:
        await (await queue.publisher.send(1))
        variable.set(10)
        await queue.publisher.request(1)
    assert seen == [0, 0, 0, 10, 10, 10]


@virtual
async def test_only_the_collector_that_failed_is_run_again() -> None:
    flaky, clocked = Flaky(2), Clocked()
    collectors = [
        Collector("steady", clocked),
        Collector("flaky", flaky, retry=Retry(backoff=5, factor=1, jitter=0)),
        Collector("last", Clocked()),
    ]
    async with CollectorQueue(collectors, max_consumers=1) as queue:
        event = await queue.publisher.send(7)
        await asyncio.sleep(1)
        assert (queue.ledger.queued, queue.ledger.in_flight) == (1, 0)
        assert await (await queue.publisher.send("other", keys="steady")) == [Ok("other")]
        assert await event == [Ok(7), Ok(7), Ok(7)]
        assert (await event).keys() == ("steady", "flaky", "last")
        assert queue.ledger.in_flight == 0
        assert_closes(queue)
    assert clocked.values == [7, "other"]
    assert flaky.times == [0, 5, 10]


@virtual
async def test_two_parts_of_one_event_can_wait_and_run_side_by_side() -> None:
    collectors = [
        Collector(f"c{n}", Flaky(2), retry=Retry(backoff=1 + n, factor=1, jitter=0))
        for n in range(3)
    ]
    async with CollectorQueue(collectors, max_consumers=2) as queue:
        events = [await queue.publisher.send(n) for n in range(5)]
        for number, event in enumerate(events):
            assert await event == [Ok(number)] * 3
        assert_closes(queue)
        assert queue.metrics.policies.retries == 30


@virtual
async def test_it_can_be_cancelled_while_it_waits() -> None:
    flaky = Flaky(9)
    collector = Collector("flaky", flaky, retry=Retry(backoff=10))
    async with CollectorQueue([collector]) as queue:
        event = await queue.publisher.send(7)
        await asyncio.sleep(1)
        assert queue.ledger.queued == 1
        assert event.cancel()
        assert event.outcome is Outcome.ABORTED
        assert (queue.ledger.queued, queue.ledger.aborted) == (0, 1)
        await asyncio.sleep(30)
    assert len(flaky.calls) == 1


@virtual
async def test_a_part_that_waits_can_be_cancelled_with_its_event() -> None:
    collectors = [
        Collector("flaky", Flaky(9), retry=Retry(backoff=10)),
        Collector("good", Clocked()),
    ]
    async with CollectorQueue(collectors) as queue:
        event = await queue.publisher.send(7)
        await asyncio.sleep(1)
        assert event.cancel()
        flaky, good = await event
        assert event.outcome is Outcome.ABORTED
        assert isinstance(flaky, Error)
        assert good == Ok(7)
        await asyncio.sleep(30)
        assert_closes(queue)


@virtual
async def test_a_part_that_waits_is_given_up_when_another_is_cancelled() -> None:
    gate = Gate()
    collectors = [
        Collector("flaky", Flaky(9), retry=Retry(backoff=10)),
        Collector("gate", gate),
    ]
    async with CollectorQueue(collectors) as queue:
        event = await queue.publisher.send(7)
        await until(lambda: gate.started == [7])
        await ticks(5)
        assert queue.ledger.in_flight == 1
        assert event.cancel()
        await event
        assert event.outcome is Outcome.ABORTED
        assert_closes(queue)


@virtual
async def test_the_drain_waits_for_retries_before_its_deadline_only() -> None:
    soon, late = Flaky(1), Flaky(1)
    collectors = [
        Collector("soon", soon, retry=Retry(backoff=2, jitter=0)),
        Collector("late", late, retry=Retry(backoff=20, jitter=0)),
    ]
    queue = CollectorQueue(collectors, drain_timeout=5)
    loop = asyncio.get_running_loop()
    async with queue:
        events = [await queue.publisher.send(7, keys=key) for key in ("soon", "late")]
        await asyncio.sleep(1)
        begun = loop.time()
    assert loop.time() - begun == pytest.approx(1, abs=0.01)
    assert [event.outcome for event in events] == [Outcome.OK, Outcome.ABORTED]
    assert queue.drain_report is not None
    assert [each.keys for each in queue.drain_report.aborted] == [("late",)]


@virtual
async def test_what_fails_during_the_drain_is_not_waited_for_too_long() -> None:
    gate = Gate()

    async def handle(payload: Payload[Any]) -> None:
        await gate(payload)
        raise ValueError

    collector = Collector("handle", handle, retry=Retry(backoff=20))
    queue = CollectorQueue([collector, Collector("good", Clocked())], drain_timeout=5)
    async with queue:
        single = await queue.publisher.send(1, keys="handle")
        both = await queue.publisher.send(2)
        await until(lambda: len(gate.started) == 2)
        asyncio.get_running_loop().call_later(1, gate.open)
    assert (single.outcome, both.outcome) == (Outcome.ABORTED, Outcome.ABORTED)
    assert queue.drain_report is not None and queue.drain_report.ledger.closes


@virtual
async def test_a_timeout_is_per_attempt_and_tried_again() -> None:
    calls = 0

    async def slow(payload: Payload[int]) -> str:
        nonlocal calls
        calls += 1
        if calls < 3:
            await asyncio.sleep(60)
        return "done"

    collector = Collector("slow", slow, timeout=2, retry=Retry(backoff=1, factor=1, jitter=0))
    loop = asyncio.get_running_loop()
    async with CollectorQueue([collector], max_consumers=1) as queue:
        begun = loop.time()
        assert await (await queue.publisher.send(1)) == [Ok("done")]
        assert loop.time() - begun == pytest.approx(6, abs=0.01)
        calls = -99
        (error,) = await (await queue.publisher.send(1))
        assert isinstance(error, Error) and isinstance(error.err, RunTimeout)
        assert error.attempts == 3


@both_loops
async def test_threads_are_tried_again_too() -> None:
    calls = []

    def handle(payload: Payload[int]) -> int:
        calls.append(payload.value)
        if len(calls) < 3:
            raise OSError
        return payload.value

    collector = Collector("handle", handle, runs_in="thread", retry=Retry(backoff=0.001))
    async with CollectorQueue([collector]) as queue:
        assert await (await queue.publisher.send(7)) == [Ok(7)]
    assert calls == [7, 7, 7]


@virtual
async def test_a_collector_that_is_removed_meanwhile_is_not_run() -> None:
    flaky = Flaky(9)
    collectors = [
        Collector("flaky", flaky, retry=Retry(backoff=10)),
        Collector("good", Clocked()),
    ]
    async with CollectorQueue(collectors) as queue:
        alone = await queue.publisher.send(1, keys="flaky")
        part = await queue.publisher.send(2)
        await asyncio.sleep(1)
        await queue.remove_collector("flaky")
        await asyncio.sleep(60)
        assert alone.outcome is Outcome.UNROUTED
        assert part.outcome is Outcome.FAILED
        assert "was removed" in str((await part)["flaky"].err)  # type: ignore[union-attr]
        assert_closes(queue)
    assert len(flaky.calls) == 2


@pytest.mark.parametrize(
    ("options", "kind", "text"),
    [
        ({"attempts": 0}, ConfigError, "attempts must be between 1 and 2147483647, got 0"),
        ({"attempts": 2.5}, TypeError, "attempts must be an int, got 2.5"),
        ({"backoff": -1}, ConfigError, "backoff must be between 0 and 1e9 seconds, got -1"),
        ({"factor": 0.5}, ConfigError, "factor must be between 1 and 1000, got 0.5"),
        ({"jitter": 2}, ConfigError, "jitter must be between 0 and 1, got 2"),
        ({"jitter": float("nan")}, ConfigError, "got nan"),
        ({"on": (1,)}, TypeError, "on takes exception classes, got 1"),
        ({"never": "ValueError"}, TypeError, "never takes exception classes"),
    ],
)
def test_bad_rules_are_refused(
    options: dict[str, Any], kind: type[Exception], text: str
) -> None:
    with pytest.raises(kind, match=text):
        Retry(**options)
    with pytest.raises(TypeError, match="retry must be a Retry, got 3"):
        Collector("a", Clocked(), retry=3)  # type: ignore[arg-type]


@virtual
async def test_waits_are_counted_once_and_from_the_first_run() -> None:
    collectors = [
        Collector("flaky", Flaky(9), retry=Retry(backoff=10, factor=1, jitter=0)),
        Collector("limited", Clocked(1), max_concurrency=1),
        Collector("batch", Flaky(9), batch=Batch(1), retry=Retry(backoff=1)),
    ]
    async with CollectorQueue(collectors, max_consumers=4) as queue:
        cancelled = await queue.publisher.send(1, keys="flaky")
        events = [await queue.publisher.send(n, keys="limited") for n in range(3)]
        events.append(await queue.publisher.send(1, keys="batch"))
        await asyncio.sleep(15)
        cancelled.cancel()
        await queue.publisher.wait()
        assert cancelled.wait_time() < 1e6
        assert queue.metrics.wait.count == 5
        assert queue.metrics.service.count == 4
        assert_closes(queue)
