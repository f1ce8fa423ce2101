"""The consumer pool: starts consumers' tasks, and replaces one that was lost.

Rules of residence: tasks. How many there should be is told from outside; a consumer takes
itself out of the count before its task ends, so that the count is right at every instant.
"""

from __future__ import annotations

import asyncio
import contextvars
import itertools
import logging
import sys
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from collectorqueue._native.branch import Branch
from collectorqueue._native.consumer import Consumer
from collectorqueue._native.core import Core
from collectorqueue._native.event import CollectorEvent
from collectorqueue.quiet import quietly

__all__ = ["CollectTask", "ConsumerPool"]

log = logging.getLogger("collectorqueue.pool")

CRASHES = 3  # faults of ours within
CRASH_WINDOW_S = 5.0  # that make the queue give up

Timeout: Any = asyncio.Timeout
OF_TIMEOUTS = Timeout._on_timeout.__code__
OF_GROUPS: Any = asyncio.TaskGroup._on_task_done.__code__
# Up to Python 3.12 a task group may not take back that it has cancelled its own task.
GROUPS_FORGET = sys.version_info < (3, 13)

EAGERLY: dict[str, Any] = {"eager_start": True} if sys.version_info >= (3, 12) else {}


class Turns:
    """Of the loop, told apart as far as anybody asks which it is."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._number = 0
        self._is_this = False

    def this(self) -> int:
        """A number of this turn."""
        if not self._is_this:
            self._is_this = True
            self._loop.call_soon(self._is_over)
        return self._number

    def _is_over(self) -> None:
        self._is_this = False
        self._number += 1


class CollectTask(asyncio.Task[None]):
    """A task that tells its driver of each cancellation, at the moment it is asked for."""

    def __init__(self, driver: Consumer | Branch, turns: Turns, **options: Any) -> None:
        self._driver = driver
        self._turns = turns
        self.cancelled_in = -1  # by others, in which turn; -1: it was not
        driver.attach(self)
        super().__init__(driver, **options)

    def cancel(self, msg: Any = None) -> bool:
        code: Any = sys._getframe(1).f_code
        accepted = super().cancel(msg)
        if accepted:
            if code is not OF_GROUPS and code is not OF_TIMEOUTS:
                self.cancelled_in = self._turns.this()
            self._driver.note_cancel(self.cancelling(), GROUPS_FORGET and code is OF_GROUPS)
        return accepted

    def uncancel(self) -> int:
        left = super().uncancel()
        self._driver.note_cancel(left)
        return left


class ConsumerPool:
    """The consumers of one running queue."""

    def __init__(
        self,
        core: Core,
        loop: asyncio.AbstractEventLoop,
        context: contextvars.Context,
        on_broken: Callable[[str], None],
    ) -> None:
        self._core = core
        self._loop = loop
        self._context = context
        self._on_broken = on_broken
        self._turns = Turns(loop)
        self._consumers: dict[CollectTask, Consumer] = {}
        self._branches: dict[asyncio.Task[None], Branch] = {}
        self._numbers = itertools.count(1)
        self.written_off = 0  # runs that went on after their timeout
        self._missing = 0  # consumers that ended without being told to
        self._lost: list[int] = []  # when somebody else cancelled those of them
        self._replacing = False
        self._stopping = False
        self._crashes: deque[float] = deque(maxlen=CRASHES + 1)

    def grow(self, count: int) -> None:
        """Have `count` consumers more; some may be about to leave and stay instead.

        None once the pool is being stopped: nobody would retire them.
        """
        if self._stopping:
            return
        count -= self._core.reclaim(count)
        if count > 0:
            self._core.add_seats(count)
            missing = count
            try:
                while missing:
                    self._start(None)
                    missing -= 1
            finally:
                self._core.give_up_seats(missing)  # without memory

    def shrink(self, count: int) -> None:
        """Have `count` consumers fewer: idle ones now, busy ones after their event."""
        self._core.retire(count)

    def run_alone(self, event: CollectorEvent) -> None:
        """Start a consumer for this event only, beyond the pool's maximum."""
        self._start(event)

    def write_off(self, driver: Consumer | Branch) -> None:
        """Its handler goes on after its timeout: leave it alone, and have another."""
        self.written_off += 1
        quietly(
            log,
            logging.WARNING,
            "collector %s does not end after its timeout: its place is given to another",
            driver.current_key,
        )
        if isinstance(driver, Consumer):
            task = driver.current_task
            assert isinstance(task, CollectTask)
            self._ended(task)

    async def stop(self) -> None:
        """Retire all and wait until those that run nothing have ended."""
        self._stopping = True
        self._core.retire(self._core.consumers)
        while waited := [
            task
            for task, consumer in self._consumers.items()
            if consumer.current_event is None and not task.done()
        ]:
            await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)

    def disown_running(self) -> None:
        """What still runs was given up: it must not touch what comes after this run."""
        self._core.disown_running()
        for branch in self._branches.values():
            branch.disown()  # also one whose consumer was cancelled, and is no more

    def _start(self, only: CollectorEvent | None) -> None:
        consumer = Consumer(self._core, self._start_branch, only)
        # asyncio's own Task, past any task factory: the machine relies on how it steps.
        task = CollectTask(
            consumer,
            self._turns,
            loop=self._loop,
            name=f"collectorqueue consumer {next(self._numbers)}",
            context=self._context.copy(),
        )
        self._consumers[task] = consumer
        task.add_done_callback(self._ended, context=self._context)

    def _start_branch(self, branch: Branch, context: contextvars.Context) -> None:
        task = CollectTask(branch, self._turns, loop=self._loop, context=context, **EAGERLY)
        if not task.done():
            self._branches[task] = branch
            task.add_done_callback(self._branches.pop, context=self._context)

    def _ended(self, task: CollectTask) -> None:
        consumer = self._consumers.pop(task, None)
        if consumer is None:
            return  # written off before
        crash = None if task.cancelled() or not task.done() else task.exception()
        if crash is not None:
            quietly(
                log, logging.ERROR, "a consumer crashed and is replaced", exc_info=crash
            )
            self._crashes.append(time.monotonic())
        if consumer.only_event is not None:
            if consumer.lost:
                self._loop.call_soon(self._run_again, consumer.only_event)
            return
        if consumer.needs_successor:
            self._missing += 1
            if consumer.lost:
                self._lost.append(task.cancelled_in)
            if not self._replacing:
                self._replacing = True
                self._loop.call_soon(self._replace, context=self._context)

    def _run_again(self, event: CollectorEvent) -> None:
        """A consumer of one event was cancelled; if it had not begun, a handler waits."""
        if self._core.is_live and event.wait_time() == 0:
            self.run_alone(event)

    def _replace(self) -> None:
        """A turn later: have as many consumers as before, unless all were cancelled."""
        self._replacing = False
        missing, self._missing = self._missing, 0
        lost, self._lost = self._lost, []
        # One in its handler's own timeout is cancelled too, until that is taken back.
        stays = any(
            not consumer.is_cancelled or task.cancelled_in not in lost
            for task, consumer in self._consumers.items()
        )
        why = ""
        if missing == len(lost) and not stays:
            why = "all consumers were cancelled at once"
        elif (
            len(self._crashes) > CRASHES
            and self._crashes[-1] - self._crashes[0] < CRASH_WINDOW_S
        ):
            why = f"{len(self._crashes)} consumers crashed in a row"
        if why or not self._core.is_live:
            self._core.lose_seats(missing)
            if self._core.is_live:
                self._on_broken(why)
            return
        self._core.fill_seats(missing)
        for _ in range(missing):
            self._start(None)
