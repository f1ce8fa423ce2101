"""A task for each event, no queue: `create_task(handler(payload))`, kept and awaited.

Each window is awaited before the next, in a list that keeps its tasks alive. That was
quicker than asyncio.gather, a TaskGroup, or a set that each task is discarded from.
"""

from __future__ import annotations

import tracemalloc
from asyncio import create_task
from time import perf_counter

from benchmarks.ticker import Ticker
from benchmarks.workload import Handler, answer, recording, sleeping_for
from collectorqueue import Payload

__all__ = [
    "LACKS",
    "MODES",
    "burst",
    "memory_per_event",
    "recording",
    "responsiveness",
    "round_trip",
    "sleeping",
    "windowed",
]

MODES = ("create_task",)
LACKS = {
    "routed": "no routing",
    "topical": "no routing",
    "fan_out": "a task is one call",
    "dispatch": "no routing",
    "index_build": "no routing",
}


async def windowed(
    events: int,
    window: int,
    consumers: int,
    autoscale: bool,
    mode: str,
    *,
    handler: Handler = answer,
) -> float:
    """All of a window at a time, whatever `consumers` is."""
    begun = perf_counter()
    for start in range(0, events, window):
        tasks = [create_task(handler(Payload(i))) for i in range(start, start + window)]
        for task in tasks:
            result = await task
    seconds = perf_counter() - begun
    assert result.value == events - 1
    return seconds


async def sleeping(
    events: int, window: int, consumers: int, sleep_s: float = 0.0
) -> float:
    """As many at a time as there are consumers elsewhere."""
    handler = sleeping_for(sleep_s)
    return await windowed(
        events, consumers, consumers, False, "create_task", handler=handler
    )


async def burst(events: int, mode: str) -> float:
    """Start all, keep the tasks, then await each."""
    begun = perf_counter()
    kept = [create_task(answer(Payload(i))) for i in range(events)]
    for task in kept:
        await task
    seconds = perf_counter() - begun
    assert all(task.result().value == i for i, task in enumerate(kept))
    return seconds


async def round_trip(events: int, mode: str) -> float:
    """Start one, await it, repeat."""
    begun = perf_counter()
    for i in range(events):
        result = await create_task(answer(Payload(i)))
    seconds = perf_counter() - begun
    assert result.value == events - 1
    return seconds


async def memory_per_event(events: int) -> float:
    """Bytes of a payload, its coroutine and its task, kept before it has run."""
    tracemalloc.start()
    kept = [create_task(answer(Payload(i))) for i in range(events)]
    used, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert not any(task.done() for task in kept)
    for task in kept:
        await task
    return used / events


async def responsiveness(events: int) -> list[float]:
    """Lags of a ticker, in seconds, while tasks that were all started run."""
    async with Ticker() as ticker:
        kept = [create_task(answer(Payload(i))) for i in range(events)]
        ticker.restart()
        for task in kept:
            await task
    return ticker.lags
