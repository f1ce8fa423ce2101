"""collectorqueue with a collector in worker processes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Self

from benchmarks.workers.sliding import Waiting, slide
from benchmarks.workers.work import Work
from collectorqueue import Collector, CollectorQueue, Payload, ResultList

__all__ = ["MODES", "QueueRival", "Rival"]

MODES = ("send", "send_nowait", "request")


class QueueRival:
    """One queue with one collector."""

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
        """One by one, each with an event."""
        send = self._send_nowait if self._mode == "send_nowait" else self._send
        return await slide(self._work, count, send, _answer)

    async def ask(self, item: Any) -> Any:
        """Send and await, or both in one."""
        publisher = self._queue.publisher
        if self._mode == "request":
            results = await publisher.request(Payload(item))
        else:
            results = await (await publisher.send(Payload(item)))
        return _answer(results)

    async def _send(self, items: Iterator[Any], waiting: Waiting) -> None:
        send = self._queue.publisher.send
        for item in items:
            waiting.append(await send(Payload(item)))

    async def _send_nowait(self, items: Iterator[Any], waiting: Waiting) -> None:
        send_nowait = self._queue.publisher.send_nowait
        for item in items:
            waiting.append(send_nowait(Payload(item)))


class Rival(QueueRival):
    """The collector runs in worker processes."""

    def __init__(self, work: Work, mode: str | None) -> None:
        collector = Collector("collector", work.payload_handler, runs_in="process")
        queue = CollectorQueue([collector], workers=work.workers)
        super().__init__(work, mode, queue)


def _answer(results: ResultList) -> Any:
    return results.first().unwrap()
