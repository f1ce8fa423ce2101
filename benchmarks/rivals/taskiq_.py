"""taskiq's InMemoryBroker: a task is called by its name, its arguments cross as JSON.

With its quickest settings: orjson, no casting of arguments, and `await_inplace`, where
the sender awaits what it sends and nothing is queued. `create_task` is the broker's
default, where each call is a task of the loop. Results are kept for who asks later.
"""

from __future__ import annotations

import asyncio
import itertools
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from time import perf_counter
from typing import Any

from taskiq import InMemoryBroker
from taskiq.serializers import ORJSONSerializer

from benchmarks.ticker import Ticker
from benchmarks.workload import in_windows

__all__ = [
    "LACKS",
    "MODES",
    "burst",
    "memory_per_event",
    "recording",
    "responsiveness",
    "round_trip",
    "routed",
    "sleeping",
    "windowed",
]

MODES = ("await_inplace", "create_task")
LACKS = {
    "topical": "a task is called by its name; there are no topics",
    "fan_out": "a call is for one task",
    "dispatch": "looks up and calls in one",
    "index_build": "registering decorates a function, for one name each",
}
KEPT_IN_WINDOWS = 100  # results, the broker's default
ALL = -1

Function = Callable[[int], Awaitable[int]]


async def answer(value: int) -> int:
    """The least a task can do."""
    return value


def recording(seen: list[Any]) -> Function:
    """A task that notes what it is given in `seen`."""

    async def record(value: int) -> int:
        seen.append(value)
        return value

    return record


def sleeping_for(seconds: float) -> Function:
    """A task that sleeps; for no seconds it suspends once."""

    async def sleep_and_answer(value: int) -> int:
        await asyncio.sleep(seconds)
        return value

    return sleep_and_answer


@asynccontextmanager
async def _broker(mode: str, kept: int = KEPT_IN_WINDOWS) -> AsyncIterator[Any]:
    broker = InMemoryBroker(
        await_inplace=mode == "await_inplace",
        cast_types=False,
        max_stored_results=kept,
    ).with_serializer(ORJSONSerializer())
    await broker.startup()
    try:
        yield broker
    finally:
        await broker.shutdown()


async def windowed(
    events: int,
    window: int,
    consumers: int,
    autoscale: bool,
    mode: str,
    *,
    handler: Function = answer,
) -> float:
    """Send a window, yield, repeat."""
    async with _broker(mode) as broker:
        return await _windows(broker, handler, events, window)


async def sleeping(
    events: int, window: int, consumers: int, sleep_s: float = 0.0
) -> float:
    """All that were sent at a time; in memory the broker sets no bound."""
    async with _broker("create_task", ALL) as broker:
        return await _windows(broker, sleeping_for(sleep_s), events, window)


async def burst(events: int, mode: str) -> float:
    """Send all, keep them, then get the result of each."""
    async with _broker(mode, ALL) as broker:
        kiq = broker.task(answer).kiq
        begun = perf_counter()
        kept = [await kiq(i) for i in range(events)]
        await broker.wait_all()
        results = [await each.get_result() for each in kept]
        seconds = perf_counter() - begun
        assert [result.return_value for result in results] == list(range(events))
    return seconds


async def round_trip(events: int, mode: str) -> float:
    """Send one in place, get its result, repeat."""
    async with _broker("await_inplace") as broker:
        kiq = broker.task(answer).kiq
        begun = perf_counter()
        for i in range(events):
            sent = await kiq(i)
            result = await sent.get_result()
        seconds = perf_counter() - begun
        assert result.return_value == events - 1
    return seconds


async def memory_per_event(events: int) -> float:
    """Bytes of what is sent and of its task of the loop, before it has run."""
    async with _broker("create_task", ALL) as broker:
        kiq = broker.task(answer).kiq
        kept = []
        tracemalloc.start()
        for i in range(events):
            kept.append(await kiq(i))
        used, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert not any([await each.is_ready() for each in kept])
        await broker.wait_all()
    return used / events


async def routed(
    events: int, window: int, delivery: str, collectors: int, hot: int, mode: str
) -> float:
    """A key is the name of a task."""
    async with _broker(mode) as broker:
        sends: list[Any] = [
            broker.register_task(answer, task_name=f"name-{i}").kiq
            for i in range(collectors)
        ]
        turns = itertools.cycle(in_windows(sends[:hot], window))
        begun = perf_counter()
        for start in range(0, events, window):
            for i, send in enumerate(next(turns), start):
                sent = await send(i)
            await asyncio.sleep(0)
        await broker.wait_all()
        seconds = perf_counter() - begun
        assert (await sent.get_result()).return_value == events - 1
    return seconds


async def responsiveness(events: int) -> list[float]:
    """Lags of a ticker, in seconds, while tasks that were all started run."""
    async with _broker("create_task") as broker, Ticker() as ticker:
        kiq = broker.task(answer).kiq
        for i in range(events):
            await kiq(i)
        ticker.restart()
        await broker.wait_all()
    return ticker.lags


async def _windows(broker: Any, handler: Function, events: int, window: int) -> float:
    kiq = broker.task(handler).kiq
    begun = perf_counter()
    for start in range(0, events, window):
        for i in range(start, start + window):
            sent = await kiq(i)
        await asyncio.sleep(0)
    await broker.wait_all()
    seconds = perf_counter() - begun
    assert (await sent.get_result()).return_value == events - 1
    return seconds
