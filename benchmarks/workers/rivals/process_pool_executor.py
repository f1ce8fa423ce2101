"""The standard library's ProcessPoolExecutor, through `loop.run_in_executor`."""

from __future__ import annotations

import asyncio
from concurrent.futures import Executor, ProcessPoolExecutor
from itertools import islice
from typing import Any, Self

from benchmarks.workers.work import Work

__all__ = ["MODES", "ExecutorRival", "Rival"]

MODES = ("run_in_executor",)
WINDOW = 100


class ExecutorRival:
    """Submits a window, yields, repeats; waits for the future of `in_flight` ago."""

    def __init__(self, work: Work, executor: Executor) -> None:
        self._work = work
        self._executor = executor

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._executor.shutdown()

    async def carry(self, count: int) -> list[Any]:
        """A future for each item."""
        items = self._work.sent(count)
        in_flight = self._work.in_flight
        run = asyncio.get_running_loop().run_in_executor
        executor, handler = self._executor, self._work.handler
        kept: list[asyncio.Future[Any]] = []
        while len(kept) < count:
            kept += [run(executor, handler, item) for item in islice(items, WINDOW)]
            await asyncio.sleep(0)
            if len(kept) > in_flight:
                await kept[-in_flight]
        return [await future for future in kept]

    async def ask(self, item: Any) -> Any:
        """One future."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._executor, self._work.handler, item)


class Rival(ExecutorRival):
    """With the start method that is Python's default."""

    def __init__(self, work: Work, mode: str | None) -> None:
        super().__init__(work, ProcessPoolExecutor(work.workers))
