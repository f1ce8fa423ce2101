"""Sends from other threads: accepted or refused, bounded, in order, and never lost."""

from __future__ import annotations

import asyncio
import contextvars
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

import pytest

from collectorqueue import Collector, CollectorQueue, Payload
from collectorqueue.errors import (
    QueueClosed,
    QueueFull,
    QueueNotStarted,
    Unrouted,
)
from collectorqueue.flow.otherthreads import OtherThreads
from tests.support import Gate, Log, assert_closes, both_loops, until


def at_once(call: Callable[[], Any]) -> None:
    """Call it in a thread; the loop has no turn until it is over."""
    thread = threading.Thread(target=call)
    thread.start()
    thread.join()


async def in_thread(call: Callable[[], Any]) -> Any:
    """What it returns, or its exception, from a thread of its own."""
    return await asyncio.to_thread(call)


@both_loops
async def test_what_threads_send_is_collected_in_the_order_of_each() -> None:
    seen: list[tuple[int, int]] = []
    queue = CollectorQueue(
        [Collector("note", lambda payload: seen.append(payload.value))], capacity=100
    )

    def send(thread: int) -> None:
        for number in range(500):
            queue.publisher.send_threadsafe((thread, number), keys="note")

    async with queue:
        await asyncio.gather(*(in_thread(lambda n=n: send(n)) for n in range(8)))
        await queue.publisher.wait()
        assert queue.ledger.ok == 4000
        assert_closes(queue)
    for thread in range(8):
        assert [n for t, n in seen if t == thread] == list(range(500))


@both_loops
async def test_what_a_thread_handed_over_while_the_loop_looked_goes_before() -> None:
    log = Log()
    async with CollectorQueue([Collector("log", log)]) as queue:
        others = OtherThreads(queue._core, queue.publisher.send_nowait)

        def send() -> None:
            queue.publisher.send_threadsafe(1)
            others.send(Payload(2), True, None)  # as if there had been no room

        class Come(deque[Any]):
            """Those who wait; when the loop looks who they are, another comes."""

            thread: threading.Thread | None = None

            def __bool__(self) -> bool:
                if self.thread is None:
                    self.thread = threading.Thread(target=send)
                    self.thread.start()
                    while not len(self):
                        time.sleep(0.001)
                return len(self) > 0

        others._come = come = Come()
        others._look()
        assert come.thread is not None
        await asyncio.to_thread(come.thread.join)
        await queue.publisher.wait()
        assert log.values == [1, 2]


@both_loops
async def test_what_was_handed_over_when_the_queue_closes_is_collected() -> None:
    for _ in range(20):
        queue = CollectorQueue([Collector("work", lambda payload: None)])
        await queue.start()
        handed = threading.Event()
        accepted = 0

        def send(queue: CollectorQueue = queue, handed: threading.Event = handed) -> None:
            nonlocal accepted
            try:
                while True:
                    queue.publisher.send_threadsafe(1)
                    accepted += 1
                    if accepted == 100:
                        handed.set()
            except QueueClosed:
                return

        thread = threading.Thread(target=send)
        thread.start()
        await asyncio.to_thread(handed.wait)
        report = await queue.close()
        await asyncio.to_thread(thread.join)
        assert report.ledger.accepted == report.ledger.ok == accepted


@both_loops
async def test_threads_never_fill_a_queue_beyond_its_capacity() -> None:
    gate = Gate()
    async with CollectorQueue(
        [Collector("gate", gate)], max_consumers=1, capacity=5
    ) as queue:
        await queue.publisher.send("first")
        await until(lambda: gate.started)

        def send() -> int:
            sent = 0
            while True:
                try:
                    queue.publisher.send_threadsafe(sent, block=False)
                except QueueFull as error:
                    assert error.capacity == 5
                    return sent
                sent += 1

        sent = await asyncio.gather(*(in_thread(send) for _ in range(4)))
        assert sum(sent) == 5 and queue.ledger.queued == 5
        assert queue.metrics.refused_sends == 4
        with pytest.raises(QueueFull):
            queue.publisher.send_nowait("no room here either")
        gate.open()


@both_loops
async def test_a_thread_waits_for_room_behind_those_who_came_before() -> None:
    gate = Gate()
    async with CollectorQueue(
        [Collector("gate", gate)], max_consumers=1, capacity=1
    ) as queue:
        await queue.publisher.send("first")
        await until(lambda: gate.started)
        await queue.publisher.send("second")
        third = asyncio.ensure_future(queue.publisher.send("third"))
        await asyncio.sleep(0)
        fourth = asyncio.ensure_future(
            in_thread(lambda: queue.publisher.send_threadsafe("fourth"))
        )
        await until(lambda: queue._core.parked == 2)
        fifth = asyncio.ensure_future(queue.publisher.send("fifth"))
        await asyncio.sleep(0)
        assert not fourth.done()
        gate.open()
        await asyncio.gather(third, fourth, fifth)
    assert gate.started == ["first", "second", "third", "fourth", "fifth"]


@both_loops
async def test_a_thread_that_has_waited_long_enough_was_never_accepted() -> None:
    gate = Gate()
    async with CollectorQueue(
        [Collector("gate", gate)], max_consumers=1, capacity=1
    ) as queue:
        await queue.publisher.send("first")
        await until(lambda: gate.started)
        await queue.publisher.send("second")
        send = queue.publisher.send_threadsafe
        with pytest.raises(QueueFull, match=r"not accepted within 0\.05 s"):
            await in_thread(lambda: send("third", timeout=0.05))
        gate.open()
        await queue.publisher.wait()
        assert queue.ledger.accepted == 2
        # Its place in the row went to nobody, and is free.
        await in_thread(lambda: send("fourth", timeout=5))
    assert gate.started == ["first", "second", "fourth"]


@both_loops
async def test_a_thread_that_waits_when_the_queue_closes_is_told() -> None:
    gate = Gate()
    queue = CollectorQueue([Collector("gate", gate)], max_consumers=1, capacity=1)
    await queue.start()
    await queue.publisher.send("first")
    await until(lambda: gate.started)
    await queue.publisher.send("second")
    waiting = asyncio.ensure_future(
        in_thread(lambda: queue.publisher.send_threadsafe("third"))
    )
    await until(lambda: queue._core.parked)
    gate.open()
    await queue.close()
    with pytest.raises(QueueClosed):
        await waiting
    assert queue.ledger.accepted == 2


@both_loops
async def test_too_early_too_late_and_in_the_loop_s_own_thread() -> None:
    queue = CollectorQueue([Collector("work", lambda payload: payload.value)], capacity=1)
    send = queue.publisher.send_threadsafe
    for call in (send, queue.publisher.request_threadsafe):
        with pytest.raises(QueueNotStarted):
            await in_thread(lambda call=call: call(1))
    async with queue:
        send(1)
        with pytest.raises(QueueFull):
            send(2)  # to wait would be to wait for itself
        await queue.publisher.wait()
        with pytest.raises(TypeError, match="timeout must be a number"):
            send(1, timeout="soon")  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="priority must be an int"):
            await in_thread(lambda: send(1, priority="high"))  # type: ignore[arg-type]
    for call in (send, queue.publisher.request_threadsafe):
        with pytest.raises(QueueClosed):
            await in_thread(lambda call=call: call(1))


@both_loops
async def test_what_matches_nothing_is_refused_in_the_thread() -> None:
    queue = CollectorQueue([Collector("work", lambda payload: None)], on_unrouted="error")
    async with queue:
        for block in (True, False):
            with pytest.raises(Unrouted, match="no collector has the key 'x'"):
                await in_thread(
                    lambda block=block: queue.publisher.send_threadsafe(
                        1, keys="x", block=block
                    )
                )
        await in_thread(lambda: queue.publisher.send_threadsafe(1, keys="work"))
        await queue.publisher.wait()
        assert queue.ledger.accepted == queue.ledger.ok == 1


@both_loops
async def test_a_payload_that_was_handed_over_is_sealed() -> None:
    payload = Payload(1)

    def send() -> None:
        queue.publisher.send_threadsafe(payload)
        with pytest.raises(Exception, match="cannot be changed after it was sent"):
            payload.set_priority(3)

    async with CollectorQueue([Collector("work", lambda payload: None)]) as queue:
        await in_thread(send)


@both_loops
async def test_waiting_for_all_waits_for_what_was_handed_over() -> None:
    seen: list[Any] = []
    async with CollectorQueue(
        [Collector("work", lambda payload: seen.append(payload.value))]
    ) as queue:
        at_once(lambda: queue.publisher.send_threadsafe(1))
        await queue.publisher.wait()
        assert seen == [1]


@both_loops
async def test_a_request_from_a_thread_brings_its_results() -> None:
    async def work(payload: Payload[Any]) -> Any:
        await asyncio.sleep(0)
        return payload.value * 2

    async with CollectorQueue([Collector("work", work)]) as queue:
        results = await in_thread(
            lambda: queue.publisher.request_threadsafe(21, keys="work").result(10)
        )
        assert results.first().unwrap() == 42

    async def elsewhere() -> Any:
        future = queue.publisher.request_threadsafe(21)
        return await asyncio.wrap_future(future)

    async with queue:
        results = await in_thread(lambda: asyncio.run(elsewhere()))
        assert results.first().unwrap() == 42


@both_loops
async def test_a_request_that_a_thread_gives_up_cancels_its_event() -> None:
    gate = Gate()
    async with CollectorQueue([Collector("gate", gate)], max_consumers=1) as queue:
        future = await in_thread(lambda: queue.publisher.request_threadsafe(1))
        await until(lambda: gate.started)
        future.cancel()
        await until(lambda: queue.ledger.aborted == 1)
        late = await in_thread(lambda: queue.publisher.request_threadsafe(2, timeout=0.01))
        with pytest.raises(TimeoutError):
            await asyncio.wrap_future(late)
        assert queue.ledger.aborted == 2


@both_loops
async def test_a_handler_in_a_thread_never_waits_for_room() -> None:
    """To wait for its own queue would be a deadlock: it may fill it to twice its capacity."""
    refused: list[QueueFull] = []
    queue = CollectorQueue(capacity=2, max_consumers=1)
    queue.collector("leaf")(lambda payload: None)

    def spread(payload: Payload[int]) -> None:
        for number in range(payload.value):
            try:
                queue.publisher.send_threadsafe(number, keys="leaf")
            except QueueFull as error:
                refused.append(error)

    queue.collector("spread", runs_in="thread")(spread)
    async with queue:
        assert (await queue.publisher.request(10, keys="spread")).first().ok()
        await queue.publisher.wait()
        assert len(refused) == 6 and queue.metrics.overflow_sends >= 2
        assert queue.ledger.ok == 1 + 4
        # And while it drains, too.
        last = await queue.publisher.send(2, keys="spread")
    assert last.is_done() and queue.ledger.ok == 1 + 4 + 3


def test_a_thread_is_told_when_the_loop_has_gone_without_closing_the_queue() -> None:
    loop = asyncio.new_event_loop()
    queue = CollectorQueue([Collector("work", lambda payload: None)])
    loop.run_until_complete(queue.start())
    loop.close()
    with pytest.raises(QueueClosed, match="the loop of the queue has ended"):
        queue.publisher.request_threadsafe(1)
    told: list[QueueClosed] = []

    def send() -> None:
        for number in range(5):
            try:
                queue.publisher.send_threadsafe(number)
            except QueueClosed as error:
                told.append(error)

    at_once(send)
    assert len(told) == 5


@both_loops
async def test_the_events_of_a_thread_stay_in_order_when_it_has_to_wait() -> None:
    for overflow in ("wait", "drop_oldest"):
        seen: list[int] = []
        queue = CollectorQueue(
            [Collector("note", lambda payload, seen=seen: seen.append(payload.value))],
            capacity=3000,
            overflow=overflow,
        )

        def send(queue: CollectorQueue = queue) -> None:
            for number in range(6500):
                queue.publisher.send_threadsafe(number)

        async with queue:
            thread = threading.Thread(target=send)
            thread.start()
            time.sleep(0.05)  # so that much is handed over before the loop looks
            await asyncio.to_thread(thread.join)
            await queue.publisher.wait()
        assert seen == sorted(seen) and seen[-1] == 6499


@both_loops
async def test_what_was_handed_over_is_older_than_what_comes_in() -> None:
    seen: list[int] = []
    queue = CollectorQueue(
        [Collector("note", lambda payload: seen.append(payload.value))],
        capacity=3,
        overflow="drop_oldest",
    )
    async with queue:
        queue.publisher.send_threadsafe(0)  # in the loop's own thread
        queue.publisher.send_nowait(1)
        await queue.publisher.wait()
        assert seen == [0, 1]

        def send() -> None:
            for number in range(2, 5):
                queue.publisher.send_threadsafe(number)

        at_once(send)
        queue.publisher.send_nowait(5)
        await queue.publisher.wait()
        assert seen == [0, 1, 3, 4, 5]
        assert queue.metrics.drops == {"ttl": 0, "oldest": 1, "incoming": 0}


@both_loops
async def test_a_handler_that_waits_for_all_waits_for_what_was_handed_over() -> None:
    seen: list[int] = []
    queue = CollectorQueue()
    queue.collector("leaf")(lambda payload: seen.append(payload.value))

    @queue.collector("spread")
    async def spread(_: Any) -> list[int]:
        at_once(lambda: queue.publisher.send_threadsafe(1, keys="leaf"))
        await queue.publisher.wait()
        return list(seen)

    async with queue:
        assert await queue.publisher.call("spread", None) == [1]


@both_loops
async def test_threads_that_gave_up_leave_the_row() -> None:
    gate = Gate()
    async with CollectorQueue(
        [Collector("gate", gate)], max_consumers=1, capacity=1
    ) as queue:
        await queue.publisher.send("first")
        await until(lambda: gate.started)
        await queue.publisher.send("second")

        def send() -> None:
            for _ in range(20):
                with pytest.raises(QueueFull, match=r"not accepted within 0\.001 s"):
                    queue.publisher.send_threadsafe("third", timeout=0.001)

        await asyncio.gather(*(in_thread(send) for _ in range(3)))
        await until(lambda: queue._core.parked == 0)
        assert queue.metrics.refused_sends == 60
        gate.open()
        await queue.publisher.wait()
        queue.publisher.send_nowait("fourth")
        await queue.publisher.wait()
        assert gate.started == ["first", "second", "fourth"]
        assert_closes(queue)


@both_loops
async def test_a_send_that_is_interrupted_while_it_rings_was_never_accepted() -> None:
    loop: Any = asyncio.get_running_loop()
    ring = loop.call_soon_threadsafe
    seen: list[Any] = []
    async with CollectorQueue(
        [Collector("note", lambda payload: seen.append(payload.value))]
    ) as queue:

        class Interrupting:
            """The loop, but that an interrupt comes when it is rung first."""

            def __init__(self) -> None:
                self.first = True

            def __call__(self, *arguments: Any, **options: Any) -> Any:
                if self.first:
                    self.first = False
                    # Another thread hands over meanwhile, and relies on this call.
                    at_once(lambda: queue.publisher.send_threadsafe("other"))
                    raise KeyboardInterrupt
                return ring(*arguments, **options)

        class Loop:
            call_soon_threadsafe = Interrupting()

            def __getattr__(self, name: str) -> Any:
                return getattr(loop, name)

        def send() -> None:
            with pytest.raises(KeyboardInterrupt):
                queue.publisher.send_threadsafe("interrupted")

        queue._core.attend(Loop(), contextvars.copy_context())
        await asyncio.to_thread(send)
        await until(lambda: seen)
        assert seen == ["other"]
        queue._core.attend(loop, contextvars.copy_context())
