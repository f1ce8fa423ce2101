"""collectorqueue with a collector in worker processes."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from itertools import islice
from typing import Any, Self

from benchmarks.workers.work import Work
from collectorqueue import Collector, CollectorEvent, CollectorQueue, Payload

__all__ = ["MODES", "QueueRival", "Rival"]

MODES = ("send", "send_nowait", "request")
WINDOW = 100


class QueueRival:
    """Sends a window, yields, repeats; waits for the event of `in_flight` ago."""

    def __init__(self, work: Work, mode: str | None, queue: CollectorQueue) -> None:
        self._work = work
        self._mode = mode
        self._queue = queue

    async def __aenter__(self) -> Self:
        await self._queue.__aenter__()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._queue.close()
        ledger = self._queue.ledger
        assert ledger.ok == ledger.accepted, ledger

    async def carry(self, count: int) -> list[Any]:
        """Its events are kept, and their answers read when all have ended."""
        items = self._work.sent(count)
        in_flight = self._work.in_flight
        add = self._send_nowait if self._mode == "send_nowait" else self._send
        kept: list[CollectorEvent] = []
        while len(kept) < count:
            await add(islice(items, WINDOW), kept)
            await asyncio.sleep(0)
            if len(kept) > in_flight:
                await kept[-in_flight]
        await self._queue.publisher.wait()
        return [_answer(event) for event in kept]

    async def ask(self, item: Any) -> Any:
        """Send and await, or both in one."""
        publisher = self._queue.publisher
        if self._mode == "request":
            results = await publisher.request(Payload(item))
        else:
            results = await (await publisher.send(Payload(item)))
        return results.first().unwrap()

    async def _send(self, items: Iterator[Any], kept: list[CollectorEvent]) -> None:
        send = self._queue.publisher.send
        for item in items:
            kept.append(await send(Payload(item)))

    async def _send_nowait(
        self, items: Iterator[Any], kept: list[CollectorEvent]
    ) -> None:
        send_nowait = self._queue.publisher.send_nowait
        for item in items:
            kept.append(send_nowait(Payload(item)))


class Rival(QueueRival):
    """The collector runs in worker processes."""

    def __init__(self, work: Work, mode: str | None) -> None:
        collector = Collector("collector", work.payload_handler, runs_in="process")
        queue = CollectorQueue([collector], workers=work.workers)
        super().__init__(work, mode, queue)


def _answer(event: CollectorEvent) -> Any:
    results = event.get_result()
    assert results is not None
    return results.first().unwrap()
