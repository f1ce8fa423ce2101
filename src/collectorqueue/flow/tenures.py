"""Tenures: the lifecycles of one run, those that are held and those that are being left.

Rules of residence: which lifecycle may be left when, and how long that may take. How one of
them is held is `lifecycle`'s.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, NamedTuple

from collectorqueue._native.plan import Step
from collectorqueue.flow.collector import Collector
from collectorqueue.flow.lifecycle import Tenure

__all__ = ["Tenures"]

LEAVE_S = 5.0  # that there is at least, to leave them


class Removal(NamedTuple):
    """A collector that is removed, and leaves its lifecycle when it may."""

    collector: Collector
    may_leave: asyncio.Event


class Tenures:
    """Every lifecycle that was entered in one run and is not left yet.

    `leave_workers(key)` leaves that of a collector that runs in processes; returns what
    that raised.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        context: contextvars.Context,
        leave_workers: Callable[[str], Coroutine[Any, Any, BaseException | None]],
    ) -> None:
        self._loop = loop
        self._context = context
        self._leave_workers = leave_workers
        self._held: dict[str, Tenure] = {}
        self._tasks: set[asyncio.Task[Any]] = set()  # of all that are entered
        self._leaving: dict[asyncio.Task[BaseException | None], Removal] = {}
        self._is_ending = False
        self._time_is_up = loop.create_future()
        self._timer: asyncio.TimerHandle | None = None

    async def enter(self, collector: Collector) -> Tenure | None:
        """Enter a collector's lifecycle, if it has one here; raises what it raises."""
        if collector.lifecycle is None or collector.runs_in == "process":
            return None  # or entered in every worker
        tenure = Tenure(collector, self._loop)
        await tenure.enter()
        assert tenure.task is not None
        self._tasks.add(tenure.task)
        tenure.task.add_done_callback(self._tasks.discard)
        return tenure

    def hold(self, tenure: Tenure | None) -> None:
        """It is to be left when its collector is removed, or the queue ends."""
        if tenure is not None:
            self._held[tenure.collector.key] = tenure

    def has(self, task: asyncio.Task[Any] | None) -> bool:
        """Whether a lifecycle is held in this task."""
        return task in self._tasks

    async def exit(self, tenures: Sequence[Tenure | None]) -> list[BaseException]:
        """Leave them in reverse, whatever they raise; returns that."""
        errors = [
            await each.exit(self._time_is_up)
            for each in reversed(tenures)
            if each is not None
        ]
        return [error for error in errors if error is not None]

    # -- removals -----------------------------------------------------------------

    def let_go(self, step: Step) -> asyncio.Task[BaseException | None]:
        """Leave a removed collector's lifecycle once it is at rest, whoever waits for it.

        The task returns what that raised.
        """
        tenure = self._held.pop(step.key, None)
        removal = Removal(step.collector, asyncio.Event())
        if self._is_ending:
            removal.may_leave.set()

        async def leave() -> BaseException | None:
            step.when_at_rest(removal.may_leave.set)
            await removal.may_leave.wait()
            step.collector.on_limits_changed(step, None)
            if tenure is None:
                return await self._leave_workers(step.key)
            return await tenure.exit(self._time_is_up)

        task = self._loop.create_task(leave(), name=f"collectorqueue removal {step.key}")
        self._leaving[task] = removal
        task.add_done_callback(self._leaving.pop)
        return task

    def leaving(
        self, collectors: set[Collector]
    ) -> list[asyncio.Task[BaseException | None]]:
        """The removals of these that are under way."""
        return [
            task for task, each in self._leaving.items() if each.collector in collectors
        ]

    async def finish_removals(self) -> None:
        """Wait until none is under way."""
        while self._leaving:
            await asyncio.wait(self._leaving)

    # -- the end ------------------------------------------------------------------

    def begin_end(self, expired: asyncio.Future[None] | None) -> None:
        """What ran has been given up, so that removals no longer wait for it.

        What is not left LEAVE_S from now and after `expired` is cancelled, if that is given.
        """
        self._is_ending = True
        for removal in self._leaving.values():
            removal.may_leave.set()
        if expired is not None:
            self._timer = self._loop.call_later(
                LEAVE_S, expired.add_done_callback, self._end_time, context=self._context
            )

    def _end_time(self, expired: asyncio.Future[None]) -> None:
        if not self._time_is_up.done():
            self._time_is_up.set_result(None)

    async def exit_all(self) -> list[BaseException]:
        """Leave all in reverse, whatever they raise; returns that."""
        errors: list[BaseException] = []
        while self._held:
            _, tenure = self._held.popitem()
            errors += await self.exit([tenure])
        await self.finish_removals()  # those that began meanwhile
        return errors

    def stop(self) -> None:
        """All are left."""
        if self._timer is not None:
            self._timer.cancel()
