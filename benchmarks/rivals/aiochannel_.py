"""aiochannel: a queue that can be closed; its takers iterate over it until then."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiochannel import Channel

from benchmarks.rivals.by_future import LACKS, MODES, ByFuture
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


async def _work(channel: Any, handler: Handler) -> None:
    async for payload, future in channel:
        try:
            future.set_result(await handler(payload))
        except Exception as error:
            future.set_exception(error)


@asynccontextmanager
async def _working(handler: Handler, workers: int) -> AsyncIterator[Any]:
    channel: Any = Channel()
    tasks = [asyncio.create_task(_work(channel, handler)) for _ in range(workers)]
    await asyncio.sleep(0)
    try:
        yield channel
    finally:
        channel.close()
        await asyncio.wait(tasks)


_cases = ByFuture(_working)
burst = _cases.burst
memory_per_event = _cases.memory_per_event
responsiveness = _cases.responsiveness
round_trip = _cases.round_trip
sleeping = _cases.sleeping
windowed = _cases.windowed
