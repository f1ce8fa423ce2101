"""The pools that are replayed: each with one collector that calls `work(number)`.

Rules of residence: one function a package, used as its documentation shows; both may grow
to a thousand consumers, and log nothing.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import collectorqueue

__all__ = ["POOLS", "Pool", "event_collector", "ours"]

MOST = 1000  # consumers

Work = Callable[[int], Awaitable[None]]


@dataclass
class Pool:
    """What a replay does to it."""

    send: Callable[[int], Awaitable[Any]]
    size: Callable[[], int]
    settled: Callable[[], Awaitable[None]]


@asynccontextmanager
async def ours(work: Work) -> AsyncIterator[Pool]:
    async def handle(payload: collectorqueue.Payload[int]) -> None:
        await work(payload.value)

    collector = collectorqueue.Collector("work", handle)
    queue = collectorqueue.CollectorQueue([collector], max_consumers=MOST)
    async with queue:
        publisher = queue.publisher
        yield Pool(publisher.send, lambda: queue.consumers, publisher.wait)


@asynccontextmanager
async def event_collector(work: Work) -> AsyncIterator[Pool]:
    # Read at import. Some of its loggers are on even with logging=False.
    os.environ["LOG_LEVEL"] = "CRITICAL"
    import event_collector as package

    async def handle(payload: Any, ctx: Any) -> Any:
        await work(payload.value)
        return package.Ok(None)

    queue = package.CollectorQueue(
        [package.Collector("work", handle)], max_consumers=MOST, logging=False
    )
    async with queue:
        publisher = queue.get_publisher()
        yield Pool(
            lambda number: publisher.send(package.Payload(number)),
            queue.consumer_count,
            publisher.wait,
        )


POOLS: dict[str, Callable[[Work], AbstractAsyncContextManager[Pool]]] = {
    "collectorqueue": ours,
    "event-collector": event_collector,
}
