"""Ordering keys: one at a time and in send order for each key, others in parallel."""

from __future__ import annotations

import asyncio
import gc
import random
import weakref
from collections import defaultdict
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
from collectorqueue.errors import ConfigError, EventDropped, WouldDeadlock
from tests.policies.support import Clocked, Flaky
from tests.support import Gate, assert_closes, both_loops, ticks, until, virtual


class Watch:
    """A handler that raises when two events of a key run at once, or out of order."""

    def __init__(self, seconds: float, seed: int = 1) -> None:
        self.seconds = seconds
        self.random = random.Random(seed)
        self.seen: dict[Any, list[int]] = defaultdict(list)
        self.running: set[Any] = set()
        self.most = 0

    async def __call__(self, payload: Payload[tuple[Any, int]]) -> int:
        key, number = payload.value
        assert key not in self.running
        self.running.add(key)
        self.most = max(self.most, len(self.running))
        self.seen[key].append(number)
        await asyncio.sleep(self.random.random() * self.seconds)
        self.running.discard(key)
        return number

    def check(self) -> None:
        for key, numbers in self.seen.items():
            assert numbers == sorted(numbers), key


@pytest.mark.repetitive
@virtual
async def test_a_key_runs_one_at_a_time_in_order_and_others_beside_it() -> None:
    watch = Watch(0.005)
    queue = CollectorQueue([Collector("watch", watch)], max_consumers=64, capacity=20_000)
    numbers = random.Random(3)
    async with queue:
        events = []
        for number in range(20_000):
            key = f"k{numbers.randrange(1000)}"
            events.append(await queue.publisher.send((key, number), ordering_key=key))
        await queue.publisher.wait()
        assert_closes(queue)
        assert all(event.outcome is Outcome.OK for event in events)
    watch.check()
    assert watch.most > 30
    assert sum(map(len, watch.seen.values())) == 20_000


@virtual
async def test_a_slow_key_delays_itself_alone() -> None:
    clocked = Clocked(0.001)
    stuck = Gate()

    async def handle(payload: Payload[Any]) -> Any:
        return await (stuck if payload.ordering_key == "slow" else clocked)(payload)

    async with CollectorQueue([Collector("handle", handle)], max_consumers=4) as queue:
        for number in range(50):
            await queue.publisher.send(number, ordering_key="slow")
            await queue.publisher.send(number, ordering_key=f"fast{number}")
        await asyncio.sleep(1)
        assert len(clocked.begun) == 50
        assert stuck.started == [0]
        stuck.open()
        await queue.publisher.wait()
        assert stuck.started == list(range(50))


@virtual
async def test_memory_is_for_live_keys_only() -> None:
    """Whether a key had one event, which makes no line, or several."""

    class Value:
        pass

    def nothing(payload: Payload[Value]) -> None:
        pass

    async with CollectorQueue([Collector("nothing", nothing)], capacity=5000) as queue:
        references = []
        for number in range(2000):
            for _ in range(1 + number % 3):
                value = Value()
                references.append(weakref.ref(value))
                await queue.publisher.send(value, ordering_key=number)
        del value
        await queue.publisher.wait()
        await ticks(3)
        gc.collect()
        assert [each() for each in references if each() is not None] == []
        kinds = [type(each).__name__ for each in gc.get_objects()]
        assert "KeyLine" not in kinds


@pytest.mark.parametrize("queue_type", ["fifo", "priority"])
@virtual
async def test_the_order_is_kept_whatever_the_priorities_are(queue_type: str) -> None:
    clocked = Clocked(0.001)
    queue = CollectorQueue(
        [Collector("log", clocked)], queue_type=queue_type, max_consumers=3, min_consumers=3
    )
    async with queue:
        for number in range(30):
            await queue.publisher.send(number, ordering_key="k", priority=100 - number)
        await queue.publisher.wait()
    assert clocked.values == list(range(30))


@both_loops
async def test_a_lifo_queue_refuses_it_where_it_is_sent() -> None:
    async with CollectorQueue([Collector("log", Clocked())], queue_type="lifo") as queue:
        with pytest.raises(ConfigError, match=r"LIFO queue .* cannot keep the order of .*'k'"):
            await queue.publisher.send(1, ordering_key="k")
        with pytest.raises(ConfigError, match="LIFO queue"):
            await asyncio.to_thread(queue.publisher.send_threadsafe, 1, ordering_key="k")
        assert queue.ledger.accepted == 0


@pytest.mark.parametrize("key", ["", True, 1.5, ("a",), None])
def test_bad_keys_are_refused(key: Any) -> None:
    if key is None:
        assert Payload(1, ordering_key=None).ordering_key is None
        return
    with pytest.raises((ConfigError, TypeError), match="ordering key"):
        Payload(1, ordering_key=key)


@virtual
async def test_retries_keep_their_place() -> None:
    flaky = Flaky(2)
    collector = Collector("flaky", flaky, retry=Retry(attempts=3, backoff=1, jitter=0))
    async with CollectorQueue([collector], max_consumers=4, min_consumers=4) as queue:
        events = [await queue.publisher.send(n, ordering_key="k") for n in range(3)]
        other = await queue.publisher.send("other")
        await queue.publisher.wait()
        assert [await event for event in events] == [[Ok(0)], [Ok(1)], [Ok(2)]]
        assert await other == [Ok("other")]
    mine = [value for value in flaky.calls if value != "other"]
    assert mine == [0, 0, 0, 1, 1, 1, 2, 2, 2]


@virtual
async def test_what_is_given_up_behind_its_key_leaves_no_gap() -> None:
    gate = Gate()
    async with CollectorQueue([Collector("gate", gate)], max_consumers=2) as queue:
        events = [await queue.publisher.send(n, ordering_key="k") for n in range(5)]
        late = await queue.publisher.send("late", ordering_key="k", ttl=1)
        await until(lambda: gate.started == [0])
        assert events[1].cancel() and events[3].cancel()
        await late
        assert late.outcome is Outcome.DROPPED
        assert isinstance(late.get_result().first().err, EventDropped)  # type: ignore[union-attr]
        assert queue.ledger.queued == 2
        gate.open()
        await queue.publisher.wait()
        assert gate.started == [0, 2, 4]
        assert_closes(queue)


@virtual
async def test_cancelling_the_head_lets_the_next_go() -> None:
    gate = Gate()
    async with CollectorQueue([Collector("gate", gate)], max_consumers=1) as queue:
        await queue.publisher.send("stuck")
        await until(lambda: gate.started == ["stuck"])
        first, second = [await queue.publisher.send(n, ordering_key="k") for n in range(2)]
        assert first.cancel()
        gate.open()
        assert await second == [Ok(1)]


@virtual
async def test_they_count_against_the_capacity() -> None:
    gate = Gate()
    async with CollectorQueue([Collector("gate", gate)], capacity=3) as queue:
        await queue.publisher.send(0, ordering_key="k")
        await until(lambda: gate.started == [0])
        for number in range(3):
            queue.publisher.send_nowait(number, ordering_key="k")
        blocked = asyncio.ensure_future(queue.publisher.send(9, ordering_key="k"))
        await ticks(5)
        assert not blocked.done()
        assert queue.ledger.queued == 3
        gate.open()
        await (await blocked)
        assert gate.started == [0, 0, 1, 2, 9]


@virtual
async def test_the_longest_waiting_is_dropped_behind_a_key_too() -> None:
    gate = Gate()
    queue = CollectorQueue(
        [Collector("gate", gate)], capacity=3, overflow="drop_oldest", max_consumers=1
    )
    async with queue:
        await queue.publisher.send("head", ordering_key="k")
        await until(lambda: gate.started == ["head"])
        events = [await queue.publisher.send(n, ordering_key="k") for n in range(5)]
        dropped = [event.outcome is Outcome.DROPPED for event in events]
        assert dropped == [True, True, False, False, False]
        gate.open()
        await queue.publisher.wait()
        assert gate.started == ["head", 2, 3, 4]
        assert_closes(queue)


@virtual
async def test_several_collectors_hold_the_key_until_all_have_ended() -> None:
    log: list[str] = []

    async def slow(payload: Payload[int]) -> None:
        await asyncio.sleep(1)
        log.append(f"slow {payload.value}")

    async def quick(payload: Payload[int]) -> None:
        log.append(f"quick {payload.value}")

    collectors = [Collector("slow", slow), Collector("quick", quick)]
    async with CollectorQueue(collectors, min_consumers=4) as queue:
        for number in range(2):
            await queue.publisher.send(number, ordering_key="k")
        await queue.publisher.wait()
    assert log == ["quick 0", "slow 0", "quick 1", "slow 1"]


@both_loops
async def test_over_threads_and_from_threads() -> None:
    seen: list[int] = []
    running = 0

    def handle(payload: Payload[int]) -> None:
        nonlocal running
        running += 1
        assert running == 1
        seen.append(payload.value)
        running -= 1

    collector = Collector("handle", handle, runs_in="thread")
    async with CollectorQueue([collector], min_consumers=8) as queue:

        def send_all() -> None:
            for number in range(200):
                queue.publisher.send_threadsafe(number, ordering_key="k")

        await asyncio.to_thread(send_all)
        await queue.publisher.wait()
    assert seen == list(range(200))


@virtual
async def test_closing_aborts_what_is_behind_a_key_and_reports_it_in_order() -> None:
    gate = Gate()
    queue = CollectorQueue([Collector("gate", gate)], drain_timeout=1)
    async with queue:
        for number in range(4):
            await queue.publisher.send(number, ordering_key="k")
        await until(lambda: gate.started == [0])
    report = queue.drain_report
    assert report is not None
    assert [payload.value for payload in report.aborted] == [0, 1, 2, 3]
    assert report.ledger.closes and report.ledger.aborted == 4


@virtual
async def test_a_handler_that_waits_for_its_own_key_would_deadlock() -> None:
    queue = CollectorQueue(max_consumers=4)

    @queue.collector
    async def handle(payload: Payload[str]) -> Any:
        if payload.value == "outer":
            event = await queue.publisher.send("inner", ordering_key="k")
            return await event
        return payload.value

    async with queue:
        event = await queue.publisher.send("outer", ordering_key="k")
        (result,) = await event
        assert isinstance(result, Error)
        assert "ordering key" in str(result.err)
        await queue.publisher.wait()
        assert queue.ledger.ok == 1


@virtual
async def test_a_handler_may_wait_for_another_key_with_one_consumer() -> None:
    queue = CollectorQueue(max_consumers=1)

    @queue.collector
    async def handle(payload: Payload[str]) -> Any:
        if payload.value == "outer":
            first = await queue.publisher.send("first", ordering_key="b")
            second = await queue.publisher.send("second", ordering_key="b")
            assert (await first).first() == Ok("first")
            return (await second).first().value
        return payload.value

    async with queue:
        assert await (await queue.publisher.send("outer", ordering_key="a")) == [Ok("second")]


@virtual
async def test_a_handler_may_wait_for_the_last_of_a_key_with_one_consumer() -> None:
    queue = CollectorQueue(max_consumers=1)

    @queue.collector
    async def handle(payload: Payload[Any]) -> Any:
        if payload.value == "outer":
            events = [await queue.publisher.send(n, ordering_key="b") for n in range(4)]
            return (await events[-1]).first().value
        return payload.value

    async with queue:
        assert await (await queue.publisher.send("outer")) == [Ok(3)]


@virtual
async def test_a_handler_waits_behind_a_key_whose_events_go_to_batches() -> None:
    """With one consumer, which it holds: the others have none but those that it is given."""

    async def waits(payload: Payload[str]) -> None:
        if payload.value == "first":
            await queue.publisher.request("last", keys="waits", ordering_key="k")

    collectors = [
        Collector("waits", waits),
        Collector("batches", lambda payloads: None, batch=Batch(3, wait=1)),
    ]
    async with CollectorQueue(collectors, max_consumers=1) as queue:
        queue.publisher.send_nowait("first", keys="waits")
        for number in range(2):
            queue.publisher.send_nowait(number, keys="batches", ordering_key="k")
        async with asyncio.timeout(100):
            await queue.publisher.wait()
    assert_closes(queue)


@virtual
async def test_a_handler_waits_for_a_delayed_event_before_which_others_come() -> None:
    """One of those needs the place that the handler has."""
    errors: list[BaseException] = []

    async def waits(payload: Payload[str]) -> None:
        if payload.value == "waits":
            try:
                await delayed
            except WouldDeadlock as error:
                errors.append(error)

    collectors = [
        Collector("waits", waits, max_concurrency=1),
        Collector("other", lambda payload: None),
    ]
    async with CollectorQueue(collectors) as queue:
        delayed = queue.publisher.send_nowait(1, keys="other", ordering_key="k", delay=10)
        queue.publisher.send_nowait("waits", keys="waits")
        await ticks(5)
        queue.publisher.send_nowait("before", keys="waits", ordering_key="k")
        async with asyncio.timeout(100):
            await queue.publisher.wait()
    assert "have come before it" in str(errors[0])
    assert_closes(queue)


@pytest.mark.parametrize("consumers", [2, 3, 8])
@virtual
async def test_a_circle_through_an_event_that_sees_whether_it_may_join_a_batch(
    consumers: int,
) -> None:
    """The first waits for x, behind an item of the batch; that for y, behind the first."""
    refused = 0

    async def asks(value: str, key: str) -> None:
        nonlocal refused
        try:
            await queue.publisher.request(value, keys="asks", ordering_key=key)
        except WouldDeadlock:
            refused += 1

    async def first(payload: Payload[str]) -> None:
        if payload.value == "first":
            await asks("x", "l")

    async def batch(payloads: list[Payload[str]]) -> None:
        await asks("y", "k")

    queue = CollectorQueue(
        [Collector("asks", first), Collector("batch", batch, batch=Batch(2, wait=1))],
        min_consumers=consumers,
        max_consumers=consumers,
    )
    async with queue:
        await ticks(3)
        queue.publisher.send_nowait("item", keys="batch", ordering_key="l")
        queue.publisher.send_nowait("first", keys="asks", ordering_key="k")
        queue.publisher.send_nowait("item", keys="batch")
        async with asyncio.timeout(100):
            await queue.publisher.wait()
    assert refused == 1
    assert_closes(queue)


@virtual
async def test_the_only_consumer_waits_for_one_that_is_due_behind_another() -> None:
    ended: list[str] = []

    async def handle(payload: Payload[str]) -> None:
        if payload.value == "asks":
            await queue.publisher.request("late", keys="a", ordering_key="k", delay=1)
        ended.append(payload.value)

    queue = CollectorQueue([Collector("a", handle)], max_consumers=1)
    async with queue:
        asks = queue.publisher.send_nowait("asks", keys="a")
        await asyncio.sleep(0.5)
        queue.publisher.send_nowait("before it", keys="a", ordering_key="k")
        async with asyncio.timeout(100):
            await asks
    assert ended == ["before it", "late", "asks"]
    assert_closes(queue)


@pytest.mark.parametrize("batch", [None, Batch(3, wait=0.1)])
@virtual
async def test_what_is_tried_again_stays_before_one_that_was_due_after_it_had_begun(
    batch: Batch | None,
) -> None:
    """That was sent before it, but is in the line behind it."""
    begun: list[list[str]] = []

    async def handle(given: Any) -> None:
        payloads = given if batch else [given]
        begun.append([each.value for each in payloads])
        await asyncio.sleep(2)
        if len(begun) == 1:
            raise RuntimeError("try me again")

    retry = Retry(2, backoff=1, jitter=0)
    queue = CollectorQueue([Collector("a", handle, retry=retry, batch=batch)])
    async with queue:
        queue.publisher.send_nowait("delayed", keys="a", ordering_key="k", delay=1)
        values = ["first", "second", "third"] if batch else ["first"]
        for value in values:
            queue.publisher.send_nowait(value, keys="a", ordering_key="k")
        await queue.publisher.wait()
    assert begun[1:] == [[value] for value in (*values, "delayed")]
    assert_closes(queue)


@virtual
async def test_what_is_tried_a_third_time_stays_before_what_was_in_its_first_batch() -> None:
    begun: list[list[str]] = []

    async def handle(payloads: list[Payload[str]]) -> None:
        begun.append([each.value for each in payloads])
        if payloads[0].value == "first" and len(begun) < 3:
            raise RuntimeError("try me again")

    retry = Retry(3, backoff=1, jitter=0)
    queue = CollectorQueue([Collector("a", handle, retry=retry, batch=Batch(2))])
    async with queue:
        for value in ("first", "second"):
            queue.publisher.send_nowait(value, keys="a", ordering_key="k")
        await queue.publisher.wait()
    assert begun == [["first", "second"], ["first"], ["first"], ["second"]]
    assert_closes(queue)
