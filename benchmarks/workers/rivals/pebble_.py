"""pebble: a pool whose tasks can time out; its futures on the loop."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any, Self

from pebble import ProcessPool

from benchmarks.workers.sliding import Waiting, slide
from benchmarks.workers.work import Work

__all__ = ["MODES", "Rival"]

MODES = ("schedule",)


class Rival:
    """One pool."""

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
        return await slide(self._work, count, self._send, lambda answer: answer)

    async def ask(self, item: Any) -> Any:
        """One future."""
        return await self._scheduled(item)

    async def _send(self, items: Iterator[Any], waiting: Waiting) -> None:
        waiting.extend(map(self._scheduled, items))

    def _scheduled(self, item: Any) -> asyncio.Future[Any]:
        future = self._pool.schedule(self._work.handler, args=(item,))
        return asyncio.wrap_future(future)
