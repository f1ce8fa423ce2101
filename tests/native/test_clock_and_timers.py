"""One clock and one structure for all deadlines, in virtual time."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from collectorqueue import CollectorEvent, CollectorQueue, Outcome, Payload
from collectorqueue._native import clock
from tests.support import Gate, VirtualLoop, ticks, virtual


def loop_here() -> VirtualLoop:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    return loop


def test_the_clock_is_the_monotonic_one() -> None:
    before = time.monotonic_ns()
    now = clock.now_ns()
    assert before <= now <= time.monotonic_ns()


def test_the_clock_follows_another_source_and_comes_back() -> None:
    loop = VirtualLoop()
    try:
        with loop.clock.followed():
            assert clock.now_ns() == 1000 * 10**9
            loop.clock.elapse(2.5)
            assert clock.now_ns() == 1002_500_000_000
        before = time.monotonic_ns()
        assert clock.now_ns() >= before
    finally:
        loop.close()


@virtual
async def test_deadlines_are_met_in_order_of_time() -> None:
    ended: list[tuple[int, float]] = []
    loop = loop_here()
    begun = loop.time()

    async def follow(event: CollectorEvent) -> None:
        await event
        ended.append((event.payload.value, round(loop.time() - begun, 3)))

    gate = Gate()
    queue = CollectorQueue(max_consumers=1)
    queue.collector("gate")(gate)
    async with queue:
        await queue.publisher.send("holds the only consumer")
        await ticks(2)
        waits = []
        for ttl in (30, 10, 20, 5, 25):
            waits.append(follow(await queue.publisher.send(ttl, ttl=ttl)))
        await asyncio.gather(*waits)
        gate.open()
    assert ended == [(5, 5.0), (10, 10.0), (20, 20.0), (25, 25.0), (30, 30.0)]


@virtual
async def test_many_equal_deadlines_are_met_in_send_order_at_once() -> None:
    loop = loop_here()
    gate = Gate()
    queue = CollectorQueue(max_consumers=1)
    queue.collector("gate")(gate)
    async with queue:
        await queue.publisher.send("holds the only consumer")
        await ticks(2)
        begun = loop.time()
        events = [await queue.publisher.send(n, ttl=5) for n in range(100)]
        await events[-1]
        assert loop.time() - begun < 5.001
        assert all(event.outcome is Outcome.DROPPED for event in events)
        gate.open()


@virtual
async def test_an_idle_queue_sets_no_alarm() -> None:
    queue = CollectorQueue()
    queue.collector("nothing")(lambda payload: None)
    async with queue:
        await ticks(5)
        loop = loop_here()
        pending = [each for each in loop._scheduled if not each.cancelled()]  # type: ignore[attr-defined]
        assert len(pending) == 1, pending  # the test's own guard
        await queue.publisher.send(1)
        await queue.publisher.wait()


@virtual
async def test_deadlines_of_events_that_have_started_are_not_kept() -> None:
    import gc
    import weakref

    class Big:
        pass

    gone: list[weakref.ref[Any]] = []
    queue = CollectorQueue(max_consumers=1)
    queue.collector("nothing")(lambda payload: None)
    async with queue:
        for _ in range(2000):
            big = Big()
            gone.append(weakref.ref(big))
            await queue.publisher.send(Payload(big, ttl=1e6))
            del big
            await queue.publisher.wait()
        gc.collect()
        alive = sum(ref() is not None for ref in gone)
        assert alive < 200, alive
