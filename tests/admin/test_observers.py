"""Observers are told what happens, and cost nothing to those who have none."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from collectorqueue import (
    Batch,
    Collector,
    CollectorEvent,
    CollectorQueue,
    Outcome,
    Payload,
    RateLimit,
    Retry,
)
from collectorqueue.errors import QueueFull
from tests.policies.support import Flaky
from tests.support import Gate, assert_closes, both_loops, ticks, virtual
from tests.workers import handlers


def kinds(happened: list[Any]) -> list[str]:
    return [type(each).__name__ for each in happened]


@virtual
async def test_a_callable_is_told_of_the_queue_s_life() -> None:
    happened: list[Any] = []
    gate = Gate()
    queue = CollectorQueue([Collector("gate", gate)], capacity=3, max_consumers=3)
    queue.observe(happened.append)
    async with queue:
        for number in range(6):
            queue.publisher.send_nowait(number)
            await ticks(3)
        with pytest.raises(QueueFull):
            queue.publisher.send_nowait(9)
        asyncio.get_running_loop().call_later(1.0, gate.open)
    assert kinds(happened) == [
        "QueueStarted", "Scaling", "Scaling", "Overflowed", "DrainStarted", "DrainFinished",
    ]  # fmt: skip
    assert happened[1].after == 2 and happened[3].queued == 3
    assert (happened[4].queued, happened[4].in_flight) == (3, 3)
    assert happened[5].aborted == 0 and happened[5].seconds == pytest.approx(1.0)
    assert b'"drain_finished"' in msgspec.json.encode(happened)


@virtual
async def test_each_event_is_told_of_on_request() -> None:
    async def work(_: Any) -> None:
        await asyncio.sleep(2.0)

    settled: list[Any] = []
    async with CollectorQueue([Collector("work", work)], max_consumers=1) as queue:
        stop = queue.observe(settled.append, spans=True)
        for number in range(2):
            await queue.publisher.send(number)
        await queue.publisher.wait()
        events = [each for each in settled if isinstance(each, CollectorEvent)]
        assert [each.payload.value for each in events] == [0, 1]
        assert [each.wait_time() for each in events] == [0, 2_000_000_000]
        assert [each.service_time() for each in events] == [2_000_000_000] * 2
        stop()
        await queue.publisher.request(3)
        assert len([each for each in settled if isinstance(each, CollectorEvent)]) == 2


class Spans:
    def __init__(self) -> None:
        self.log: list[tuple[str, int]] = []

    def on_sent(self, event: CollectorEvent) -> None:
        self.log.append(("sent", event.payload.value))

    def on_started(self, event: CollectorEvent) -> None:
        self.log.append(("started", event.payload.value))

    def on_settled(self, event: CollectorEvent) -> None:
        assert event.outcome is Outcome.OK
        self.log.append(("settled", event.payload.value))


@virtual
async def test_an_object_is_told_by_its_methods() -> None:
    one, other = Spans(), Spans()
    async with CollectorQueue([Collector("same", lambda p: p.value)]) as queue:
        queue.observe(one)
        queue.observe(other)
        for number in range(2):
            await queue.publisher.request(number)
    assert one.log == other.log == [
        ("sent", 0), ("started", 0), ("settled", 0),
        ("sent", 1), ("started", 1), ("settled", 1),
    ]  # fmt: skip


@virtual
async def test_the_sum_closes_at_each_instant_they_are_told_of() -> None:
    told: list[str] = []

    def look(name: str) -> Callable[[CollectorEvent], None]:
        def tell(event: CollectorEvent) -> None:
            ledger = queue.ledger
            assert ledger.closes, (name, event, ledger)
            ended = ledger.accepted - ledger.queued - ledger.in_flight
            assert ended == told.count("on_settled") + (name == "on_settled")
            told.append(name)

        return tell

    observer = SimpleNamespace(
        **{name: look(name) for name in ("on_sent", "on_started", "on_settled")}
    )
    gate, flaky = Gate(), Flaky(1)
    collectors = [
        Collector("gate", gate, topics=["gate", "both"]),
        Collector("flaky", flaky, topics=["flaky", "both"], retry=Retry(backoff=1)),
        Collector("fails", Flaky(9), topics="fails"),
        Collector("batch", lambda payloads: None, topics="batch", batch=Batch(2, wait=1)),
    ]
    async with CollectorQueue(
        collectors, max_consumers=2, capacity=9, overflow="drop_oldest"
    ) as queue:
        queue.observe(observer)
        for topic in ("gate", "flaky", "fails", "nobody", "both", "batch") * 4:
            await queue.publisher.send(topic, topics=topic)
        (await queue.publisher.send("gate", topics="gate")).cancel()
        await ticks(3)
        gate.open()
        await queue.publisher.wait()
        ledger = queue.ledger
    # None that failed was taken off, and nothing is missing.
    assert (told.count("on_sent"), told.count("on_settled")) == (25, 25)
    assert min(ledger.ok, ledger.failed, ledger.unrouted, ledger.dropped, ledger.aborted) > 0


@virtual
@pytest.mark.parametrize("several", [False, True])
async def test_one_that_raises_is_logged_once_and_removed(
    several: bool, caplog: pytest.LogCaptureFixture
) -> None:
    calls: list[Any] = []

    def broken(event: Any) -> None:
        calls.append(event)
        raise RuntimeError("on purpose")

    spans = Spans()
    async with CollectorQueue([Collector("same", lambda p: p.value)]) as queue:
        queue.observe(broken, spans=True)
        if several:
            queue.observe(spans)
        for number in range(3):
            assert (await queue.publisher.request(number)).first().ok()
    assert len(calls) == 1 and caplog.text.count("an observer failed") == 1
    assert len(spans.log) == (9 if several else 0)


def test_what_is_no_observer_is_refused() -> None:
    with pytest.raises(TypeError, match="an observer is callable or has one of"):
        CollectorQueue().observe(object())


@pytest.mark.slow
def test_workers_are_told_of() -> None:
    happened: list[Any] = []

    async def main() -> None:
        queue = CollectorQueue(
            [Collector("pid", handlers.pid, runs_in="process")], workers=1
        )
        queue.observe(happened.append)
        async with queue, asyncio.timeout(20):
            pid = await queue.publisher.call("pid", None)
            os.kill(pid, signal.SIGKILL)
            assert await queue.publisher.call("pid", None) != pid

    asyncio.run(main())
    assert kinds(happened)[:4] == [
        "WorkerStarted", "QueueStarted", "WorkerDied", "WorkerStarted",
    ]  # fmt: skip
    assert happened[0].pid == happened[2].pid and happened[0].seconds > 0


@pytest.mark.parametrize(
    "name",
    ["on_queue_started", "on_scaled", "on_sent", "on_started", "on_settled",
     "on_drain_started", "on_drain_finished"],
)  # fmt: skip
@virtual
async def test_whatever_an_observer_raises_costs_itself_only(
    name: str, caplog: pytest.LogCaptureFixture
) -> None:
    class Breaking:
        def __init__(self) -> None:
            setattr(self, name, self.fail)

        def fail(self, _: object) -> None:
            raise asyncio.CancelledError

    async def work(_: Any) -> None:
        await asyncio.sleep(1)

    queue = CollectorQueue([Collector("work", work)])
    queue.observe(Breaking())
    for _ in range(2):
        async with queue:
            events = await queue.publisher.send_many(range(10))
            async with asyncio.timeout(5):
                for event in events:
                    assert (await event).first().ok()
    assert caplog.text.count("an observer failed and is removed") == 1


def test_what_ends_the_program_does_so_from_an_observer_too() -> None:
    def leave(_: object) -> None:
        raise SystemExit(7)

    async def main() -> None:
        async with CollectorQueue([Collector("work", lambda payload: None)]) as queue:
            queue.observe(leave, spans=True)
            event = await queue.publisher.send(1)
            await event
            assert event.outcome is Outcome.OK
            await asyncio.sleep(1)
            raise AssertionError("the program has not ended")

    with pytest.raises(SystemExit):
        asyncio.run(main())


class Awkward:
    def __getattr__(self, name: str) -> Any:
        raise RuntimeError("no such thing")


class Slow:
    def on_settled(self, event: object) -> None:
        """Not called."""


class Odd:
    on_settled = 3


async def later(_: object) -> None:
    """Not called."""


@virtual
async def test_what_cannot_observe_is_refused_and_not_kept() -> None:
    async with CollectorQueue([Collector("work", lambda payload: None)]) as queue:
        with pytest.raises(RuntimeError, match="no such thing"):
            queue.observe(Awkward())
        with pytest.raises(TypeError, match="an observer is an object, got the class"):
            queue.observe(Slow)
        with pytest.raises(TypeError, match="on_settled of an observer must be callable"):
            queue.observe(Odd())
        with pytest.raises(TypeError, match="called in line, got the async"):
            queue.observe(later)
        queue.observe(Slow())
        assert (await queue.publisher.request(1)).first().ok()
    with pytest.raises(TypeError, match="on_report is called in line"):
        CollectorQueue(on_report=later)


class CancelsSome:
    def __init__(self) -> None:
        self.answers: list[bool] = []

    def on_started(self, event: CollectorEvent) -> None:
        if event.payload.value == "cancel":
            self.answers.append(event.cancel())


async def after_a_turn(payload: Payload[Any]) -> Any:
    await asyncio.sleep(0)
    return payload.value


@pytest.mark.parametrize(
    "options",
    [
        {}, {"runs_in": "thread"}, {"max_concurrency": 1}, {"retry": Retry(2, backoff=0)},
        {"runs_in": "thread", "max_concurrency": 1}, {"rate_limit": RateLimit(1000)},
    ],
    ids=str,
)  # fmt: skip
@pytest.mark.parametrize("several", [False, True])
@both_loops
async def test_an_event_may_be_cancelled_by_who_is_told_that_it_begins(
    several: bool, options: Any
) -> None:
    """Nothing of it runs, and what it was let into is left."""
    called: list[Any] = []

    def work(payload: Payload[Any]) -> None:
        called.append(payload.value)

    collectors = [Collector("work", work, **options)]
    if several:
        collectors.append(Collector("too", after_a_turn, max_concurrency=1))
    observer = CancelsSome()
    queue = CollectorQueue(collectors, max_consumers=2)
    async with queue:
        queue.observe(observer)
        values = ["first", "cancel", "cancel", "third", "cancel", "last"]
        events = [queue.publisher.send_nowait(value) for value in values]
        for event, value in zip(events, values, strict=True):
            await event.wait(timeout=5)
            cancelled = value == "cancel"
            assert event.outcome is (Outcome.ABORTED if cancelled else Outcome.OK)
        assert observer.answers == [True] * 3
        assert sorted(called) == ["first", "last", "third"]
        await ticks(3)  # a consumer joins the threads of an event after that has ended
        assert queue.load.busy == 0
        stats = queue.collector_stats()["work"]
        assert stats.running == 0
        async with asyncio.timeout(5):
            await queue.remove_collector("work")
    assert_closes(queue)
