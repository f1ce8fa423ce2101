"""What every event touches is referred to as often after a million events as before."""

from __future__ import annotations

import asyncio
import functools
import gc
import sys
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import pytest

from collectorqueue import (
    Batch,
    Collector,
    CollectorEvent,
    CollectorQueue,
    Error,
    Ok,
    Payload,
    ResultList,
    Retry,
)
from tests.support import both_loops, running

WINDOW = 100
RING = 65_536  # empty places that a lane keeps, each a reference to None (Python 3.11)
TYPES = (Payload, CollectorEvent, Ok, Error, ResultList, StopIteration, ValueError)


class Value:
    """Sent again and again."""


VALUE = Value()
NAME = "".join(["the", " ", "key"])  # neither interned nor immortal
TERMS: Mapping[str, Mapping[str, Any]] = {
    "broadcast": {},
    "by key": {"keys": NAME},
    "by topic": {"topics": NAME},
    "ordered": {"ordering_key": NAME},
}


async def answer(payload: Payload[Any]) -> Ok[Any]:
    return Ok(payload.value)


async def suspend(payload: Payload[Any]) -> Any:
    await asyncio.sleep(0)
    return payload.value


async def fail(payload: Payload[Any]) -> Any:
    raise ValueError(payload)


async def refuse(payload: Payload[Any]) -> Error:
    return Error(NAME)


def plain(payload: Payload[Any]) -> Any:
    return payload.value


async def many(payloads: list[Payload[Any]]) -> list[Any]:
    return [payload.value for payload in payloads]


async def by_windows(
    queue: CollectorQueue, count: int, terms: Mapping[str, Any]
) -> None:
    for _ in range(count // WINDOW // 2):
        for _ in range(WINDOW):
            queue.publisher.send_nowait(VALUE, **terms)
        for _ in range(WINDOW):
            await queue.publisher.send(VALUE, **terms)
        await queue.publisher.wait()


async def by_lists(queue: CollectorQueue, count: int, terms: Mapping[str, Any]) -> None:
    for _ in range(count // WINDOW):
        await queue.publisher.send_many([VALUE] * WINDOW)
        await queue.publisher.wait()


async def by_requests(
    queue: CollectorQueue, count: int, terms: Mapping[str, Any]
) -> None:
    for _ in range(count):
        with suppress(ValueError):
            await queue.publisher.call(NAME, VALUE)


async def by_waits(queue: CollectorQueue, count: int, terms: Mapping[str, Any]) -> None:
    for _ in range(count // WINDOW):
        for event in [await queue.publisher.send(VALUE) for _ in range(WINDOW)]:
            await event


async def by_cancels(
    queue: CollectorQueue, count: int, terms: Mapping[str, Any]
) -> None:
    for _ in range(count // WINDOW):
        for event in [queue.publisher.send_nowait(VALUE) for _ in range(WINDOW)]:
            event.cancel()
        await queue.publisher.wait()


async def by_threads(
    queue: CollectorQueue, count: int, terms: Mapping[str, Any]
) -> None:
    def send() -> None:
        for _ in range(count):
            queue.publisher.send_threadsafe(VALUE)

    await asyncio.to_thread(send)
    await queue.publisher.wait()


Send = Callable[[CollectorQueue, int, Mapping[str, Any]], Awaitable[None]]


@dataclass
class Way:
    """Of an event: how it is sent, and to what; `share` of the million."""

    name: str
    send: Send
    handler: Callable[..., Any] = answer
    terms: Mapping[str, Any] = field(default_factory=dict)
    share: float = 0.05
    collector: Mapping[str, Any] = field(default_factory=dict)
    queue: Mapping[str, Any] = field(default_factory=dict)
    noise: int = 40  # references that come and go, however many the events


WAYS = [
    *(Way(name, by_windows, terms=terms, share=0.1) for name, terms in TERMS.items()),
    # A timer that is not needed any more goes with others, and its events with it.
    Way("with a ttl", by_windows, terms={"ttl": 60.0}, share=0.1, noise=1000),
    Way(
        "in batches",
        by_windows,
        many,
        collector={"batch": Batch(size=20, wait=60.0)},
        noise=300,
    ),
    Way("as lists", by_lists, share=0.1),
    Way("stack", by_windows, queue={"queue_type": "lifo"}),
    Way(
        "by priority",
        by_windows,
        terms={"priority": 7},
        queue={"queue_type": "priority"},
    ),
    Way("suspended", by_windows, suspend),
    Way("plain function", by_windows, plain),
    Way("waited for", by_waits),
    Way("requested", by_requests),
    Way("requested, failing", by_requests, fail, share=0.01),
    Way("failing", by_windows, fail, share=0.02),
    Way("refused", by_windows, refuse),
    Way(
        "tried again",
        by_windows,
        fail,
        share=0.005,
        collector={"retry": Retry(2, backoff=0.0)},
    ),
    Way("limited", by_windows, suspend, share=0.02, collector={"max_concurrency": 2}),
    Way("cancelled", by_cancels),
    Way("dropped", by_windows, queue={"capacity": 10, "overflow": "drop_oldest"}),
    Way("from threads", by_threads),
]


async def growth(way: Way, warm: int, count: int) -> dict[str, int]:
    """References to what every event uses, and blocks of memory, gained by `count`."""
    collector = Collector(NAME, way.handler, topics=[NAME], **way.collector)
    async with CollectorQueue([collector], max_consumers=4, **way.queue) as queue:
        watched: dict[str, Any] = {each.__name__: each for each in TYPES}
        watched |= {"value": VALUE, "name": NAME, "handler": way.handler}
        watched |= {"collector": collector, "publisher": queue.publisher}
        watched |= {"loop": asyncio.get_running_loop(), "None": None, "True": True}

        def counted() -> dict[str, int]:
            gc.collect()
            found = {name: sys.getrefcount(each) for name, each in watched.items()}
            return {**found, "blocks": sys.getallocatedblocks()}

        await way.send(queue, warm, way.terms)
        before = counted()
        await way.send(queue, count, way.terms)
        after = counted()
    return {name: after[name] - before[name] for name in before}


async def check(way: Way, count: int) -> None:
    gained = await growth(way, 2000, count)
    blocks = gained.pop("blocks")
    assert gained.pop("None") < way.noise + RING, gained
    assert all(abs(more) < way.noise for more in gained.values()), gained
    assert blocks < 1000 + 2 * way.noise, blocks


@pytest.mark.repetitive
@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.name)
@both_loops
async def test_no_reference_is_gained_or_lost_by_thousands_of_events(way: Way) -> None:
    await check(way, 2000 + 3 * way.noise // WINDOW * WINDOW)


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.name)
@functools.partial(running, kinds=["uvloop"], options={})
async def test_no_reference_is_gained_by_a_million_events(way: Way) -> None:
    """A million of all ways together."""
    await check(way, round(1_100_000 * way.share / WINDOW) * WINDOW)


def test_the_shares_make_a_million() -> None:
    assert sum(way.share for way in WAYS) * 1_100_000 >= 1_000_000
