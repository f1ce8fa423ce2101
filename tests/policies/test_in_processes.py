"""The policies of collectors that run in worker processes."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from collectorqueue import (
    Batch,
    Collector,
    CollectorQueue,
    DeadLetter,
    Error,
    Ok,
    Outcome,
    RateLimit,
    Retry,
)
from collectorqueue.errors import ConfigError, NotEncodable, RunTimeout, WorkerLost
from tests.policies import handlers
from tests.support import Log, assert_closes, both_loops

QUICK = Retry(attempts=4, backoff=0.001)


def processed(processor: Any, **options: Any) -> Collector:
    return Collector(processor.__name__, processor, runs_in="process", **options)


def queue_of(*collectors: Collector, **options: Any) -> CollectorQueue:
    return CollectorQueue(collectors, workers=1, **options)


@both_loops
async def test_what_fails_in_a_worker_is_tried_again() -> None:
    async with queue_of(processed(handlers.flaky, retry=QUICK), Collector("l", Log())) as queue:
        assert await (await queue.publisher.send("single", keys="flaky")) == [Ok("single")]
        both = await queue.publisher.send("part")
        assert await both == [Ok("part"), Ok("part")]
        assert queue.metrics.policies.retries == 4
        assert_closes(queue)


@both_loops
async def test_exceptions_are_matched_in_the_worker() -> None:
    letters: list[DeadLetter] = []
    collectors = [
        processed(handlers.wrong, retry=Retry(backoff=0.001, on=(LookupError,))),
        processed(handlers.flaky, retry=Retry(backoff=0.001, never=(OSError,))),
    ]
    async with queue_of(*collectors, dead_letter=letters.append) as queue:
        first = (await queue.publisher.request(7, keys="wrong")).first()
        second = (await queue.publisher.request(7, keys="flaky")).first()
        assert isinstance(first, Error) and isinstance(second, Error)
        assert (first.attempts, second.attempts) == (3, 1)
        assert "KeyError" in first.traceback
    assert [(letter.collector, letter.attempts) for letter in letters] == [
        ("wrong", 3), ("flaky", 1),
    ]  # fmt: skip


@both_loops
async def test_a_lost_worker_and_a_timeout_are_tried_again(tmp_path: Path) -> None:
    collectors = [
        processed(handlers.die_once, retry=QUICK),
        processed(handlers.slow_once, retry=QUICK, timeout=0.3),
    ]
    async with queue_of(*collectors) as queue:
        died = await queue.publisher.request(str(tmp_path / "died"), keys="die_once")
        assert died == [Ok("alive")]
        slow = await queue.publisher.request(str(tmp_path / "slow"), keys="slow_once")
        assert slow == [Ok("quick")]
        assert queue.metrics.policies.retries == 2


@both_loops
async def test_batches_go_to_workers() -> None:
    collector = processed(handlers.batch, batch=Batch(size=3, wait=0.05))
    async with queue_of(collector) as queue:
        events = [await queue.publisher.send(n, keys="batch") for n in range(4)]
        results = [(await event).first().value for event in events]
        assert results[:3] == [[n, 3, "size", ["batch"]] for n in range(3)]
        assert results[3] == [3, 1, "wait", ["batch"]]
        stats = queue.collector_stats()["batch"]
        assert (stats.received, stats.ok, stats.running) == (4, 4, 0)
        assert_closes(queue)


@both_loops
async def test_one_of_a_batch_fails_alone() -> None:
    collector = processed(handlers.batch, batch=Batch(size=4, wait=0.05))
    async with queue_of(collector) as queue:
        sent = ["good", "error", "unencodable", object()]
        events = [await queue.publisher.send(value) for value in sent]
        results = [(await event).first() for event in events]
        assert results[0] == Ok(["good", 3, "size", []])
        assert all(isinstance(result, Error) for result in results[1:])
        texts = [str(result.err) for result in results[1:]]  # type: ignore[union-attr]
        assert texts[0] == "ValueError: item"
        assert "an object" in texts[1] or "object cannot be encoded" in texts[1]
        assert isinstance(results[3].err, NotEncodable)  # type: ignore[union-attr]
        assert_closes(queue)


@both_loops
async def test_async_batches_typed_batches_and_batches_that_raise() -> None:
    collectors = [
        processed(handlers.batch_async, batch=Batch(size=3)),
        processed(handlers.batch_raises, batch=Batch(size=2)),
        processed(handlers.batch_orders, batch=Batch(size=3), payload_type=handlers.Order),
    ]
    async with queue_of(*collectors) as queue:
        events = [await queue.publisher.send(n, keys="batch_async") for n in range(3)]
        assert [(await event).first() for event in events] == [Ok(3), Ok(4), Ok(5)]
        events = [await queue.publisher.send(n, keys="batch_raises") for n in range(2)]
        for event in events:
            assert "batch of 2" in str((await event).first().err)  # type: ignore[union-attr]
        sent = [{"id": 1}, {"id": "x"}, handlers.Order(3)]
        events = [await queue.publisher.send(value, keys="batch_orders") for value in sent]
        results = [(await event).first() for event in events]
        assert (results[0], results[2]) == (Ok(1), Ok(3))
        assert "$.id" in str(results[1].err)  # type: ignore[union-attr]


@both_loops
async def test_a_batch_in_a_worker_is_tried_again_one_by_one() -> None:
    collector = processed(
        handlers.batch_poison, batch=Batch(size=5), retry=Retry(attempts=2, backoff=0.001)
    )
    async with queue_of(collector, max_consumers=1) as queue:
        events = [await queue.publisher.send(n) for n in range(5)]
        await queue.publisher.wait()
        outcomes = [event.outcome is Outcome.OK for event in events]
        assert outcomes == [True, True, True, False, True]
        assert (await events[3]).first().attempts == 2  # type: ignore[union-attr]
        assert_closes(queue)


@both_loops
async def test_a_lost_worker_costs_the_batch_it_ran() -> None:
    collectors = [processed(handlers.batch_dies, batch=Batch(size=2)), Collector("l", Log())]
    async with queue_of(*collectors) as queue:
        events = [await queue.publisher.send(n) for n in range(2)]
        for number, event in enumerate(events):
            results = await event
            assert isinstance(results["batch_dies"].err, WorkerLost)  # type: ignore[union-attr]
            assert results["l"] == Ok(number)
        assert_closes(queue)


@both_loops
async def test_an_item_can_be_cancelled_while_a_worker_has_its_batch() -> None:
    collector = processed(handlers.batch_async, batch=Batch(size=50, wait=0.02))
    async with queue_of(collector) as queue:
        events = [await queue.publisher.send(n) for n in range(10)]
        events[0].cancel()
        while queue.ledger.in_flight == 0 and not events[1].is_done():
            await asyncio.sleep(0)
        events[1].cancel()
        await queue.publisher.wait()
        assert events[0].outcome is Outcome.ABORTED
        assert {event.outcome for event in events[2:]} == {Outcome.OK}
        assert_closes(queue)


@both_loops
async def test_keys_keep_their_order_across_workers(tmp_path: Path) -> None:
    queue = CollectorQueue(
        [processed(handlers.watch, retry=Retry(attempts=1))], workers=2, max_consumers=8
    )
    async with queue:
        events = []
        for number in range(200):
            key = f"k{number % 7}"
            value = (key, number, str(tmp_path))
            events.append(await queue.publisher.send(value, ordering_key=key))
        await queue.publisher.wait()
        assert {event.outcome for event in events} == {Outcome.OK}
    for key in range(7):
        numbers = [int(line) for line in (tmp_path / f"k{key}").read_text().split()]
        assert numbers == list(range(key, 200, 7))


@both_loops
async def test_a_rate_limit_is_for_all_workers() -> None:
    collector = processed(handlers.wrong, rate_limit=RateLimit(200, burst=1))
    loop = asyncio.get_running_loop()
    async with queue_of(collector, Collector("l", Log())) as queue:
        begun = loop.time()
        for number in range(11):
            await queue.publisher.send(number, keys="wrong")
        for number in range(10):
            await queue.publisher.send(number)
        await queue.publisher.wait()
        assert loop.time() - begun >= 0.099
        assert_closes(queue)


@both_loops
async def test_the_timeout_of_a_batch_in_a_worker() -> None:
    collector = processed(handlers.batch_sleeps, batch=Batch(size=2), timeout=0.2)
    async with queue_of(collector) as queue:
        events = [await queue.publisher.send(n) for n in range(2)]
        for event in events:
            assert isinstance((await event).first().err, RunTimeout)  # type: ignore[union-attr]


@both_loops
async def test_what_is_refused() -> None:
    class Local(Exception):
        pass

    collector = processed(handlers.wrong, retry=Retry(on=(Local,)))
    with pytest.raises(ConfigError, match=r"retry .* cannot be found by a worker"):
        await queue_of(collector).start()
    with pytest.raises(ConfigError, match="idempotent works for single events"):
        processed(handlers.batch, batch=Batch(), idempotent=True)
