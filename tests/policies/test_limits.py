"""max_concurrency and RateLimit: a full collector waits, and blocks nobody else."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from collectorqueue import (
    Collector,
    CollectorQueue,
    Ok,
    Outcome,
    Payload,
    RateLimit,
    Retry,
)
from collectorqueue.errors import ConfigError
from tests.policies.support import Clocked, Flaky
from tests.support import Gate, assert_closes, both_loops, ticks, until, virtual


@virtual
async def test_no_more_run_at_once_and_in_order() -> None:
    clocked = Clocked(1)
    collector = Collector("limited", clocked, max_concurrency=3)
    async with CollectorQueue([collector], max_consumers=20, min_consumers=20) as queue:
        events = [await queue.publisher.send(n) for n in range(10)]
        await queue.publisher.wait()
        assert [await event for event in events] == [[Ok(n)] for n in range(10)]
        assert_closes(queue)
    assert clocked.most == 3
    assert clocked.begun == [(n // 3, n) for n in range(10)]


@virtual
async def test_it_blocks_no_consumer_that_could_serve_others() -> None:
    gate, clocked = Gate(), Clocked()
    collectors = [Collector("full", gate, max_concurrency=1), Collector("free", clocked)]
    async with CollectorQueue(collectors, max_consumers=2) as queue:
        for number in range(10):
            await queue.publisher.send(number, keys="full")
        free = [await queue.publisher.send(n, keys="free") for n in range(10)]
        for event in free:
            await event
        assert gate.started == [0]
        assert queue.load.busy == 1
        gate.open()
        await queue.publisher.wait()
        assert gate.started == list(range(10))


@virtual
async def test_a_part_at_its_limit_does_not_hold_the_others() -> None:
    gate, clocked = Gate(), Clocked()
    collectors = [Collector("full", gate, max_concurrency=1), Collector("free", clocked)]
    async with CollectorQueue(collectors, max_consumers=2) as queue:
        events = [await queue.publisher.send(n) for n in range(6)]
        await ticks(50)
        assert sorted(clocked.values) == list(range(6))
        assert gate.started == [0]
        assert (queue.ledger.queued, queue.ledger.in_flight) == (5, 1)
        gate.open()
        assert [await event for event in events] == [[Ok(n), Ok(n)] for n in range(6)]
        assert_closes(queue)


@virtual
async def test_what_waits_can_be_cancelled_and_expires() -> None:
    gate = Gate()
    collector = Collector("full", gate, max_concurrency=1)
    async with CollectorQueue([collector], max_consumers=4) as queue:
        await queue.publisher.send("runs")
        cancelled = await queue.publisher.send("cancelled")
        expired = await queue.publisher.send("expired", ttl=1)
        last = await queue.publisher.send("last")
        await ticks(10)
        assert queue.ledger.queued == 3
        assert cancelled.cancel()
        await expired
        assert (cancelled.outcome, expired.outcome) == (Outcome.ABORTED, Outcome.DROPPED)
        gate.open()
        await last
        assert gate.started == ["runs", "last"]
        assert_closes(queue)


@virtual
async def test_one_that_was_let_in_and_is_cancelled_gives_its_place_on() -> None:
    gate = Gate()
    collector = Collector("full", gate, max_concurrency=1)
    other = Gate()
    async with CollectorQueue(
        [collector, Collector("other", other)], max_consumers=2, min_consumers=2
    ) as queue:
        first = await queue.publisher.send(1, keys="full")
        waits = [await queue.publisher.send(n, keys="full") for n in (2, 3)]
        await until(lambda: gate.started == [1])
        await ticks(5)
        for number in range(2):
            await queue.publisher.send(number, keys="other")
        await until(lambda: len(other.started) == 1)
        first.cancel()
        waits[0].cancel()
        gate.open()
        other.open()
        await waits[1]
        assert gate.started == [1, 3]


@pytest.mark.parametrize("queue_type", ["lifo", "priority"])
@virtual
async def test_those_that_wait_keep_the_order_of_the_queue(queue_type: str) -> None:
    gate = Gate()
    queue = CollectorQueue(
        [Collector("full", gate, max_concurrency=1)], queue_type=queue_type, max_consumers=3
    )
    async with queue:
        await queue.publisher.send("first")
        await until(lambda: gate.started == ["first"])
        for number in range(5):
            await queue.publisher.send(number, priority=10 - number)
        await ticks(20)
        gate.open()
        await queue.publisher.wait()
    assert gate.started == ["first", 4, 3, 2, 1, 0]


@virtual
async def test_a_rate_limit_spaces_the_runs() -> None:
    clocked = Clocked()
    collector = Collector("limited", clocked, rate_limit=RateLimit(10, burst=1))
    async with CollectorQueue([collector], max_consumers=8) as queue:
        for number in range(21):
            await queue.publisher.send(number)
        await queue.publisher.wait()
        assert_closes(queue)
    assert clocked.values == list(range(21))
    assert clocked.times == [pytest.approx(n / 10, abs=1e-3) for n in range(21)]


@virtual
async def test_a_burst_may_begin_at_once_after_a_rest() -> None:
    clocked = Clocked()
    collector = Collector("limited", clocked, rate_limit=RateLimit(5, per=10, burst=3))
    async with CollectorQueue([collector]) as queue:
        for number in range(5):
            await queue.publisher.send(number)
        await queue.publisher.wait()
        await asyncio.sleep(100)
        for number in range(4):
            await queue.publisher.send(number)
        await queue.publisher.wait()
    starts = [round(time, 2) for time in clocked.times]
    assert starts == [0, 0, 0, 2, 4, 104, 104, 104, 106]


@virtual
async def test_without_a_burst_given_the_bucket_holds_the_rate() -> None:
    clocked = Clocked()
    collector = Collector("limited", clocked, rate_limit=RateLimit(4))
    async with CollectorQueue([collector]) as queue:
        for number in range(8):
            await queue.publisher.send(number)
        await queue.publisher.wait()
    assert clocked.times == [0, 0, 0, 0] + [
        pytest.approx(n / 4, abs=1e-3) for n in range(1, 5)
    ]


@virtual
async def test_limits_can_be_changed_live() -> None:
    clocked, gate = Clocked(), Gate()
    rated = Collector("rated", clocked, rate_limit=RateLimit(1, per=1000, burst=1))
    full = Collector("full", gate)
    async with CollectorQueue([rated, full], max_consumers=20) as queue:
        for number in range(3):
            await queue.publisher.send(number, keys="rated")
        await asyncio.sleep(1)
        assert clocked.values == [0]
        rated.rate_limit = RateLimit(1, burst=1)
        await asyncio.sleep(2.5)
        assert clocked.values == [0, 1, 2]
        rated.rate_limit = None
        for number in range(3, 6):
            await queue.publisher.send(number, keys="rated")
        await ticks(10)
        assert len(clocked.values) == 6
        full.max_concurrency = 2
        for number in range(6):
            await queue.publisher.send(number, keys="full")
        await ticks(20)
        assert gate.started == [0, 1]
        full.max_concurrency = 4
        await ticks(20)
        assert gate.started == [0, 1, 2, 3]
        full.max_concurrency = None
        await ticks(20)
        assert gate.started == [0, 1, 2, 3, 4, 5]
        gate.open()


@virtual
async def test_retries_count_against_the_rate() -> None:
    flaky = Flaky(1)
    collector = Collector(
        "flaky", flaky, rate_limit=RateLimit(1, burst=1), retry=Retry(backoff=0)
    )
    async with CollectorQueue([collector]) as queue:
        await queue.publisher.send("a")
        await queue.publisher.wait()
    assert flaky.times == [0, pytest.approx(1, abs=1e-3)]


@virtual
async def test_what_waits_to_be_tried_again_leaves_its_place_to_others() -> None:
    flaky = Flaky(1)
    collector = Collector(
        "flaky", flaky, max_concurrency=1, retry=Retry(backoff=10, jitter=0)
    )
    async with CollectorQueue([collector], drain_timeout=None) as queue:
        await queue.publisher.send("a")
        await queue.publisher.send("b")
    assert list(zip(flaky.times, flaky.calls, strict=True)) == [
        (0, "a"), (0, "b"), (10, "a"), (10, "b"),
    ]  # fmt: skip


@both_loops
async def test_threads_have_a_limit_too() -> None:
    import threading

    running, most = 0, 0
    lock = threading.Lock()
    begun = threading.Event()

    def handle(payload: Payload[int]) -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        begun.wait(0.002)
        with lock:
            running -= 1

    collector = Collector("handle", handle, runs_in="thread", max_concurrency=2)
    async with CollectorQueue([collector], min_consumers=8) as queue:
        for number in range(30):
            await queue.publisher.send(number)
        await queue.publisher.wait()
    assert most == 2


@pytest.mark.parametrize(
    ("make", "kind", "text"),
    [
        (lambda: RateLimit(0), ConfigError, "rate must be between 1e-09 and 1e.09, got 0"),
        (lambda: RateLimit("1"), TypeError, "rate must be a number, got '1'"),
        (lambda: RateLimit(1, per=0), ConfigError, "per must be more than 0 seconds"),
        (lambda: RateLimit(1, burst=0), ConfigError, "burst must be between 1 and"),
        (lambda: Collector("a", Clocked(), max_concurrency=0), ConfigError, "max_concurrency"),
        (lambda: Collector("a", Clocked(), rate_limit=5), TypeError, "a RateLimit, got 5"),
    ],
)
def test_bad_limits_are_refused(make: Any, kind: type[Exception], text: str) -> None:
    with pytest.raises(kind, match=text):
        make()


@pytest.mark.parametrize("name", ["max_concurrency", "rate_limit"])
@virtual
async def test_a_limit_taken_away_between_two_runs_is_gone(name: str) -> None:
    gate = Gate()
    limit = {"max_concurrency": 1, "rate_limit": RateLimit(0.01, burst=1)}[name]
    collector = Collector("gate", gate, **{name: limit})
    queue = CollectorQueue([collector], drain_timeout=0)
    async with queue:
        await queue.publisher.send_many(range(3))
        await until(lambda: gate.started == [0])
    setattr(collector, name, None)
    async with queue:
        await queue.publisher.send_many(range(3))
        await until(lambda: gate.started == [0, 0, 1, 2])
        # One that is set now holds what comes from now on.
        setattr(collector, name, limit)
        waiting = await queue.publisher.send(3)
        gate.open()
        if name == "max_concurrency":
            await waiting
        waiting.cancel()
        await queue.publisher.wait()
    assert_closes(queue)
