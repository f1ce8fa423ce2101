"""Lifecycles: entered and left in one task each, whoever starts and closes the queue.

Rules of residence: what a collector's `lifecycle` needs to be a normal `async with`.
Cancel scopes and task groups remember the task they were entered in, so each lifecycle
lives in a task of its own from enter to exit.
"""

from __future__ import annotations

import asyncio
from typing import Any

from collectorqueue.errors import QueueClosed
from collectorqueue.flow.collector import Collector

__all__ = ["Tenure"]

SHORT_S = 0.1  # that one has to be left when time is up, and then to mind its cancellation


class Tenure:
    """One collector's lifecycle between `enter` and `exit`."""

    def __init__(self, collector: Collector, loop: asyncio.AbstractEventLoop) -> None:
        self.collector = collector
        self._entered: asyncio.Future[None] = loop.create_future()
        self._leave = asyncio.Event()
        # Not by the loop's task factory: one that is eager would enter it before anybody
        # knows of it.
        self.task: asyncio.Task[BaseException | None] = asyncio.Task(
            self._hold(), loop=loop, name=f"collectorqueue lifecycle {collector.key}"
        )

    async def enter(self) -> None:
        """Wait until it is entered; raises what it raises, QueueClosed if `exit` comes first.

        Whatever this raises, `exit` is to be called.
        """
        await asyncio.shield(self._entered)

    async def exit(self, time_is_up: asyncio.Future[None]) -> BaseException | None:
        """Leave it, or end that it is entered; returns what its exit raised, each time.

        When time is up it is cancelled, and left to itself if it does not mind that; then
        returns a TimeoutError.
        """
        task = self.task
        if not self._leave.is_set():
            self._leave.set()  # in case it does not mind being cancelled
            if not self._entered.done():
                task.cancel()
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
        if not self._entered.done():
            self._give_up_entering()
        return late

    async def _hold(self) -> BaseException | None:
        manager: Any = self.collector.lifecycle
        try:
            async with manager(self.collector.ctx):
                if not self._entered.done():
                    self._entered.set_result(None)
                await self._leave.wait()
        except asyncio.CancelledError:
            if not self._entered.done():
                self._give_up_entering()
            raise
        except BaseException as exc:
            if not self._entered.done():
                self._entered.set_exception(exc)
                return None
            return exc
        return None

    def _give_up_entering(self) -> None:
        """Whoever waits in `enter` need not wait any more."""
        if not self._leave.is_set():
            self._entered.cancel()  # by itself
            return
        why = f"the queue was closed while collector {self.collector.key!r} was being added"
        self._entered.set_exception(QueueClosed(why))
        self._entered.exception()  # nobody may be waiting for it any more
