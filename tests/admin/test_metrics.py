"""What the counters say of a queue and of its collectors."""

from __future__ import annotations

import asyncio
import json
import random
import time
from typing import Any

import msgspec
import pytest

from collectorqueue import Collector, CollectorQueue, Metrics, Payload, Retry
from collectorqueue.admin.metrics import Quantiles
from collectorqueue.errors import QueueFull
from tests.support import Gate, assert_closes, both_loops, ticks, virtual
from tests.workers import handlers


async def wait_for(payload: Payload[float]) -> None:
    await asyncio.sleep(payload.value)


@virtual
async def test_times_of_events_have_quantiles_within_two_per_cent() -> None:
    async with CollectorQueue([Collector("wait", wait_for)], max_consumers=1) as queue:
        await queue.publisher.send_many([1.0] * 100)
        await queue.publisher.wait()
        metrics = queue.metrics
        assert metrics.service.count == metrics.wait.count == metrics.sojourn.count == 100
        assert metrics.service.p50 == pytest.approx(1.0, rel=0.02)
        # The first waits for none, the last for the 99 before it.
        assert metrics.wait.mean == pytest.approx(49.5)
        assert metrics.wait.p50 == pytest.approx(49.0, rel=0.03)
        assert metrics.wait.p99 == pytest.approx(98.0, rel=0.02)
        assert metrics.sojourn.p999 == pytest.approx(100.0, rel=0.02)
        assert metrics.at_cap == pytest.approx(99.0)
        assert metrics.collectors["wait"].run == metrics.service


@virtual
async def test_an_event_that_never_started_has_stayed_but_not_waited() -> None:
    gate = Gate()
    async with CollectorQueue([Collector("gate", gate)], max_consumers=1) as queue:
        await queue.publisher.send("first")
        await ticks(3)
        dropped = await queue.publisher.send(Payload("second", ttl=2.0))
        cancelled = await queue.publisher.send("third")
        await asyncio.sleep(1.0)
        cancelled.cancel()
        await dropped
        assert queue.metrics.drops == {"ttl": 1, "oldest": 0, "incoming": 0}
        assert queue.metrics.wait.count == 1
        assert queue.metrics.sojourn.count == 2
        assert queue.metrics.sojourn.mean == pytest.approx(1.5)
        gate.open()
        await queue.publisher.wait()
        assert_closes(queue)


@virtual
async def test_metrics_are_json_as_they_are() -> None:
    async with CollectorQueue([Collector("wait", wait_for)]) as queue:
        await queue.publisher.send_many([0.5] * 10)
        await queue.publisher.wait()
        assert queue.get_metrics() == queue.metrics
        text = msgspec.json.encode(queue.metrics)
        assert json.loads(text)["scaling"]["recent"][0]["after"] == 10
        assert msgspec.json.decode(text, type=Metrics) == queue.metrics


@virtual
async def test_only_collectors_that_events_came_to_are_listed() -> None:
    collectors = [Collector(f"c{each}", wait_for) for each in range(1000)]
    async with CollectorQueue(collectors) as queue:
        assert queue.metrics.collectors == {} and queue.metrics.wait == Quantiles()
        for each in (7, 3, 500):
            await queue.publisher.send(0.0, keys=f"c{each}")
        await queue.publisher.wait()
        assert list(queue.metrics.collectors) == ["c3", "c7", "c500"]
        assert len(queue.collector_stats()) == 1000


@both_loops
async def test_the_collector_that_held_the_loop_longest_is_named() -> None:
    def spin(payload: Payload[float]) -> None:
        end = time.perf_counter() + payload.value
        while time.perf_counter() < end:
            pass

    async def spin_later(payload: Payload[float]) -> None:
        await asyncio.sleep(0.01)
        spin(payload)
        await asyncio.sleep(0.3)  # waiting holds nothing

    async with CollectorQueue(
        [Collector("plain", spin), Collector("late", spin_later)]
    ) as queue:
        assert queue.metrics.longest_hold_by is None
        await queue.publisher.request(0.02, keys="plain")
        assert queue.metrics.longest_hold_by == "plain"
        assert 0.02 <= queue.metrics.longest_hold < 0.2
        await queue.publisher.request(0.05, keys="late")
        assert queue.metrics.longest_hold_by == "late"
        assert 0.05 <= queue.metrics.longest_hold < 0.25


@both_loops
async def test_what_events_stayed_adds_up_whatever_becomes_of_them() -> None:
    queue: CollectorQueue

    async def forward(payload: Payload[int]) -> None:
        if payload.value % 3 == 0:
            queue.publisher.send_nowait(payload.value + 1, keys="plain")
        await asyncio.sleep(0.001)
        if payload.value % 7 == 0:
            raise ValueError(payload.value)

    def plain(payload: Payload[int]) -> int:
        return payload.value

    queue = CollectorQueue(
        [Collector("forward", forward, topics="t"), Collector("plain", plain),
         Collector("remote", handlers.add_one, topics="t", runs_in="process")],
        max_consumers=8, workers=1,
    )  # fmt: skip
    async with queue:
        for number in range(300):
            event: Any = await queue.publisher.send(
                Payload(number, topics="t" if number % 2 else "nobody", ttl=0.02)
            )
            if number % 11 == 0:
                event.cancel()
            if number % 50 == 0:
                await asyncio.sleep(0.002)
                assert_closes(queue)
        await queue.publisher.wait()
        assert queue.ledger.accepted >= 300 and queue.metrics.sojourn.count > 300
        assert_closes(queue)
    assert queue.metrics.little_residual == 0.0


@virtual
async def test_a_function_of_the_user_s_gets_the_metrics_every_so_often(caplog: Any) -> None:
    reports: list[Metrics] = []

    def report(metrics: Metrics) -> None:
        reports.append(metrics)
        if len(reports) == 2:
            raise RuntimeError("on purpose")

    async with CollectorQueue(
        [Collector("wait", wait_for)], report_interval=10.0, on_report=report
    ) as queue:
        await queue.publisher.send_many([1.0] * 5)
        await asyncio.sleep(35)
        assert [each.event_count for each in reports] == [5, 5, 5]
    await asyncio.sleep(60)
    assert len(reports) == 3 and caplog.text.count("on_report failed") == 1
    with pytest.raises(TypeError, match="on_report must be callable"):
        CollectorQueue(on_report=3)  # type: ignore[arg-type]


@virtual
async def test_recent_quantiles_forget_what_is_long_ago() -> None:
    async with CollectorQueue([Collector("wait", wait_for)], max_consumers=4) as queue:
        await queue.publisher.send_many([8.0] * 20)
        await queue.publisher.wait()
        assert queue.metrics.recent_service == queue.metrics.service
        await asyncio.sleep(45)
        await queue.publisher.send_many([0.5] * 10)
        await queue.publisher.wait()
        metrics = queue.metrics
        assert metrics.service.count == 30 and metrics.recent_service.count == 22
        await asyncio.sleep(50)
        metrics = queue.metrics
        assert metrics.recent_service.count == 10 and metrics.recent_wait.count == 10
        assert metrics.recent_service.mean == pytest.approx(0.5)
        assert metrics.recent_service.p999 == pytest.approx(0.5, rel=0.02)
        assert metrics.service.p50 == pytest.approx(8.0, rel=0.02)
        await asyncio.sleep(3600)
        metrics = queue.metrics
        assert metrics.recent_service == Quantiles() and metrics.service.count == 30
        assert 60 <= metrics.window < 70
        assert metrics.wip == metrics.avg_load == metrics.arrival_rate == 0.0


class Presence:
    """How many events were present when, by those who watch."""

    def __init__(self) -> None:
        self.changes: list[tuple[float, int]] = []

    def on_sent(self, event: object) -> None:
        self.changes.append((asyncio.get_running_loop().time(), 1))

    def on_settled(self, event: object) -> None:
        self.changes.append((asyncio.get_running_loop().time(), -1))

    def mean(self, start: float, end: float) -> float:
        return sum(
            sign * (end - max(start, at)) for at, sign in self.changes if at < end
        ) / (end - start)

    def count(self, sign: int, start: float, end: float) -> int:
        return sum(start <= at <= end for at, each in self.changes if each == sign)


@virtual
async def test_averages_over_the_window_are_exact_however_seldom_they_are_read() -> None:
    rng = random.Random(5)
    presence = Presence()
    loop = asyncio.get_running_loop()
    async with CollectorQueue([Collector("wait", wait_for)], max_consumers=3) as queue:
        queue.observe(presence)
        for pause in (1, 70, 3, 15, 200, 9, 31, 60, 2, 59, 10):
            for _ in range(rng.randrange(1, 40)):
                await asyncio.sleep(rng.random())
                queue.publisher.send_nowait(rng.random() * 4)
            await asyncio.sleep(pause + 0.123)
            metrics, now = queue.metrics, loop.time()
            start = now - metrics.window
            assert metrics.window < 70 and (metrics.window >= 60 or abs(start - 1000) < 1e-6)
            assert metrics.wip == pytest.approx(presence.mean(start, now), abs=1e-7)
            sent = presence.count(1, start, now)
            assert metrics.arrival_rate * metrics.window == pytest.approx(sent)
            ended = presence.count(-1, start, now)
            assert metrics.departure_rate * metrics.window == pytest.approx(ended)
            assert metrics.recent_sojourn.count == ended


@virtual
async def test_sends_that_are_refused_are_counted() -> None:
    gate = Gate()
    async with CollectorQueue([Collector("gate", gate)], capacity=2) as queue:
        for _ in range(2):
            queue.publisher.send_nowait("fits")
        for _ in range(3):
            with pytest.raises(QueueFull):
                queue.publisher.send_nowait("does not")
        assert queue.metrics.refused_sends == 3
        gate.open()


@virtual
async def test_a_consumer_that_waited_for_other_collectors_knows_how_late_it_is() -> None:
    async def slow(_: Payload[Any]) -> None:
        await asyncio.sleep(15)

    queue = CollectorQueue(
        [Collector("slow", slow, topics="both"),
         Collector("quick", lambda payload: None, topics=["both", "one"])],
        max_consumers=1,
    )  # fmt: skip
    async with queue:
        await queue.publisher.send(1, topics="both")
        await asyncio.sleep(5)
        second = await queue.publisher.send(2, topics="one")
        await second
        assert (second.wait_time(), second.service_time()) == (10 * 10**9, 0)
        assert queue.metrics.wip * queue.metrics.window == pytest.approx(25)
        await asyncio.sleep(60)
        # Of the last five seconds.
        assert queue.metrics.wip * queue.metrics.window == pytest.approx(10)
        await asyncio.sleep(60)
        assert queue.metrics.wip == queue.metrics.avg_load == 0.0


@virtual
async def test_an_observer_that_takes_time_and_reads_metrics_spoils_no_average() -> None:
    loop: Any = asyncio.get_running_loop()
    async with CollectorQueue([Collector("work", lambda payload: None)]) as queue:

        def read(event: object) -> None:
            loop.clock.elapse(9.0)
            assert queue.metrics.little_residual == 0.0

        stop = queue.observe(read, spans=True)
        for number in range(5):
            await queue.publisher.request(number)
        stop()
        for _ in range(8):
            await asyncio.sleep(9)
            assert 0 <= queue.metrics.avg_load < 5
        await asyncio.sleep(60)
        assert queue.metrics.avg_load == queue.metrics.wip == 0.0


@virtual
async def test_events_that_never_started_have_no_service_time() -> None:
    async with CollectorQueue([Collector("wait", wait_for)], max_consumers=1) as queue:
        await queue.publisher.send(1.0)
        await ticks(3)
        for _ in range(3):
            await queue.publisher.send(Payload(1.0, ttl=0.5))
        await queue.publisher.wait()
        assert queue.metrics.drops["ttl"] == 3
        assert queue.metrics.service_time == 1.0


@both_loops
async def test_events_that_run_in_workers_are_in_the_queue_all_the_while() -> None:
    queue = CollectorQueue(
        [Collector("sleep", handlers.sleep, runs_in="process")], workers=1
    )
    async with queue:
        begun = time.monotonic()
        await queue.publisher.send_many([0.1] * 4)
        await queue.publisher.wait()
        took = time.monotonic() - begun
        total = queue.metrics.wip * queue.metrics.window
        assert 0.39 <= total <= 4.1 * took


@both_loops
async def test_after_the_close_they_are_those_of_the_run() -> None:
    def fails(payload: Payload[Any]) -> None:
        raise ValueError

    queue = CollectorQueue(
        [
            Collector("fails", fails, retry=Retry(attempts=3, backoff=0)),
            Collector("same", handlers.same, runs_in="process"),
        ],
        dead_letter=lambda letter: None,
        workers=1,
    )
    for _ in range(2):
        async with queue:
            await queue.publisher.request(1, keys="fails")
            await queue.publisher.request(1, keys="same")
            before = queue.metrics
        metrics = queue.metrics
        assert metrics.policies == before.policies
        assert (metrics.policies.retries, metrics.policies.dead_letters) == (2, 1)
        assert metrics.workers is not None and before.workers is not None
        assert metrics.workers.started == before.workers.started == 1
        assert metrics.workers.workers == []
        assert metrics.ledger.closes
