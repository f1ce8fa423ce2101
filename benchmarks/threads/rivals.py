"""The rivals: each takes what `threads` threads send, and calls `handle` for it on the loop.

Rules of residence: one function a rival, used as its documentation shows, bounded to
`CAPACITY` where it can be. It returns when all has been handled; starting the threads is
part of what is timed, for all alike.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import collectorqueue

__all__ = ["RIVALS"]

CAPACITY = 10_000

Send = Callable[[int], object]
Handle = Callable[[int], object]
Rival = Callable[[int, int, Handle], Awaitable[None]]


def started(threads: int, events: int, send: Send) -> list[threading.Thread]:
    """Have each thread send its share of the numbers."""

    def work(first: int) -> None:
        for number in range(first, events, threads):
            send(number)

    found = [threading.Thread(target=work, args=(first,)) for first in range(threads)]
    for each in found:
        each.start()
    return found


async def ours(threads: int, events: int, handle: Handle) -> None:
    def collect(payload: collectorqueue.Payload[int]) -> None:
        handle(payload.value)

    collector = collectorqueue.Collector("collect", collect)
    async with collectorqueue.CollectorQueue([collector], capacity=CAPACITY) as queue:
        for each in started(threads, events, queue.publisher.send_threadsafe):
            await asyncio.to_thread(each.join)
        await queue.publisher.wait()
        assert queue.ledger.ok == events


async def call_soon(threads: int, events: int, handle: Handle) -> None:
    """An asyncio.Queue without a bound: who would wait for room?"""
    queue: asyncio.Queue[int] = asyncio.Queue()
    loop = asyncio.get_running_loop()
    started(
        threads, events, lambda number: loop.call_soon_threadsafe(queue.put_nowait, number)
    )
    for _ in range(events):
        handle(await queue.get())


async def janus(threads: int, events: int, handle: Handle) -> None:
    import janus as package

    queue: Any = package.Queue(CAPACITY)
    started(threads, events, queue.sync_q.put)
    for _ in range(events):
        handle(await queue.async_q.get())
    await queue.aclose()


async def culsans(threads: int, events: int, handle: Handle) -> None:
    import culsans as package

    queue: Any = package.Queue(CAPACITY)
    started(threads, events, queue.sync_q.put)
    for _ in range(events):
        handle(await queue.async_q.get())
    queue.close()


async def aiologic(threads: int, events: int, handle: Handle) -> None:
    import aiologic as package

    queue: Any = package.Queue(CAPACITY)
    started(threads, events, queue.green_put)
    for _ in range(events):
        handle(await queue.async_get())


RIVALS: dict[str, Rival] = {
    "collectorqueue": ours,
    "call_soon_threadsafe": call_soon,
    "janus": janus,
    "culsans": culsans,
    "aiologic": aiologic,
}
