"""A real queue on real arrivals, in virtual time, does what the simulator says it will."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from benchmarks.scaling.simulated import TRACES, Ours, arrivals, simulator
from collectorqueue import Collector, CollectorQueue, Payload
from collectorqueue.testing import VirtualClock, run_virtual

pytestmark = pytest.mark.slow  # minutes of virtual time

EVENTS = 4000


@pytest.mark.parametrize("trace", TRACES)
def test_the_pool_is_sized_as_in_the_simulator(trace: str) -> None:
    try:
        sim = simulator()
    except ImportError as error:
        pytest.skip(str(error))
    times, services = arrivals(sim, trace, 50, 0.2, 1.0)
    times, services = times[:EVENTS], services[:EVENTS]
    ours = Ours()
    simulation = sim.Sim(times, services, ours, max_c=1000)
    simulation.run()
    # Whole nanoseconds, as the queue's clock has: a decision is compared by when it was made.
    expected = [(round(at, 6), size) for at, size in ours.log]

    logs = [run_virtual(actions(times, services), clock=VirtualClock(0.0)) for _ in "ab"]
    assert logs[0] == logs[1]
    end = expected[-1][0]
    assert [each for each in logs[0] if each[0] <= end] == expected


async def actions(times: Any, services: Any) -> list[tuple[float, int]]:
    async def work(payload: Payload[float]) -> None:
        await asyncio.sleep(payload.value)

    loop = asyncio.get_running_loop()
    queue = CollectorQueue([Collector("work", work)], max_consumers=1000, capacity=EVENTS)
    log: list[tuple[float, int]] = []
    async with queue:
        begun = loop.time()
        queue.observe(
            lambda each: log.append((round(each.at - begun, 6), each.after))
            if type(each).__name__ == "Scaling"
            else None
        )
        for at, service in zip(times, services, strict=True):
            if at > loop.time() - begun:
                await asyncio.sleep(begun + float(at) - loop.time())
            queue.publisher.send_nowait(float(service))
        await queue.publisher.wait()
        assert queue.metrics.little_residual == 0.0
    return log
