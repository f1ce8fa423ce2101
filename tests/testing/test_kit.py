"""The kit for tests of programs that use a queue."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
import time
from typing import Any

import pytest

from collectorqueue import Collector, CollectorQueue, Error, Outcome, Payload
from collectorqueue._native import clock as core_clock
from collectorqueue.errors import EventAborted, EventDropped, WouldDeadlock
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


def test_a_thread_that_is_about_to_end_is_no_leak() -> None:
    with no_leaks():
        threading.Thread(target=time.sleep, args=(0.05,)).start()


def test_what_the_first_loop_of_a_process_opens_for_good_is_no_leak() -> None:
    program = """
import asyncio
from collectorqueue import run
from collectorqueue.testing import no_leaks

with no_leaks():
    run(asyncio.sleep(0))
"""
    subprocess.run([sys.executable, "-c", program], check=True)


@pytest.mark.parametrize("now", [1000.0, 1.7e7, 1.7e9])
def test_virtual_time_passes_wherever_the_clock_stands(now: float) -> None:
    async def main() -> None:
        async with CollectorQueue(
            [Collector("work", lambda payload: None)], autoscale=False, max_consumers=1
        ) as queue:
            await asyncio.sleep(200 * 86_400)
            async with asyncio.timeout(1.0):
                await queue.publisher.request(1, ttl=0.5)
            await asyncio.sleep(0.1)

    run_virtual(main(), clock=VirtualClock(now))


def test_a_clock_can_be_used_again_after_a_thread() -> None:
    clock = VirtualClock()

    async def in_a_thread() -> None:
        clock.outside += 1
        await asyncio.to_thread(time.sleep, 0)
        clock.outside -= 1

    run_virtual(in_a_thread(), clock=clock)
    begun = clock.now
    run_virtual(asyncio.sleep(5), clock=clock)
    assert clock.now == pytest.approx(begun + 5) and clock.outside == 0


def test_what_was_followed_is_followed_again_after_a_run_within() -> None:
    outer = VirtualClock()
    with outer.followed():
        run_virtual(asyncio.sleep(1000))
        assert core_clock.now_ns() == outer.now * 1e9
    assert core_clock.now_ns() != outer.now * 1e9


def test_what_is_stuck_in_a_finally_is_told() -> None:
    async def never() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.Event().wait()

    async def main() -> None:
        task = asyncio.ensure_future(never())
        await asyncio.sleep(1)
        assert not task.done()

    with pytest.raises(Stuck, match="never"):
        run_virtual(main())


class TwoWords(Exception):
    def __init__(self, one: str, other: str) -> None:
        super().__init__(one, other)


def test_errors_that_cannot_be_made_are_told_and_blind_nobody() -> None:
    async def main() -> None:
        failing = Collector("failing", lambda payload: Error(payload.value))
        async with TestQueue([failing]) as queue:
            for error in (TwoWords, "text", 7, TwoWords("a", "b")):
                with pytest.raises(ExceptionGroup, match="handlers failed"):
                    await queue.deliver(error)
            with queue.expecting(TwoWords):
                await queue.deliver(TwoWords)
            with pytest.raises(ExceptionGroup):
                await queue.deliver("text")
            assert len(queue.sent) == len(queue.collected["failing"]) == 6

    run_virtual(main())


def test_what_nobody_has_seen_is_raised_at_the_end() -> None:
    async def main(error: BaseException | None) -> None:
        async with TestQueue([Collector("failing", lambda payload: Error("oh"))]) as queue:
            await queue.publisher.send(1)
            if error is not None:
                raise error

    with pytest.raises(ExceptionGroup, match="handlers failed"):
        run_virtual(main(None))
    with pytest.raises(ZeroDivisionError):
        run_virtual(main(ZeroDivisionError()))


def test_a_handler_that_settles_its_own_queue_is_told() -> None:
    async def main() -> None:
        queue = TestQueue()

        @queue.collector
        async def outer(_: Payload[Any]) -> None:
            await queue.deliver(2, keys="inner")

        queue.collector("inner")(lambda payload: payload.value)
        async with queue:
            with queue.expecting(WouldDeadlock):
                await queue.deliver(1, keys="outer")
            queue.assert_collected("inner", 2)

    run_virtual(main())


def test_what_was_given_up_before_it_began_was_not_collected() -> None:
    async def work(payload: Payload[Any]) -> None:
        await asyncio.sleep(1)

    async def main() -> None:
        limited = Collector("limited", work, max_concurrency=1)
        async with TestQueue([limited]) as queue:
            with queue.expecting(EventAborted, EventDropped):
                runs, waits, late = [
                    queue.publisher.send_nowait(number, ttl=0.5) for number in range(3)
                ]
                await asyncio.sleep(0.1)
                waits.cancel()
                await queue.settle()
                assert late.outcome is Outcome.DROPPED
                queue.assert_collected("limited", 0)
                runs = queue.publisher.send_nowait(4)
                await asyncio.sleep(0.1)
                runs.cancel()
                await queue.settle()
                queue.assert_collected("limited", 0, 4)

    run_virtual(main())


def test_checks_hold_where_assertions_are_left_out() -> None:
    program = """
import threading
from collectorqueue import Collector
from collectorqueue.testing import TestQueue, no_leaks, run_virtual

gone = threading.Event()
try:
    with no_leaks():
        threading.Thread(target=gone.wait).start()
except AssertionError as error:
    print(str(error)[:9])
gone.set()

async def main():
    async with TestQueue([Collector("log", print)]) as queue:
        queue.assert_collected("log", 1)

try:
    run_virtual(main())
except AssertionError as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-O", "-c", program], capture_output=True, text=True, check=False
    )
    assert done.stdout == "left over\n'log' was called with []\n", done.stderr
