"""What a build that is guided by a profile runs: the ways of an event.

The counts say which way a branch goes mostly, so the usual ways are gone far more often
than the others; and none is left out that costs a program time. The standard library's
loop is used: it is there whatever else is.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterable
from typing import Any

from collectorqueue import Batch, Collector, CollectorQueue, Ok, Payload, Retry

EVENTS = 20_000
WINDOW = 100


async def answer(payload: Payload[int]) -> Ok[int]:
    return Ok(payload.value)


async def suspend(payload: Payload[int]) -> int:
    await asyncio.sleep(0)
    return payload.value


async def stumble(payload: Payload[int]) -> int:
    if payload.value % 10 == 0:
        raise ValueError(payload.value)
    return payload.value


async def take_many(payloads: list[Payload[int]]) -> list[int]:
    return [payload.value for payload in payloads]


def plain(payload: Payload[int]) -> int:
    return payload.value


def windows(count: int) -> Iterable[range]:
    return (range(start, start + WINDOW) for start in range(0, count, WINDOW))


async def in_windows(collectors: list[Collector], count: int, **options: Any) -> None:
    """The three ways to send, one after the other."""
    async with CollectorQueue(collectors, max_consumers=8, **options) as queue:
        publisher = queue.publisher
        for window in windows(count):
            for i in window:
                await publisher.send(Payload(i))
            await asyncio.sleep(0)
        for window in windows(count):
            for i in window:
                publisher.send_nowait(Payload(i))
            await asyncio.sleep(0)
        for window in windows(count):
            await publisher.send_many([Payload(i) for i in window])
            await asyncio.sleep(0)
        await publisher.wait()


async def with_terms(
    collectors: list[Collector],
    count: int,
    terms: Callable[[int], dict[str, Any]],
    **options: Any,
) -> None:
    async with CollectorQueue(collectors, **options) as queue:
        for window in windows(count):
            for i in window:
                await queue.publisher.send(i, **terms(i))
            await asyncio.sleep(0)
        await queue.publisher.wait()


async def awaited(count: int) -> None:
    """A burst whose events are awaited, and requests one by one."""
    async with CollectorQueue([Collector("one", answer)], capacity=count) as queue:
        for event in [await queue.publisher.send(Payload(i)) for i in range(count)]:
            await event
        for i in range(count):
            await queue.publisher.request(i)


async def from_threads(count: int) -> None:
    async with CollectorQueue([Collector("one", answer)]) as queue:

        def send() -> None:
            for i in range(count):
                queue.publisher.send_threadsafe(i)

        await asyncio.gather(*(asyncio.to_thread(send) for _ in range(2)))
        await queue.publisher.wait()


def others() -> Iterable[Coroutine[Any, Any, None]]:
    """Each policy and each kind of routing, a tenth as often."""
    few = EVENTS // 10
    one = [Collector("one", answer)]
    named = [Collector(f"c{i}", answer, topics=f"t{i}") for i in range(10)]
    yield in_windows([Collector("one", suspend)], few)
    yield in_windows([Collector("one", plain)], few)
    yield in_windows([Collector("one", stumble)], few)
    yield in_windows(named[:3], few)
    yield in_windows(one, few, queue_type="priority")
    yield in_windows(one, few, queue_type="lifo")
    yield with_terms(named, few, lambda i: {"keys": f"c{i % 10}"})
    yield with_terms(named, few, lambda i: {"topics": f"t{i % 10}"})
    yield with_terms(one, few, lambda i: {"ordering_key": f"k{i % 50}"})
    yield with_terms(one, few, lambda i: {"priority": i % 7}, queue_type="priority")
    yield with_terms(one, few, lambda i: {"ttl": 60.0})
    yield with_terms(
        [Collector("one", take_many, batch=Batch(size=50, wait=0.01))],
        few,
        lambda i: {},
    )
    yield with_terms([Collector("one", answer, max_concurrency=2)], few, lambda i: {})
    yield with_terms(
        [Collector("one", stumble, retry=Retry(2, backoff=0.001))], few, lambda i: {}
    )
    yield awaited(few)
    yield from_threads(few)


async def main() -> None:
    await in_windows([Collector("one", answer)], EVENTS)
    for other in others():
        await other


if __name__ == "__main__":
    logging.disable()  # of what is made to fail
    asyncio.run(main())
