"""Lifecycles: entered and left in one task each, whoever starts and closes the queue.

Rules of residence: what a collector's `lifecycle` needs to be a normal `async with`.
Cancel scopes and task groups remember the task they were entered in, so each lifecycle
lives in a task of its own from enter to exit.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from collectorqueue.errors import QueueClosed
from collectorqueue.flow.collector import Collector
from collectorqueue.quiet import quietly

__all__ = ["LEAVE_S", "Tenure"]

log = logging.getLogger("collectorqueue.queue")

LEAVE_S = 5.0  # that there is at least, to leave a lifecycle
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

        A cancellation cancels it, and waits for it as long as leaving one may take.
        """
        try:
            await asyncio.shield(self._entered)
        except asyncio.CancelledError:
            self._leave.set()  # in case it does not mind being cancelled
            self.task.cancel()
            await asyncio.wait([self.task], timeout=LEAVE_S)
            if not self.task.done():
                quietly(
                    log, logging.WARNING,
                    "the lifecycle of collector %r does not end when it is cancelled",
                    self.collector.key,
                )  # fmt: skip
            raise

    async def exit(self, time_is_up: asyncio.Future[None]) -> BaseException | None:
        """Leave the lifecycle, or do not enter it; returns what its exit raised, each time.

        When time is up it is cancelled, and left to itself if it does not mind that; then
        returns a TimeoutError.
        """
        self._leave.set()
        task = self.task
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
