"""The standard library's ProcessPoolExecutor, through `loop.run_in_executor`."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from typing import Any, Self

from benchmarks.workers.sliding import Waiting, slide
from benchmarks.workers.work import Work

__all__ = ["MODES", "ExecutorRival", "Rival"]

MODES = ("run_in_executor",)


class ExecutorRival:
    """One executor."""

    def __init__(self, work: Work, executor: Executor) -> None:
        self._work = work
        self._executor = executor

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._executor.shutdown()

    async def carry(self, count: int) -> list[Any]:
        """A future for each item."""
        return await slide(self._work, count, self._send, lambda answer: answer)

    async def ask(self, item: Any) -> Any:
        """One future."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._executor, self._work.handler, item)

    async def _send(self, items: Iterator[Any], waiting: Waiting) -> None:
        run = asyncio.get_running_loop().run_in_executor
        waiting.extend(run(self._executor, self._work.handler, item) for item in items)



class Rival(ExecutorRival):
    """With the start method that is Python's default."""

    def __init__(self, work: Work, mode: str | None) -> None:
        super().__init__(work, ProcessPoolExecutor(work.workers))
