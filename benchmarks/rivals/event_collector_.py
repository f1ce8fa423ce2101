"""event-collector, the nearest package, as its documentation shows it; logging off."""

from __future__ import annotations

import asyncio
import itertools
import os
import tracemalloc
from collections.abc import Awaitable, Callable
from time import perf_counter
from typing import Any

# Read at import. Some of its loggers are on even with logging=False.
os.environ["LOG_LEVEL"] = "CRITICAL"

from event_collector import (
    Collector,
    CollectorEvent,
    CollectorQueue,
    Context,
    Delivery,
    Ok,
    Payload,
    Result,
)

from benchmarks.ticker import Ticker
from benchmarks.workload import in_windows

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
    "sleeping",
    "topical",
    "windowed",
]

MODES = ("send",)
LACKS = {
    "dispatch": "its router looks up and runs in one",
    "index_build": "its topic index alone is not what registering costs here",
}
# Where a case does not say. While handlers do not suspend it makes no difference.
CONSUMERS = 8

Handler = Callable[[Payload[Any], Context], Awaitable[Result]]


async def answer(payload: Payload[Any], ctx: Context) -> Result:
    """The least a handler can do."""
    return Ok(payload.value)


def sleeping_for(seconds: float) -> Handler:
    """A handler that sleeps; for no seconds it suspends once."""

    async def sleep_and_answer(payload: Payload[Any], ctx: Context) -> Result:
        await asyncio.sleep(seconds)
        return Ok(payload.value)

    return sleep_and_answer


def recording(seen: list[Any]) -> Handler:
    """A handler that notes what it handles in `seen`."""

    async def record(payload: Payload[Any], ctx: Context) -> Result:
        seen.append(payload.value)
        return Ok(payload.value)

    return record


def _queue(
    handler: Handler, consumers: int = CONSUMERS, autoscale: bool = True
) -> CollectorQueue:
    return CollectorQueue(
        [Collector("collector", handler)],
        min_consumers=1,
        max_consumers=consumers,
        autoscale=autoscale,
        logging=False,
    )


async def _windows(queue: CollectorQueue, events: int, window: int) -> float:
    publisher = queue.get_publisher()
    send = publisher.send
    begun = perf_counter()
    for start in range(0, events, window):
        for i in range(start, start + window):
            event = await send(Payload(i))
        await asyncio.sleep(0)
    await publisher.wait()
    seconds = perf_counter() - begun
    assert queue.event_count == events
    assert _value(event) == events - 1
    return seconds


async def windowed(
    events: int,
    window: int,
    consumers: int,
    autoscale: bool,
    mode: str,
    *,
    handler: Handler = answer,
) -> float:
    """Send a window, yield, repeat."""
    async with _queue(handler, consumers, autoscale) as queue:
        return await _windows(queue, events, window)


async def sleeping(
    events: int, window: int, consumers: int, sleep_s: float = 0.0
) -> float:
    """All consumers from the start, handlers that suspend once, or for so long."""
    async with _queue(sleeping_for(sleep_s), consumers, False) as queue:
        return await _windows(queue, events, window)


async def burst(events: int, mode: str) -> float:
    """Send all, keep the events, then await each."""
    async with _queue(answer) as queue:
        send = queue.get_publisher().send
        begun = perf_counter()
        kept = [await send(Payload(i)) for i in range(events)]
        for event in kept:
            await event.wait()
        seconds = perf_counter() - begun
        assert all(_value(event) == i for i, event in enumerate(kept))
    return seconds


async def round_trip(events: int, mode: str) -> float:
    """Send one, await its result, repeat."""
    async with _queue(answer) as queue:
        send = queue.get_publisher().send
        begun = perf_counter()
        for i in range(events):
            event = await send(Payload(i))
            results = await event.wait()
        seconds = perf_counter() - begun
        assert results.first().unwrap() == events - 1
        assert queue.event_count == events
    return seconds


async def memory_per_event(events: int) -> float:
    """Bytes of a payload and its event, kept while it is queued."""
    async with _queue(answer) as queue:
        send = queue.get_publisher().send
        kept = []
        tracemalloc.start()
        for i in range(events):
            kept.append(await send(Payload(i)))
        used, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert queue.event_queue.qsize() == len(kept) == events
        await queue.get_publisher().wait()
    return used / events


async def routed(
    events: int, window: int, delivery: str, collectors: int, hot: int, mode: str
) -> float:
    """Windowed, each event for one of the first `hot` collectors in turn."""
    topics = {f"name-{i}": f"topic-{i}" for i in range(collectors)}
    queue = CollectorQueue(
        [Collector(key, answer, topics=[topic]) for key, topic in topics.items()],
        max_consumers=CONSUMERS,
        logging=False,
    )
    names = list(topics) if delivery == "key" else list(topics.values())
    turns = itertools.cycle(in_windows(names[:hot], window))
    async with queue:
        publisher = queue.get_publisher()
        send = publisher.send
        begun = perf_counter()
        for start in range(0, events, window):
            if delivery == "key":
                for i, name in enumerate(next(turns), start):
                    await send(Payload(i, Delivery.KEY, keys=[name]))
            else:
                for i, name in enumerate(next(turns), start):
                    await send(Payload(i, Delivery.TOPIC, topics=[name]))
            await asyncio.sleep(0)
        await publisher.wait()
        seconds = perf_counter() - begun
        assert queue.event_count == events
    return seconds


async def fan_out(events: int, window: int, collectors: int, mode: str) -> float:
    """Windowed, each event for all collectors."""
    queue = CollectorQueue(
        [Collector(f"name-{i}", answer) for i in range(collectors)],
        max_consumers=CONSUMERS,
        logging=False,
    )
    async with queue:
        return await _windows(queue, events, window)


async def topical(events: int, window: int, topics: int) -> float:
    """Windowed, each event for the next of so many topics of ten collectors."""
    names = [f"topic-{i}" for i in range(topics)]
    queue = CollectorQueue(
        [
            Collector(f"name-{i}", answer, topics=names[i::10])
            for i in range(min(10, topics))
        ],
        max_consumers=CONSUMERS,
        logging=False,
    )
    turns = itertools.cycle(names)
    async with queue:
        publisher = queue.get_publisher()
        send = publisher.send
        begun = perf_counter()
        for start in range(0, events, window):
            for i in range(start, start + window):
                await send(Payload(i, Delivery.TOPIC, topics=[next(turns)]))
            await asyncio.sleep(0)
        await publisher.wait()
        seconds = perf_counter() - begun
        assert queue.event_count == events
    return seconds


async def responsiveness(events: int) -> list[float]:
    """Lags of a ticker, in seconds, while a full queue drains."""
    async with _queue(answer) as queue, Ticker() as ticker:
        publisher = queue.get_publisher()
        for i in range(events):
            await publisher.send(Payload(i))
        ticker.restart()
        await publisher.wait()
        assert queue.event_count == events
    return ticker.lags


def _value(event: CollectorEvent) -> Any:
    results = event.get_result()
    assert results is not None
    return results.first().value
