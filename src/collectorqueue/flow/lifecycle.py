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

SHORT_S = 0.1  # that one has to be left when time is up, and then to mind its cancellation


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

    async def exit(self, time_is_up: asyncio.Future[None]) -> BaseException | None:
        """Leave the lifecycle; returns what its exit raised.

        When time is up it is cancelled, and left to itself if it does not mind that; then
        returns a TimeoutError.
        """
        self._leave.set()
        task = self.task
        assert task is not None
        waited: set[asyncio.Future[Any]] = {task, time_is_up}
        await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            await asyncio.wait([task], timeout=SHORT_S)
        if task.done():
            return None if task.cancelled() else task.result()
        task.cancel()
        await asyncio.wait([task], timeout=SHORT_S)
        late = TimeoutError(
            f"the lifecycle of collector {self.collector.key!r} was not left in time"
        )
        if task.done() and not task.cancelled():
            late.__cause__ = task.result()
        return late

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
