"""bubus: an event is a pydantic model, which a bus hands to its handlers one at a time.

By default it refuses more than 50 queued events. Without that bound it looks through
all that it remembers for each event, so a window is forgotten once it is sent. Of the
settings tried that was the quickest: over four times the default. Its log is off.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from time import perf_counter
from typing import Any

os.environ["BUBUS_LOGGING_LEVEL"] = "CRITICAL"  # read at import

from bubus import BaseEvent, EventBus  # type: ignore[import-untyped]

from benchmarks.ticker import Ticker
from benchmarks.workload import endless_windows, in_windows

__all__ = [
    "LACKS",
    "MODES",
    "burst",
    "fan_out",
    "memory_per_event",
    "recording",
    "responsiveness",
    "round_trip",
    "routed",
    "topical",
    "windowed",
]

MODES = ("dispatch",)
LACKS = {
    "sleeping": "one event at a time",
    "dispatch": "looks up and calls in one",
    "index_build": "a list of handlers for each name is all",
}

Handler = Callable[["Sent"], Awaitable[int]]


class Sent(BaseEvent):  # type: ignore[misc]
    """The payload is the event."""

    value: int


async def answer(event: Sent) -> int:
    """The least a handler can do."""
    return event.value


def recording(seen: list[Any]) -> Handler:
    """A handler that notes what it handles in `seen`."""

    async def record(event: Sent) -> int:
        seen.append(event.value)
        return event.value

    return record


@asynccontextmanager
async def _bus(*handlers: Handler) -> AsyncIterator[Any]:
    bus: Any = EventBus(max_history_size=None)
    for handler in handlers:
        bus.on(Sent, handler)
    try:
        yield bus
    finally:
        await bus.stop(clear=True)


async def windowed(
    events: int,
    window: int,
    consumers: int,
    autoscale: bool,
    mode: str,
    *,
    handler: Handler = answer,
) -> float:
    """Dispatch a window, yield, repeat."""
    async with _bus(handler) as bus:
        begun = perf_counter()
        for start in range(0, events, window):
            for i in range(start, start + window):
                event = bus.dispatch(Sent(value=i))
            bus.event_history.clear()
            await asyncio.sleep(0)
        await event
        seconds = perf_counter() - begun
        assert await event.event_result() == events - 1
    return seconds


async def burst(events: int, mode: str) -> float:
    """Dispatch all, keep the events, then await each."""
    async with _bus(answer) as bus:
        begun = perf_counter()
        kept = [bus.dispatch(Sent(value=i)) for i in range(events)]
        bus.event_history.clear()
        for event in kept:
            await event
        seconds = perf_counter() - begun
        found = [await event.event_result() for event in kept[1:]]  # 0 counts as none
        assert found == list(range(1, events))
    return seconds


async def round_trip(events: int, mode: str) -> float:
    """Dispatch one, await it, repeat."""
    async with _bus(answer) as bus:
        begun = perf_counter()
        for i in range(events):
            event = await bus.dispatch(Sent(value=i))
            bus.event_history.clear()
        seconds = perf_counter() - begun
        assert await event.event_result() == events - 1
    return seconds


async def memory_per_event(events: int) -> float:
    """Bytes of an event that is queued."""
    async with _bus(answer) as bus:
        kept = []
        tracemalloc.start()
        for i in range(events):
            kept.append(bus.dispatch(Sent(value=i)))
        bus.event_history.clear()
        used, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert bus.event_queue.qsize() == len(kept) == events
    return used / events


async def routed(
    events: int, window: int, delivery: str, collectors: int, hot: int, mode: str
) -> float:
    """A key, or a topic, is the type of an event that one handler is for."""
    names = [f"name_{i}" for i in range(collectors)]
    turns = itertools.cycle(in_windows(names[:hot], window))
    return await _named(events, window, names, turns)


async def topical(events: int, window: int, topics: int) -> float:
    """The next of so many types for each event."""
    names = [f"topic_{i}" for i in range(topics)]
    windows = endless_windows(names, window)
    return await _named(events, window, names, windows)


async def fan_out(events: int, window: int, collectors: int, mode: str) -> float:
    """So many handlers of one event."""
    async with _bus(*(another_answer(i) for i in range(collectors))) as bus:
        begun = perf_counter()
        for start in range(0, events, window):
            for i in range(start, start + window):
                event = bus.dispatch(Sent(value=i))
            bus.event_history.clear()
            await asyncio.sleep(0)
        await event
        seconds = perf_counter() - begun
        assert await event.event_results_list() == [events - 1] * collectors
    return seconds


async def responsiveness(events: int) -> list[float]:
    """Lags of a ticker, in seconds, while a full queue drains."""
    async with _bus(answer) as bus, Ticker() as ticker:
        for i in range(events):
            event = bus.dispatch(Sent(value=i))
        bus.event_history.clear()
        ticker.restart()
        await event
    return ticker.lags


async def _named(events: int, window: int, names: list[str], turns: Any) -> float:
    async with _bus() as bus:
        for name in names:
            bus.on(name, answer)
        begun = perf_counter()
        for start in range(0, events, window):
            for i, name in enumerate(next(turns), start):
                event = bus.dispatch(Sent(value=i, event_type=name))
            bus.event_history.clear()
            await asyncio.sleep(0)
        await event
        seconds = perf_counter() - begun
        assert await event.event_result() == events - 1
    return seconds


def another_answer(number: int) -> Handler:
    """One more, with a name of its own: the bus warns of two that are called alike."""

    async def handle(event: Sent) -> int:
        return event.value

    handle.__name__ = f"handle_{number}"
    return handle
