"""Lifecycles: entered and left in one task each, whoever starts and closes the queue.

Rules of residence: what a collector's `lifecycle` needs to be a normal `async with`.
Cancel scopes and task groups remember the task they were entered in, so each lifecycle
lives in a task of its own from enter to exit.
"""

from __future__ import annotations

import asyncio
from typing import Any

from collectorqueue.flow.collector import Collector

__all__ = ["Tenure"]


class Tenure:
    """One collector's lifecycle between `enter` and `exit`."""

    def __init__(self, collector: Collector, loop: asyncio.AbstractEventLoop) -> None:
        self.collector = collector
        self._entered: asyncio.Future[None] = loop.create_future()
        self._leave = asyncio.Event()
        self.task: asyncio.Task[BaseException | None] | None = None

    async def enter(self) -> None:
        """Enter the lifecycle; raises what it raises."""
        name = f"collectorqueue lifecycle {self.collector.key}"
        self.task = asyncio.create_task(self._hold(), name=name)
        try:
            await asyncio.shield(self._entered)
        except asyncio.CancelledError:
            self._leave.set()  # in case it does not mind being cancelled
            self.task.cancel()
            await asyncio.wait([self.task])
            raise

    async def exit(self) -> BaseException | None:
        """Leave the lifecycle; returns what its exit raised."""
        self._leave.set()
        assert self.task is not None
        await asyncio.wait([self.task])
        return None if self.task.cancelled() else self.task.result()

    async def _hold(self) -> BaseException | None:
        manager: Any = self.collector.lifecycle
        try:
            async with manager(self.collector.ctx):
                self._entered.set_result(None)
                await self._leave.wait()
        except asyncio.CancelledError:
            if not self._entered.done():
                self._entered.cancel()
            raise
        except BaseException as exc:
            if not self._entered.done():
                self._entered.set_exception(exc)
                return None
            return exc
        return None
