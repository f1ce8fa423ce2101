"""pyee: its AsyncIOEventEmitter starts a task for each handler, and forgets results.

So nothing can be added up after a sample: that each event is handled once is shown by
the run before the clock starts, and by the tests.
"""

from __future__ import annotations

import asyncio
import itertools
import tracemalloc
from time import perf_counter
from typing import Any

from pyee.asyncio import AsyncIOEventEmitter

from benchmarks.ticker import Ticker
from benchmarks.workload import (
    Handler,
    answer,
    endless_windows,
    in_windows,
    recording,
    sleeping_for,
)
from collectorqueue import Ok, Payload

__all__ = [
    "LACKS",
    "MODES",
    "fan_out",
    "memory_per_event",
    "recording",
    "responsiveness",
    "routed",
    "sleeping",
    "topical",
    "windowed",
]

MODES = ("emit",)
_FORGOTTEN = "emit gives nothing back that could be awaited"
LACKS = {
    "burst": _FORGOTTEN,
    "round_trip": _FORGOTTEN,
    "dispatch": "looks up and calls in one",
    "index_build": "a list of handlers for each name is all",
}
EVENT = "event"


def _emitter(*handlers: Handler) -> AsyncIOEventEmitter:
    emitter = AsyncIOEventEmitter()
    for handler in handlers:
        emitter.on(EVENT, handler)
    return emitter


async def windowed(
    events: int,
    window: int,
    consumers: int,
    autoscale: bool,
    mode: str,
    *,
    handler: Handler = answer,
) -> float:
    """Emit a window, yield, repeat."""
    emitter = _emitter(handler)
    begun = perf_counter()
    await _windows(emitter, events, window)
    return perf_counter() - begun


async def sleeping(
    events: int, window: int, consumers: int, sleep_s: float = 0.0
) -> float:
    """All that were emitted at a time; there is no bound to set."""
    emitter = _emitter(sleeping_for(sleep_s))
    begun = perf_counter()
    await _windows(emitter, events, window)
    return perf_counter() - begun


async def memory_per_event(events: int) -> float:
    """Bytes of a payload, its coroutine and its task, before it has run."""
    emitter = _emitter(answer)
    tracemalloc.start()
    for i in range(events):
        emitter.emit(EVENT, Payload(i))
    used, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert not emitter.complete
    await emitter.wait_for_complete()
    return used / events


async def routed(
    events: int, window: int, delivery: str, collectors: int, hot: int, mode: str
) -> float:
    """A key, or a topic, is the name of an event that one handler listens to."""
    names = [f"name-{i}" for i in range(collectors)]
    turns = itertools.cycle(in_windows(names[:hot], window))
    return await _named(events, window, names, turns)


async def topical(events: int, window: int, topics: int) -> float:
    """The next of so many names for each event."""
    names = [f"topic-{i}" for i in range(topics)]
    windows = endless_windows(names, window)
    return await _named(events, window, names, windows)


async def fan_out(events: int, window: int, collectors: int, mode: str) -> float:
    """So many handlers of one event."""
    emitter = _emitter(*(another_answer() for _ in range(collectors)))
    begun = perf_counter()
    await _windows(emitter, events, window)
    return perf_counter() - begun


async def responsiveness(events: int) -> list[float]:
    """Lags of a ticker, in seconds, while tasks that were all started run."""
    emitter = _emitter(answer)
    async with Ticker() as ticker:
        for i in range(events):
            emitter.emit(EVENT, Payload(i))
        ticker.restart()
        await emitter.wait_for_complete()
    return ticker.lags


async def _windows(emitter: AsyncIOEventEmitter, events: int, window: int) -> None:
    emit = emitter.emit
    for start in range(0, events, window):
        for i in range(start, start + window):
            emit(EVENT, Payload(i))
        await asyncio.sleep(0)
    await emitter.wait_for_complete()


async def _named(events: int, window: int, names: list[str], turns: Any) -> float:
    emitter = _emitter()
    for name in names:
        emitter.on(name, answer)
    emit = emitter.emit
    begun = perf_counter()
    for start in range(0, events, window):
        for i, name in enumerate(next(turns), start):
            emit(name, Payload(i))
        await asyncio.sleep(0)
    await emitter.wait_for_complete()
    return perf_counter() - begun


def another_answer() -> Handler:
    """One more: a function that is registered twice counts as one."""

    async def handle(payload: Payload[Any]) -> Ok[Any]:
        return Ok(payload.value)

    return handle
