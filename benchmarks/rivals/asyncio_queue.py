"""asyncio.Queue by hand: each event carries a future, one worker settles it."""

from __future__ import annotations

import asyncio
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import perf_counter
from typing import Any

from benchmarks.ticker import Ticker
from benchmarks.workload import Handler, answer, recording
from collectorqueue import Ok, Payload

__all__ = [
    "LACKS",
    "MODES",
    "burst",
    "memory_per_event",
    "recording",
    "responsiveness",
    "round_trip",
    "windowed",
]

MODES = ("send", "send_nowait")
LACKS = {
    "routed": "no routing",
    "sleeping": "one event at a time",
    "dispatch": "no routing",
    "index_build": "no routing",
}

Result = asyncio.Future[Ok[Any]]
Queue = asyncio.Queue[tuple[Payload[Any], Result]]


async def _work(queue: Queue, handler: Handler) -> None:
    while True:
        payload, future = await queue.get()
        try:
            future.set_result(await handler(payload))
        except Exception as error:
            future.set_exception(error)


@asynccontextmanager
async def _working(handler: Handler) -> AsyncIterator[Queue]:
    queue: Queue = asyncio.Queue()
    worker = asyncio.create_task(_work(queue, handler))
    await asyncio.sleep(0)
    try:
        yield queue
    finally:
        worker.cancel()
        await asyncio.wait([worker])


async def windowed(
    events: int,
    window: int,
    consumers: int,
    autoscale: bool,
    mode: str,
    *,
    handler: Handler = answer,
) -> float:
    """One worker whatever `consumers` is."""
    create_future = asyncio.get_running_loop().create_future
    async with _working(handler) as queue:
        begun = perf_counter()
        if mode == "send":
            put = queue.put
            for start in range(0, events, window):
                for i in range(start, start + window):
                    future = create_future()
                    await put((Payload(i), future))
                await asyncio.sleep(0)
        else:
            put_nowait = queue.put_nowait
            for start in range(0, events, window):
                for i in range(start, start + window):
                    future = create_future()
                    put_nowait((Payload(i), future))
                await asyncio.sleep(0)
        last = await future
        seconds = perf_counter() - begun
        assert last.value == events - 1
        assert queue.empty()
    return seconds


async def _send_all(queue: Queue, events: int, mode: str) -> list[Result]:
    create_future = asyncio.get_running_loop().create_future
    kept = []
    for i in range(events):
        future = create_future()
        if mode == "send":
            await queue.put((Payload(i), future))
        else:
            queue.put_nowait((Payload(i), future))
        kept.append(future)
    return kept


async def burst(events: int, mode: str) -> float:
    """Send all, keep the futures, then await each."""
    async with _working(answer) as queue:
        begun = perf_counter()
        kept = await _send_all(queue, events, mode)
        for future in kept:
            await future
        seconds = perf_counter() - begun
        assert all(future.result().value == i for i, future in enumerate(kept))
    return seconds


async def round_trip(events: int, mode: str) -> float:
    """Send one, await its result, repeat."""
    create_future = asyncio.get_running_loop().create_future
    async with _working(answer) as queue:
        begun = perf_counter()
        for i in range(events):
            future = create_future()
            queue.put_nowait((Payload(i), future))
            result = await future
        seconds = perf_counter() - begun
        assert result.value == events - 1
    return seconds


async def memory_per_event(events: int) -> float:
    """Bytes of a payload, its future and their tuple, kept while it is queued."""
    async with _working(answer) as queue:
        tracemalloc.start()
        kept = await _send_all(queue, events, "send")
        used, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert queue.qsize() == len(kept) == events
        for future in kept:
            await future
    return used / events


async def responsiveness(events: int) -> list[float]:
    """Lags of a ticker, in seconds, while a full queue drains."""
    create_future = asyncio.get_running_loop().create_future
    async with _working(answer) as queue, Ticker() as ticker:
        for i in range(events):
            future = create_future()
            queue.put_nowait((Payload(i), future))
        ticker.restart()
        last = await future
        assert last.value == events - 1
    return ticker.lags
