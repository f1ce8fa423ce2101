"""asyncio.Queue by hand: each event carries a future, a worker settles it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from benchmarks.rivals.by_future import LACKS, MODES, ByFuture, Item
from benchmarks.workload import Handler, recording

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

Queue = asyncio.Queue[Item]


async def _work(queue: Queue, handler: Handler) -> None:
    while True:
        payload, future = await queue.get()
        try:
            future.set_result(await handler(payload))
        except Exception as error:
            future.set_exception(error)


@asynccontextmanager
async def _working(handler: Handler, workers: int) -> AsyncIterator[Queue]:
    queue: Queue = asyncio.Queue()
    tasks = [asyncio.create_task(_work(queue, handler)) for _ in range(workers)]
    await asyncio.sleep(0)
    try:
        yield queue
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


_cases = ByFuture(_working)
burst = _cases.burst
memory_per_event = _cases.memory_per_event
responsiveness = _cases.responsiveness
round_trip = _cases.round_trip
sleeping = _cases.sleeping
windowed = _cases.windowed
