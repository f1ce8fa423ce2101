"""The ways of an event that are counted: python -m benchmarks.instructions.paths WAY EVENTS."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from collectorqueue import Batch, Collector, CollectorQueue, EventPublisher, Payload

__all__ = ["PATHS"]

WINDOW = 100
KEYS = 50


def answer(payload: Payload[int]) -> int:
    """The collector of all ways but one."""
    return payload.value


def answers(payloads: list[Payload[int]]) -> list[int]:
    return [payload.value for payload in payloads]


@asynccontextmanager
async def running(
    events: int, handler: Callable[..., Any] = answer, *, observed: bool = False, **options: Any
) -> AsyncIterator[EventPublisher]:
    """A queue that must have answered so many events when it is left."""
    # Room for all: where instructions are counted, a turn of the loop ends after few events.
    collector = Collector("answer", handler, **options)
    async with CollectorQueue([collector], capacity=events) as queue:
        if observed:
            queue.observe(lambda event: None, spans=True)
        yield queue.publisher
        await queue.publisher.wait()
        assert queue.ledger.ok == events


async def windowed(events: int, **options: Any) -> None:
    """`await send` 100, yield, repeat: the case of the rates."""
    async with running(events, **options) as publisher:
        for _ in range(0, events, WINDOW):
            for number in range(WINDOW):
                await publisher.send(number)
            await asyncio.sleep(0)


async def observed(events: int) -> None:
    """The same, and each event is told to an observer."""
    await windowed(events, observed=True)


async def nowait(events: int) -> None:
    """The same with `send_nowait`."""
    async with running(events) as publisher:
        for _ in range(0, events, WINDOW):
            for number in range(WINDOW):
                publisher.send_nowait(number)
            await asyncio.sleep(0)


async def burst(events: int) -> None:
    """All are sent and kept, then awaited."""
    async with running(events) as publisher:
        for event in [await publisher.send(number) for number in range(events)]:
            await event


async def request(events: int) -> None:
    """Publish and await, one by one."""
    async with running(events) as publisher:
        for number in range(events):
            await publisher.request(number)


async def ordered(events: int) -> None:
    """An ordering key on every event, 50 keys in turn."""
    async with running(events) as publisher:
        for _ in range(0, events, WINDOW):
            for number in range(WINDOW):
                await publisher.send(number, ordering_key=number % KEYS)
            await asyncio.sleep(0)


async def batched(events: int) -> None:
    """Batches of 100."""
    await windowed(events, handler=answers, batch=Batch(size=WINDOW, wait=1))


async def threaded(events: int) -> None:
    """Sent from another thread."""

    def work(send: Callable[[int], object]) -> None:
        for number in range(events):
            send(number)

    async with running(events) as publisher:
        thread = threading.Thread(target=work, args=(publisher.send_threadsafe,))
        thread.start()
        await asyncio.to_thread(thread.join)


async def process(events: int) -> None:
    """Collected by a worker; what the worker does is not counted."""
    await windowed(events, runs_in="process")


PATHS: dict[str, Callable[[int], Awaitable[None]]] = {
    each.__name__: each
    for each in (
        windowed, observed, nowait, burst, request, ordered, batched, threaded, process
    )
}  # fmt: skip


if __name__ == "__main__":
    asyncio.run(PATHS[sys.argv[1]](int(sys.argv[2])))  # type: ignore[arg-type]
