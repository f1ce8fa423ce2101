"""What a full queue drops: the oldest or what comes in, and never without saying so."""

from __future__ import annotations

import asyncio
import gc
import logging
import weakref
from typing import Any

import pytest

from collectorqueue import Collector, CollectorEvent, CollectorQueue, Outcome
from collectorqueue.errors import EventDropped, Unrouted
from tests.support import Gate, assert_closes, both_loops, ticks, until, virtual
from tests.workers import handlers


async def left_of(
    sends: list[tuple[Any, int | None]], **options: Any
) -> tuple[list[Any], list[Any]]:
    """What is collected, in order, and what was dropped, of what a busy queue was sent."""
    gate = Gate()
    options = {"max_consumers": 1, "capacity": 3} | options
    async with CollectorQueue([Collector("gate", gate)], **options) as queue:
        await queue.publisher.send("first")
        await ticks(3)
        events = [
            await queue.publisher.send(value, priority=priority)
            for value, priority in sends
        ]
        dropped = [each.payload.value for each in events if each.is_done()]
        assert queue.ledger.queued == 3
        assert sum(queue.metrics.drops.values()) == queue.ledger.dropped == len(dropped)
        assert_closes(queue)
        gate.open()
        await queue.publisher.wait()
        assert queue.ledger.ok == 1 + len(sends) - len(dropped)
    return gate.started[1:], dropped


PLAIN = [(number, None) for number in range(6)]


@pytest.mark.parametrize(
    ("queue_type", "collected", "dropped"),
    [
        ("fifo", [3, 4, 5], [0, 1, 2]),
        ("lifo", [5, 4, 3], [0, 1, 2]),
        ("priority", [3, 4, 5], [0, 1, 2]),
    ],
)
@both_loops
async def test_the_oldest_is_dropped(
    queue_type: str, collected: list[int], dropped: list[int]
) -> None:
    found = await left_of(PLAIN, queue_type=queue_type, overflow="drop_oldest")
    assert found == (collected, dropped)


@both_loops
async def test_the_least_urgent_is_dropped_and_of_those_the_oldest() -> None:
    sends = [("a", 5), ("b", 9), ("c", 9), ("d", 1), ("e", 5), ("f", 7), ("g", 5)]
    found = await left_of(sends, queue_type="priority", overflow="drop_oldest")
    assert found == (["d", "e", "g"], ["a", "b", "c", "f"])


@pytest.mark.parametrize("queue_type", ["fifo", "lifo", "priority"])
@both_loops
async def test_what_comes_in_is_dropped(queue_type: str) -> None:
    collected, dropped = await left_of(
        PLAIN, queue_type=queue_type, overflow="drop_incoming"
    )
    assert sorted(collected) == [0, 1, 2] and dropped == [3, 4, 5]


@virtual
async def test_a_drop_is_an_outcome_an_error_a_count_and_a_log_line(
    caplog: pytest.LogCaptureFixture,
) -> None:
    happened: list[Any] = []
    gate = Gate()
    for overflow, text in (
        ("drop_oldest",
         "dropped for a newer one: the queue was full, its capacity is 1 events"),
        ("drop_incoming", "the queue was full, its capacity is 1 events"),
    ):
        caplog.clear()
        queue = CollectorQueue(
            [Collector("gate", gate)], capacity=1, max_consumers=1, overflow=overflow
        )
        queue.observe(happened.append, spans=True)
        async with queue:
            await queue.publisher.send("running")
            await ticks(3)
            first = queue.publisher.send_nowait("first")
            second = queue.publisher.send_nowait("second")
            lost = first if overflow == "drop_oldest" else second
            assert lost.outcome is Outcome.DROPPED
            (result,) = await lost
            assert type(result.err) is EventDropped and str(result.err) == text
            assert lost.wait_time() >= 0 and lost.service_time() == 0
            which = overflow.removeprefix("drop_")
            assert queue.metrics.drops == {"ttl": 0, "oldest": 0, "incoming": 0} | {which: 1}
            assert queue.metrics.refused_sends == 0
            assert not lost.cancel()
            gate.open()
        assert queue.ledger.dropped == 1 and queue.ledger.ok == 2
        assert [r.levelno for r in caplog.records if "dropped" in r.message][:1] == [
            logging.WARNING
        ]
        assert [type(each).__name__ for each in happened].count("Overflowed") == 1
        assert sum(isinstance(each, CollectorEvent) for each in happened) == 3
        happened.clear()
        gate = Gate()


@both_loops
async def test_a_queue_that_drops_lets_nobody_wait() -> None:
    gate = Gate()
    queue = CollectorQueue(
        [Collector("gate", gate)], capacity=10, max_consumers=1, overflow="drop_oldest"
    )
    async with queue:
        events = await queue.publisher.send_many(range(1000))
        await asyncio.to_thread(queue.publisher.send_threadsafe, "from a thread")
        await asyncio.to_thread(
            queue.publisher.send_threadsafe, "from another", block=False
        )
        assert queue.ledger.queued <= 10 and len(events) == 1000
        gate.open()
        await queue.publisher.wait()
        assert gate.ended[-2:] == ["from a thread", "from another"]
        assert_closes(queue)


@both_loops
async def test_handlers_drop_too_and_never_fill_a_queue_beyond_its_capacity() -> None:
    queue = CollectorQueue(capacity=5, max_consumers=1, overflow="drop_oldest")
    queue.collector("leaf")(lambda payload: payload.value)

    @queue.collector("spread")
    async def spread(_: Any) -> None:
        for number in range(100):
            queue.publisher.send_nowait(number, keys="leaf")
            assert queue.ledger.queued <= 5

    async with queue:
        await queue.publisher.request(1, keys="spread")
        await queue.publisher.wait()
        assert queue.ledger.ok == 1 + 5 and queue.metrics.drops["oldest"] == 95


@pytest.mark.parametrize("queue_type", ["fifo", "lifo", "priority"])
@both_loops
async def test_what_waits_for_a_worker_can_be_dropped(queue_type: str) -> None:
    queue = CollectorQueue(
        [Collector("spin", handlers.spin, runs_in="process", max_concurrency=1)],
        capacity=4,
        workers=1,
        queue_type=queue_type,
        overflow="drop_oldest",
    )
    async with queue:
        first = await queue.publisher.send(0.2)
        await until(lambda: queue.ledger.in_flight)
        events = []
        for _ in range(20):
            events.append(await queue.publisher.send(0.0))
            await asyncio.sleep(0)
        assert queue.ledger.queued <= 4
        await queue.publisher.wait()
        assert first.outcome is Outcome.OK
        outcomes = [each.outcome for each in events]
        assert outcomes == [Outcome.DROPPED] * 16 + [Outcome.OK] * 4
        assert_closes(queue)


@both_loops
async def test_what_matches_nothing_is_refused_before_it_is_dropped() -> None:
    gate = Gate()
    queue = CollectorQueue(
        [Collector("gate", gate)], capacity=1, max_consumers=1,
        overflow="drop_incoming", on_unrouted="error",
    )  # fmt: skip
    async with queue:
        await queue.publisher.send("running")
        await until(lambda: gate.started)
        await queue.publisher.send("queued")
        with pytest.raises(Unrouted):
            queue.publisher.send_nowait(1, keys="nobody")
        assert queue.ledger.accepted == 2
        gate.open()


@pytest.mark.parametrize("queue_type", ["fifo", "lifo", "priority"])
@both_loops
async def test_dropping_again_and_again_stays_cheap_and_small(queue_type: str) -> None:
    gate = Gate()
    queue = CollectorQueue(
        [Collector("gate", gate)], capacity=1000, max_consumers=1,
        overflow="drop_oldest", queue_type=queue_type,
    )  # fmt: skip
    async with queue:
        await queue.publisher.send("first")
        await ticks(3)
        for number in range(50_000):  # minutes, if each looked at all that wait
            queue.publisher.send_nowait(number, priority=number % 7)
        assert queue.ledger.queued == 1000
        gate.open()
        await queue.publisher.wait()
        assert queue.ledger.dropped == 49_000 and queue.ledger.ok == 1001


class EndsOthers:
    """Cancels all others when the first of them has ended, whatever ended it."""

    def __init__(self, events: list[CollectorEvent]) -> None:
        self._events = events

    def on_settled(self, event: CollectorEvent) -> None:
        if self._events and event is self._events[0]:
            for each in self._events[1:]:
                each.cancel()


@pytest.mark.parametrize("queue_type", ["fifo", "lifo", "priority"])
@pytest.mark.parametrize("how", ["cancel", "drop", "expire"])
@virtual
async def test_an_observer_may_end_all_that_waits_when_one_ends(
    how: str, queue_type: str
) -> None:
    gate = Gate()
    events: list[CollectorEvent] = []
    queue = CollectorQueue(
        [Collector("gate", gate)], capacity=100, max_consumers=1,
        overflow="drop_oldest", queue_type=queue_type,
    )  # fmt: skip
    queue.observe(EndsOthers(events))
    async with queue:
        await queue.publisher.send("first")
        await ticks(3)
        ttl = 1.0 if how == "expire" else None
        events.append(queue.publisher.send_nowait(0, ttl=ttl))
        events += [queue.publisher.send_nowait(each) for each in range(1, 100)]
        if how == "cancel":
            events[0].cancel()
        elif how == "drop":
            queue.publisher.send_nowait("last")
        else:
            await asyncio.sleep(2)
        waiting = queue.ledger.queued
        assert queue._core.in_lane() == waiting == (1 if how == "drop" else 0)
        gate.open()
        await queue.publisher.send_many(range(50))
        async with asyncio.timeout(60):
            await queue.publisher.wait()
        assert queue._core.in_lane() == 0
        assert_closes(queue)


@virtual
async def test_an_observer_that_sends_again_what_was_dropped_comes_to_an_end() -> None:
    gate = Gate()
    async with CollectorQueue(
        [Collector("gate", gate)], capacity=3, max_consumers=1, overflow="drop_oldest"
    ) as queue:
        again = 0

        class SendsAgain:
            def on_settled(self, event: CollectorEvent) -> None:
                nonlocal again
                if event.outcome is Outcome.DROPPED and again < 50:
                    again += 1
                    queue.publisher.send_nowait("again")

        await queue.publisher.send("first")
        await ticks(3)
        queue.observe(SendsAgain())
        for number in range(10):
            queue.publisher.send_nowait(number)
            assert queue.ledger.queued <= 3
        assert again == 50
        assert sum(queue.metrics.drops.values()) == queue.ledger.dropped == 57
        gate.open()
        await queue.publisher.wait()
        assert_closes(queue)


class Value:
    """Something to be let go of."""


@pytest.mark.parametrize("queue_type", ["fifo", "lifo", "priority"])
@both_loops
async def test_nothing_that_has_ended_is_kept(queue_type: str) -> None:
    queue = CollectorQueue(
        [Collector("work", lambda payload: None)], capacity=2000,
        overflow="drop_oldest", queue_type=queue_type,
    )  # fmt: skip
    alive: weakref.WeakSet[Value] = weakref.WeakSet()
    async with queue:
        for _ in range(1500):
            value = Value()
            alive.add(value)
            queue.publisher.send_nowait(value)
        del value
        await queue.publisher.wait()
        gc.collect()
        assert len(alive) <= 1  # the last one's handler may still be on its way out
