"""collectorqueue itself, with everything on, as its documentation shows it."""

from __future__ import annotations

import asyncio
import gc
import itertools
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import perf_counter
from typing import Any

from benchmarks.ticker import Ticker
from benchmarks.workload import (
    Handler,
    answer,
    in_windows,
    recording,
    sleeping_for,
)
from collectorqueue import (
    Collector,
    CollectorEvent,
    CollectorQueue,
    EventPublisher,
    Ok,
    Payload,
    SimpleRouter,
)

__all__ = [
    "LACKS",
    "MODES",
    "burst",
    "dispatch",
    "fan_out",
    "index_build",
    "memory_per_event",
    "recording",
    "responsiveness",
    "round_trip",
    "routed",
    "sleeping",
    "topical",
    "windowed",
]

MODES = ("send", "send_nowait", "send_many", "request", "plain")
LACKS: dict[str, str] = {}
CONSUMERS = 8  # where a case does not say; the same as for event-collector
HOT = 10  # names that are looked up, however many there are


def plain_answer(payload: Payload[Any]) -> Ok[Any]:
    """The least a plain function can do."""
    return Ok(payload.value)


@asynccontextmanager
async def _running(
    handler: Handler, events: int, **options: Any
) -> AsyncIterator[EventPublisher]:
    """A queue that must have collected `events`, all OK, when it is left."""
    options.setdefault("max_consumers", CONSUMERS)
    async with CollectorQueue([Collector("collector", handler)], **options) as queue:
        yield queue.publisher
        await queue.publisher.wait()
        assert queue.ledger.ok == queue.ledger.accepted == events, queue.ledger


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
    pool = {"max_consumers": consumers, "autoscale": autoscale}
    async with _running(handler, events, **pool) as publisher:
        begun = perf_counter()
        await _windows(publisher, events, window, mode)
        await publisher.wait()
        return perf_counter() - begun


async def _windows(
    publisher: EventPublisher, events: int, window: int, mode: str
) -> None:
    if mode == "send":
        send = publisher.send
        for start in range(0, events, window):
            for i in range(start, start + window):
                await send(Payload(i))
            await asyncio.sleep(0)
    elif mode == "send_nowait":
        send_nowait = publisher.send_nowait
        for start in range(0, events, window):
            for i in range(start, start + window):
                send_nowait(Payload(i))
            await asyncio.sleep(0)
    else:
        send_many = publisher.send_many
        for start in range(0, events, window):
            await send_many([Payload(i) for i in range(start, start + window)])
            await asyncio.sleep(0)


async def sleeping(
    events: int, window: int, consumers: int, sleep_s: float = 0.0
) -> float:
    """All consumers from the start, handlers that suspend once, or for so long."""
    pool = {"max_consumers": consumers, "autoscale": False}
    async with _running(sleeping_for(sleep_s), events, **pool) as publisher:
        begun = perf_counter()
        await _windows(publisher, events, window, "send")
        await publisher.wait()
        return perf_counter() - begun


async def burst(events: int, mode: str) -> float:
    """Send all, keep the events, then await each."""
    async with _running(answer, events, capacity=events) as publisher:
        send, send_nowait = publisher.send, publisher.send_nowait
        begun = perf_counter()
        if mode == "send":
            kept = [await send(Payload(i)) for i in range(events)]
        else:
            kept = [send_nowait(Payload(i)) for i in range(events)]
        for event in kept:
            await event
        seconds = perf_counter() - begun
        assert all(_value(event) == i for i, event in enumerate(kept))
    return seconds


async def round_trip(events: int, mode: str) -> float:
    """Send one, await it, repeat."""
    async with _running(answer, events) as publisher:
        begun = perf_counter()
        if mode == "send":
            for i in range(events):
                event = await publisher.send(Payload(i))
                results = await event
        else:
            for i in range(events):
                results = await publisher.request(Payload(i))
        seconds = perf_counter() - begun
        assert results.first().unwrap() == events - 1
    return seconds


async def memory_per_event(events: int) -> float:
    """Bytes of a payload and its event, kept while it is queued."""
    async with _running(answer, events, capacity=events) as publisher:
        kept = []
        tracemalloc.start()
        for i in range(events):
            kept.append(await publisher.send(Payload(i)))
        used, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert not any(event.is_done() for event in kept)
    return used / events


async def routed(
    events: int, window: int, delivery: str, collectors: int, hot: int, mode: str
) -> float:
    """Windowed, each event for one of the first `hot` collectors in turn."""
    registered = _collectors(collectors)
    queue = CollectorQueue(registered, max_consumers=CONSUMERS)
    # The strings that were registered, as names that are constants are, and as in the
    # rivals: an equal string that is another object costs a comparison more.
    keyed = delivery == "key"
    names = [each.key if keyed else each.topics[0] for each in registered[:hot]]
    turns = itertools.cycle(in_windows(names, window))
    async with queue:
        begun = perf_counter()
        await _routed_windows(
            queue.publisher, range(0, events, window), turns, delivery, mode
        )
        await queue.publisher.wait()
        seconds = perf_counter() - begun
        assert queue.ledger.ok == events, queue.ledger
    return seconds


async def _routed_windows(
    publisher: EventPublisher,
    starts: range,
    turns: itertools.cycle[list[str]],
    delivery: str,
    mode: str,
) -> None:
    send, send_nowait = publisher.send, publisher.send_nowait
    for start in starts:
        if delivery == "key" and mode == "send":
            for i, name in enumerate(next(turns), start):
                await send(Payload(i, keys=name))
        elif delivery == "key":
            for i, name in enumerate(next(turns), start):
                send_nowait(Payload(i, keys=name))
        elif mode == "send":
            for i, name in enumerate(next(turns), start):
                await send(Payload(i, topics=name))
        else:
            for i, name in enumerate(next(turns), start):
                send_nowait(Payload(i, topics=name))
        await asyncio.sleep(0)


async def fan_out(events: int, window: int, collectors: int, mode: str) -> float:
    """Windowed, each event for all collectors; `plain`: they are plain functions."""
    handler: Any = plain_answer if mode == "plain" else answer
    registered = [Collector(f"name-{i}", handler) for i in range(collectors)]
    async with CollectorQueue(registered, max_consumers=CONSUMERS) as queue:
        begun = perf_counter()
        await _windows(queue.publisher, events, window, "send")
        await queue.publisher.wait()
        seconds = perf_counter() - begun
        assert queue.ledger.ok == events, queue.ledger
    return seconds


async def topical(events: int, window: int, topics: int) -> float:
    """Windowed, each event for the next of so many topics of ten collectors."""
    names = [f"topic-{i}" for i in range(topics)]
    queue = CollectorQueue(_sharing(names), max_consumers=CONSUMERS)
    turns = itertools.cycle(names)
    async with queue:
        send = queue.publisher.send
        begun = perf_counter()
        for start in range(0, events, window):
            for i in range(start, start + window):
                await send(Payload(i, topics=next(turns)))
            await asyncio.sleep(0)
        await queue.publisher.wait()
        seconds = perf_counter() - begun
        assert queue.ledger.ok == events, queue.ledger
    return seconds


async def responsiveness(events: int) -> list[float]:
    """Lags of a ticker, in seconds, while a full queue drains."""
    async with (
        _running(answer, events, capacity=events) as publisher,
        Ticker() as ticker,
    ):
        for i in range(events):
            publisher.send_nowait(Payload(i))
        ticker.restart()
        await publisher.wait()
    return ticker.lags


async def dispatch(events: int, by: str, names: int) -> float:
    """Look routes up for the same hot names, with `names` registered; no queue."""
    collectors = _collectors(names) if by == "key" else _listeners(names)
    router = SimpleRouter({each.key: each for each in collectors})
    if by == "key":
        payloads = [Payload(i, keys=f"name-{i}") for i in range(HOT)]
    else:
        payloads = [Payload(i, topics=f"topic-{i}") for i in range(HOT)]
    assert all(len(list(router.select(payload))) == 1 for payload in payloads)
    assert router.index is not None
    find = router.index.find
    begun = perf_counter()
    for _ in range(events // HOT):
        for payload in payloads:
            find(payload)
    return perf_counter() - begun


async def index_build(events: int, by: str) -> float:
    """Register `events` keys, or topics, with a queue; their Collectors exist already.

    Without the garbage collector: its full passes fall into some sizes and not others.
    """
    collectors = _collectors(events) if by == "key" else _listeners(events)
    gc.collect()
    gc.disable()
    begun = perf_counter()
    queue = CollectorQueue(collectors)
    seconds = perf_counter() - begun
    gc.enable()
    assert len(queue.collectors) == len(collectors)
    return seconds


def _collectors(count: int) -> list[Collector]:
    """Each has a key and a topic of its own."""
    return [Collector(f"name-{i}", answer, topics=f"topic-{i}") for i in range(count)]


def _listeners(topics: int) -> list[Collector]:
    """Ten collectors, among which so many topics are dealt out."""
    return _sharing([f"topic-{i}" for i in range(topics)])


def _sharing(topics: list[str]) -> list[Collector]:
    sharers = range(min(HOT, len(topics)))
    return [Collector(f"name-{i}", answer, topics=topics[i::HOT]) for i in sharers]


def _value(event: CollectorEvent) -> Any:
    results = event.get_result()
    assert results is not None
    return results.first().value
