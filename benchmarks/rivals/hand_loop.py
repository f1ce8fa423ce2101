"""The 25-line loop that a good engineer writes by hand: a deque and one worker.

The worker drains; a future is made only when somebody waits. No bounds, errors,
routing, concurrency or metrics: what is left without all that makes a queue.
"""

from __future__ import annotations

import asyncio
import tracemalloc
from collections import deque
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

MODES = ("send_nowait",)
LACKS = {
    "routed": "no routing",
    "sleeping": "one event at a time",
    "topical": "no routing",
    "fan_out": "one handler",
    "dispatch": "no routing",
    "index_build": "no routing",
}


class Event:
    """A payload on its way."""

    __slots__ = ("future", "payload", "result")

    def __init__(self, payload: Payload[Any]) -> None:
        self.payload = payload
        self.result: Ok[Any] | None = None
        self.future: asyncio.Future[None] | None = None

    async def wait(self) -> Ok[Any]:
        """The handler's result."""
        if self.result is None:
            if self.future is None:
                self.future = asyncio.get_running_loop().create_future()
            await self.future
        assert self.result is not None
        return self.result


class HandLoop:
    """The loop itself; `send` and `work` are the 25 lines."""

    def __init__(self, handler: Handler) -> None:
        self.handler = handler
        self.waiting: deque[Event] = deque()
        self.bell: asyncio.Future[None] | None = None
        self.worker: asyncio.Task[None] | None = None

    def send(self, payload: Payload[Any]) -> Event:
        """Queue a payload."""
        event = Event(payload)
        self.waiting.append(event)
        if self.bell is not None:
            self.bell.set_result(None)
            self.bell = None
        return event

    async def work(self) -> None:
        """Drain, sleep until the next send, repeat."""
        waiting, handler = self.waiting, self.handler
        while True:
            while waiting:
                event = waiting.popleft()
                event.result = await handler(event.payload)
                if event.future is not None:
                    event.future.set_result(None)
            self.bell = asyncio.get_running_loop().create_future()
            await self.bell

    async def __aenter__(self) -> HandLoop:
        self.worker = asyncio.create_task(self.work())
        await asyncio.sleep(0)
        return self

    async def __aexit__(self, *exc: object) -> None:
        assert self.worker is not None
        self.worker.cancel()
        await asyncio.wait([self.worker])


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
    async with HandLoop(handler) as loop:
        send = loop.send
        begun = perf_counter()
        for start in range(0, events, window):
            for i in range(start, start + window):
                event = send(Payload(i))
            await asyncio.sleep(0)
        last = await event.wait()
        seconds = perf_counter() - begun
        assert last.value == events - 1
        assert not loop.waiting
    return seconds


async def burst(events: int, mode: str) -> float:
    """Send all, keep the events, then await each."""
    async with HandLoop(answer) as loop:
        send = loop.send
        begun = perf_counter()
        kept = [send(Payload(i)) for i in range(events)]
        for event in kept:
            await event.wait()
        seconds = perf_counter() - begun
        for i, event in enumerate(kept):
            assert event.result is not None
            assert event.result.value == i
    return seconds


async def round_trip(events: int, mode: str) -> float:
    """Send one, await its result, repeat."""
    async with HandLoop(answer) as loop:
        begun = perf_counter()
        for i in range(events):
            result = await loop.send(Payload(i)).wait()
        seconds = perf_counter() - begun
        assert result.value == events - 1
    return seconds


async def memory_per_event(events: int) -> float:
    """Bytes of a payload and its event, kept while it is queued."""
    async with HandLoop(answer) as loop:
        kept = []
        tracemalloc.start()
        for i in range(events):
            kept.append(loop.send(Payload(i)))
        used, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert len(loop.waiting) == len(kept) == events
    return used / events


async def responsiveness(events: int) -> list[float]:
    """Lags of a ticker, in seconds, while a full queue drains."""
    async with HandLoop(answer) as loop, Ticker() as ticker:
        for i in range(events):
            event = loop.send(Payload(i))
        ticker.restart()
        last = await event.wait()
        assert last.value == events - 1
    return ticker.lags
