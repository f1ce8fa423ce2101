"""What the monitor sees of a running queue."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from collectorqueue import CollectorQueue
from collectorqueue.cli.demo.lag import TICK_S, LagMeter
from collectorqueue.cli.demo.monitor import Monitor, Sample
from collectorqueue.cli.demo.publishing import Publishing
from tests.support import Gate, VirtualLoop, both_loops, until, virtual


class Watched:
    """A queue whose one handler waits, and a monitor on the loop's own time."""

    def __init__(self) -> None:
        self.gate = Gate()
        self.queue = CollectorQueue(max_consumers=4)
        self.queue.collector("gate")(self.gate)
        self.publishing = Publishing(self.queue)
        self.shown: list[Sample] = []
        self.monitor = Monitor(
            self.queue,
            self.publishing,
            self.shown.append,
            asyncio.get_running_loop().time,
        )


@virtual
async def test_a_sample_is_shown_each_second() -> None:
    watched = Watched()
    async with watched.queue, asyncio.TaskGroup() as group:
        watching = group.create_task(watched.monitor.watch())
        await asyncio.sleep(3.5)
        watching.cancel()
        assert [round(sample.seconds) for sample in watched.shown] == [1, 2, 3]


@virtual
async def test_a_sample_has_the_counts_of_now_and_the_rate_since_the_last() -> None:
    watched = Watched()
    async with watched.queue, asyncio.TaskGroup() as group:
        watching = group.create_task(watched.monitor.watch())
        watched.monitor.begin("burst")
        watched.publishing.sending = 3
        for number in range(10):
            await watched.queue.publisher.send(number)
        await asyncio.sleep(1.5)
        watched.gate.open()
        await asyncio.sleep(1)
        watching.cancel()
    first, second = watched.shown
    assert (first.phase, first.events, first.events_per_s) == ("burst", 0, 0)
    assert (first.queued, first.consumers, first.waiting, first.failed) == (6, 4, 3, 0)
    assert (second.events, round(second.events_per_s)) == (10, 10)


@virtual
async def test_a_phase_reports_its_own_events_and_peaks() -> None:
    watched = Watched()
    monitor = watched.monitor
    async with watched.queue:
        await watched.queue.publisher.send(1)
        await until(lambda: watched.gate.started)
        monitor.begin("burst")
        for number in range(5):
            await watched.queue.publisher.send(number)
        await until(lambda: len(watched.gate.started) == 4)
        watched.publishing.sending = 2
        monitor.look()
        watched.publishing.sending = 0
        watched.gate.open()
        await watched.queue.publisher.wait()
        await asyncio.sleep(2)
        report = monitor.end()
        monitor.begin("after")
        assert monitor.end().events == 0
    assert (report.name, report.seconds) == ("burst", pytest.approx(2))
    assert (report.events, report.failed) == (6, 0)
    assert report.peak_waiting == 2
    assert report.peak_queued == 2
    assert report.peak_consumers == 4
    assert [each.name for each in monitor.phases] == ["burst", "after"]


@virtual
async def test_the_lag_is_how_late_a_timer_fires() -> None:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    meter = LagMeter(loop.time)
    with meter.running():
        await asyncio.sleep(1)
        assert meter.worst_s < 1e-6
        loop.clock.elapse(0.25)
        await asyncio.sleep(1)
        assert 0.25 - TICK_S < meter.recent_s() <= 0.25
        assert meter.recent_s() == 0
    assert 0.25 - TICK_S < meter.worst_s <= 0.25


@both_loops
async def test_the_lag_meter_leaves_no_timer() -> None:
    calls: Iterator[float] = iter(range(1000))
    meter = LagMeter(lambda: next(calls))
    with meter.running():
        await asyncio.sleep(2 * TICK_S)
    seen = next(calls)
    await asyncio.sleep(2 * TICK_S)
    assert next(calls) == seen + 1
