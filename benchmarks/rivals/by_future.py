"""Queues without handlers: an item is a payload and a future, which a worker settles.

Rules of residence: what asyncio.Queue has in common with the queues made like it. Each
is driven by a module of its own, which says how its workers run; the functions of that
module are those of one `ByFuture`.
"""

from __future__ import annotations

import asyncio
import tracemalloc
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from time import perf_counter
from typing import Any, Protocol

from benchmarks.ticker import Ticker
from benchmarks.workload import Handler, answer, sleeping_for
from collectorqueue import Ok, Payload

__all__ = ["LACKS", "MODES", "ByFuture", "Item", "Putting", "Result"]

MODES = ("send", "send_nowait")
LACKS = {
    "routed": "no routing",
    "topical": "no routing",
    "fan_out": "an item is for one taker",
    "dispatch": "no routing",
    "index_build": "no routing",
}

Result = asyncio.Future[Ok[Any]]
Item = tuple[Payload[Any], Result]


class Putting(Protocol):
    """The side of a queue that senders see."""

    async def put(self, item: Item) -> None: ...

    def put_nowait(self, item: Item) -> None: ...

    def qsize(self) -> int: ...


Working = Callable[[Handler, int], AbstractAsyncContextManager[Putting]]
"""A queue with so many workers, which await the handler for each of its items."""


class ByFuture:
    """The cases, for one kind of queue."""

    def __init__(self, working: Working) -> None:
        self._working = working

    async def windowed(
        self,
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
        async with self._working(handler, 1) as queue:
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
            assert queue.qsize() == 0
        return seconds

    async def sleeping(
        self, events: int, window: int, consumers: int, sleep_s: float = 0.0
    ) -> float:
        """As many workers as consumers."""
        create_future = asyncio.get_running_loop().create_future
        kept = []
        async with self._working(sleeping_for(sleep_s), consumers) as queue:
            begun = perf_counter()
            for start in range(0, events, window):
                for i in range(start, start + window):
                    future = create_future()
                    queue.put_nowait((Payload(i), future))
                    kept.append(future)
                await asyncio.sleep(0)
            for future in kept:
                await future
            seconds = perf_counter() - begun
        assert [future.result().value for future in kept] == list(range(events))
        return seconds

    async def burst(self, events: int, mode: str) -> float:
        """Send all, keep the futures, then await each."""
        async with self._working(answer, 1) as queue:
            begun = perf_counter()
            kept = await _send_all(queue, events, mode)
            for future in kept:
                await future
            seconds = perf_counter() - begun
            assert all(future.result().value == i for i, future in enumerate(kept))
        return seconds

    async def round_trip(self, events: int, mode: str) -> float:
        """Send one, await its result, repeat."""
        create_future = asyncio.get_running_loop().create_future
        async with self._working(answer, 1) as queue:
            begun = perf_counter()
            for i in range(events):
                future = create_future()
                queue.put_nowait((Payload(i), future))
                result = await future
            seconds = perf_counter() - begun
            assert result.value == events - 1
        return seconds

    async def memory_per_event(self, events: int) -> float:
        """Bytes of a payload, its future and their tuple, kept while it is queued."""
        async with self._working(answer, 1) as queue:
            tracemalloc.start()
            kept = await _send_all(queue, events, "send")
            used, _ = tracemalloc.get_traced_memory()
            tracemalloc.stop()
            assert queue.qsize() == len(kept) == events
            for future in kept:
                await future
        return used / events

    async def responsiveness(self, events: int) -> list[float]:
        """Lags of a ticker, in seconds, while a full queue drains."""
        create_future = asyncio.get_running_loop().create_future
        async with self._working(answer, 1) as queue, Ticker() as ticker:
            for i in range(events):
                future = create_future()
                queue.put_nowait((Payload(i), future))
            ticker.restart()
            last = await future
            assert last.value == events - 1
        return ticker.lags


async def _send_all(queue: Putting, events: int, mode: str) -> list[Result]:
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
