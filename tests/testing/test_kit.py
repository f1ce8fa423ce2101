"""The kit for tests of programs that use a queue."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from typing import Any

import pytest

from collectorqueue import Collector, CollectorQueue, Error, Payload
from collectorqueue.testing import (
    Stuck,
    TestQueue,
    VirtualClock,
    no_leaks,
    run_virtual,
)


def test_days_take_no_time() -> None:
    async def main() -> float:
        before = asyncio.get_running_loop().time()
        async with asyncio.timeout(1_000_000):
            await asyncio.sleep(864_000)
        return asyncio.get_running_loop().time() - before

    begun = time.monotonic()
    assert run_virtual(main()) == pytest.approx(864_000)
    assert time.monotonic() - begun < 5


def test_the_core_reads_the_same_clock() -> None:
    async def work(_: Any) -> None:
        await asyncio.sleep(3600)

    async def main() -> tuple[int, float]:
        async with CollectorQueue([Collector("work", work)]) as queue:
            event = await queue.publisher.send(None)
            await event
            return event.service_time(), queue.metrics.service.p50

    assert run_virtual(main()) == (3600 * 10**9, pytest.approx(3600, rel=0.02))


def test_the_same_program_gives_the_same_log() -> None:
    async def work(payload: Payload[float]) -> None:
        await asyncio.sleep(payload.value)

    def log() -> list[Any]:
        happened: list[Any] = []

        async def main() -> None:
            queue = CollectorQueue([Collector("work", work)], max_consumers=8)
            queue.observe(happened.append)
            async with queue:
                for number in range(200):
                    await queue.publisher.send(number % 7 * 0.1)
                    await asyncio.sleep(0.03)

        run_virtual(main())
        return happened

    assert log() == log() and len(log()) > 3


def test_a_program_that_cannot_go_on_is_told_so() -> None:
    async def main() -> None:
        await asyncio.Event().wait()

    with pytest.raises(Stuck, match="nothing can happen any more"):
        run_virtual(main())


def test_a_program_s_own_error_is_its_own() -> None:
    async def main() -> None:
        raise RuntimeError("mine")

    with pytest.raises(RuntimeError, match="mine"):
        run_virtual(main())


def test_threads_are_waited_for_in_real_time() -> None:
    clock = VirtualClock()

    async def main() -> float:
        clock.outside += 1
        await asyncio.to_thread(time.sleep, 0.05)
        clock.outside -= 1
        return clock.now

    assert run_virtual(main(), clock=clock) == 1000.0


def shop() -> TestQueue:
    queue = TestQueue()

    @queue.collector(topics="order.paid")
    async def receipt(payload: Payload[int]) -> str:
        await asyncio.sleep(5)
        await queue.publisher.send(payload.value, topics="mail.out")
        return f"receipt {payload.value}"

    @queue.collector(topics="mail.out")
    def mail(payload: Payload[int]) -> Any:
        return Error("no such address") if payload.value == 13 else None

    return queue


def test_a_test_queue_waits_for_the_last_cascade_and_can_be_asked() -> None:
    async def main() -> None:
        async with shop() as queue:
            results = await queue.deliver(7, topics="order.paid")
            assert results["receipt"].unwrap() == "receipt 7"
            queue.assert_sent(7, topic="mail.out", times=1)
            queue.assert_sent(topic="order.paid")
            queue.assert_collected("receipt", 7)
            queue.assert_collected("mail", 7)
            with pytest.raises(AssertionError, match="wanted 2 times, found 1"):
                queue.assert_sent(topic="mail.out", times=2)
            with pytest.raises(AssertionError, match="'mail' was called with"):
                queue.assert_collected("mail")

    run_virtual(main())


def test_errors_of_handlers_are_raised_unless_they_are_expected() -> None:
    async def main() -> None:
        async with shop() as queue:
            with pytest.raises(ExceptionGroup) as caught:
                await queue.deliver(13, topics="order.paid")
            (error,) = caught.value.exceptions
            assert str(error) == "no such address"
            with queue.expecting(type(error)):
                await queue.deliver(13, topics="order.paid")

    run_virtual(main())


def test_leaks_are_found() -> None:
    async def main() -> None:
        with no_leaks():
            await asyncio.sleep(0)
        with pytest.raises(AssertionError, match="left over: tasks"), no_leaks():
            task = asyncio.ensure_future(asyncio.Event().wait())
        task.cancel()

    asyncio.run(main())
    with pytest.raises(AssertionError, match="left over: files"), no_leaks():
        file = os.open(os.devnull, os.O_RDONLY)
    os.close(file)
    stop = threading.Event()
    with pytest.raises(AssertionError, match="left over: threads"), no_leaks():
        thread = threading.Thread(target=stop.wait)
        thread.start()
    stop.set()
    thread.join()
