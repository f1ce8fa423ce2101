"""pebble: a pool whose tasks can time out; its futures on the loop."""

from __future__ import annotations

import asyncio
from itertools import islice
from typing import Any, Self

from pebble import ProcessPool

from benchmarks.workers.work import Work

__all__ = ["MODES", "Rival"]

MODES = ("schedule",)
WINDOW = 100


class Rival:
    """Schedules a window, yields, repeats; waits for the future of `in_flight` ago."""

    def __init__(self, work: Work, mode: str | None) -> None:
        self._work = work
        self._pool = ProcessPool(max_workers=work.workers)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._pool.stop()
        self._pool.join()

    async def carry(self, count: int) -> list[Any]:
        """A future for each item."""
        items = self._work.sent(count)
        in_flight = self._work.in_flight
        kept: list[asyncio.Future[Any]] = []
        while len(kept) < count:
            kept += [self._scheduled(item) for item in islice(items, WINDOW)]
            await asyncio.sleep(0)
            if len(kept) > in_flight:
                await kept[-in_flight]
        return [await future for future in kept]

    async def ask(self, item: Any) -> Any:
        """One future."""
        return await self._scheduled(item)

    def _scheduled(self, item: Any) -> asyncio.Future[Any]:
        future = self._pool.schedule(self._work.handler, args=(item,))
        return asyncio.wrap_future(future)
