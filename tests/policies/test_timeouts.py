"""timeout: a run that takes too long fails, and its place goes to another."""

from __future__ import annotations

import asyncio
import logging
import threading
from typing import Any

import pytest

from collectorqueue import Collector, CollectorQueue, Error, Ok, Outcome, Payload
from collectorqueue.errors import ConfigError, RunTimeout
from tests.policies.support import Clocked
from tests.support import (
    Gate,
    Log,
    Stubborn,
    assert_closes,
    both_loops,
    ticks,
    until,
    virtual,
)


def is_timeout(result: Any) -> bool:
    return isinstance(result, Error) and type(result.err) is RunTimeout


@virtual
async def test_a_coroutine_is_cancelled_and_may_clean_up() -> None:
    cleaned = []

    async def slow(payload: Payload[int]) -> None:
        try:
            await asyncio.sleep(100)
        finally:
            cleaned.append(payload.value)

    collector = Collector("slow", slow, timeout=2)
    loop = asyncio.get_running_loop()
    async with CollectorQueue([collector], max_consumers=1) as queue:
        begun = loop.time()
        event = await queue.publisher.send(7)
        (result,) = await event
        assert is_timeout(result)
        assert isinstance(result.err, TimeoutError)  # type: ignore[union-attr]
        assert str(result.err) == "the run took longer than its timeout of 2 s"  # type: ignore[union-attr]
        assert event.outcome is Outcome.FAILED
        assert loop.time() - begun == pytest.approx(2, abs=0.01)
        assert cleaned == [7]
        assert queue.metrics.policies.written_off == 0
        assert_closes(queue)


@virtual
async def test_one_that_is_in_time_is_left_alone() -> None:
    collector = Collector("log", Clocked(1.9), timeout=2)
    async with CollectorQueue([collector]) as queue:
        events = [await queue.publisher.send(n) for n in range(5)]
        assert [await event for event in events] == [[Ok(n)] for n in range(5)]
        await asyncio.sleep(10)


@virtual
async def test_each_of_several_collectors_has_its_own() -> None:
    collectors = [
        Collector("short", Clocked(10), timeout=1),
        Collector("long", Clocked(10), timeout=20),
        Collector("other", Clocked(10), timeout=2),
    ]
    async with CollectorQueue(collectors) as queue:
        results = await (await queue.publisher.send(7))
        assert is_timeout(results["short"])
        assert results["long"] == Ok(7)
        assert is_timeout(results["other"])
        assert_closes(queue)


@virtual
async def test_a_handler_that_swallows_its_cancel_loses_its_place(
    caplog: pytest.LogCaptureFixture,
) -> None:
    stubborn = Stubborn()
    collectors = [Collector("stubborn", stubborn, timeout=2), Collector("other", Log())]
    loop = asyncio.get_running_loop()
    with caplog.at_level(logging.WARNING, "collectorqueue.pool"):
        async with CollectorQueue(collectors, max_consumers=1) as queue:
            begun = loop.time()
            event = await queue.publisher.send("too late", keys="stubborn")
            other = await queue.publisher.send("other", keys="other")
            assert is_timeout((await event).first())
            assert await other == [Ok("other")]
            assert loop.time() - begun == pytest.approx(2.5, abs=0.01)
            assert (queue.consumers, queue.load.busy) == (1, 0)
            assert queue.metrics.policies.written_off == 1
            stubborn.open()
            await ticks(5)
            assert stubborn.ended == ["too late"]
            assert is_timeout((await event).first())
            assert_closes(queue)
    assert "stubborn does not end after its timeout" in caplog.text


@virtual
async def test_so_does_one_of_several() -> None:
    stubborn = Stubborn()
    for order in (["stubborn", "good"], ["good", "stubborn"]):
        made = {
            "stubborn": Collector("stubborn", stubborn, timeout=1),
            "good": Collector("good", Clocked()),
        }
        stubborn.shut()
        async with CollectorQueue([made[key] for key in order], max_consumers=1) as queue:
            results = await (await queue.publisher.send(1))
            assert is_timeout(results["stubborn"])
            assert results["good"] == Ok(1)
            assert await (await queue.publisher.send(2, keys="good")) == [Ok(2)]
            stubborn.open()
            await ticks(5)
            assert_closes(queue)


@both_loops
async def test_a_thread_is_left_to_itself_and_another_takes_its_place(
    caplog: pytest.LogCaptureFixture,
) -> None:
    release = threading.Event()
    ended = threading.Event()

    def block(payload: Payload[Any]) -> Any:
        if payload.value == "block":
            release.wait(20)
            ended.set()
        return payload.value

    collector = Collector("block", block, runs_in="thread", timeout=0.05)
    with caplog.at_level(logging.WARNING, "collectorqueue.threads"):
        async with CollectorQueue([collector], max_consumers=1) as queue:
            event = await queue.publisher.send("block")
            other = await queue.publisher.send("other")
            assert is_timeout((await event).first())
            assert await other == [Ok("other")]
            assert queue.metrics.policies.abandoned_threads == 1
            assert not ended.is_set()
            release.set()
    assert "was given up and goes on" in caplog.text


@virtual
async def test_what_the_handler_times_itself_is_its_own() -> None:
    async def handle(payload: Payload[int]) -> str:
        try:
            async with asyncio.timeout(1):
                await asyncio.sleep(100)
        except TimeoutError:
            return "mine"
        return "none"

    collector = Collector("handle", handle, timeout=2)
    async with CollectorQueue([collector]) as queue:
        assert await (await queue.publisher.send(1)) == [Ok("mine")]


@virtual
async def test_a_cancel_that_comes_first_is_a_cancel() -> None:
    gate = Gate()
    async with CollectorQueue([Collector("gate", gate, timeout=5)]) as queue:
        event = await queue.publisher.send(1)
        await until(lambda: gate.started == [1])
        assert event.cancel()
        await event
        assert event.outcome is Outcome.ABORTED
        await asyncio.sleep(20)
        assert_closes(queue)


@virtual
async def test_a_key_goes_on_after_a_timeout() -> None:
    async def slow(payload: Payload[int]) -> int:
        if payload.value == 0:
            await asyncio.sleep(100)
        return payload.value

    collector = Collector("slow", slow, timeout=1)
    async with CollectorQueue([collector]) as queue:
        events = [await queue.publisher.send(n, ordering_key="k") for n in range(3)]
        assert is_timeout((await events[0]).first())
        assert await events[2] == [Ok(2)]


@pytest.mark.repetitive
@virtual
async def test_ten_thousand_that_are_in_time_leave_no_deadlines() -> None:
    collector = Collector("log", Clocked(0.001), timeout=1000)
    async with CollectorQueue([collector], capacity=20_000) as queue:
        for number in range(10_000):
            await queue.publisher.send(number)
        await queue.publisher.wait()
        assert queue._core.deadlines < 1000


def test_bad_timeouts_are_refused() -> None:
    for bad, kind in ((0, ConfigError), (-1, ConfigError), ("1", TypeError)):
        with pytest.raises(kind, match="timeout"):
            Collector("a", Clocked(), timeout=bad)  # type: ignore[arg-type]
