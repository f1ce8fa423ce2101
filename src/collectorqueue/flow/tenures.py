"""Tenures: the lifecycles of one run, those that are held and those that are being left.

Rules of residence: which lifecycle may be left when, and how long that may take. How one of
them is held is `lifecycle`'s.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, NamedTuple

from collectorqueue._native.plan import Step
from collectorqueue.flow.collector import Collector
from collectorqueue.flow.lifecycle import Tenure

__all__ = ["Tenures"]

LEAVE_S = 5.0  # that there is at least, to leave lifecycles


class Removal(NamedTuple):
    """A collector that is removed, and leaves its lifecycle when it may."""

    collector: Collector
    may_leave: asyncio.Event


class Tenures:
    """Every lifecycle of one run, from before it is entered until it is left.

    `leave_workers(step)` leaves that of a collector that runs in processes; returns what
    that raised.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        context: contextvars.Context,
        leave_workers: Callable[[Step], Coroutine[Any, Any, BaseException | None]],
    ) -> None:
        self._loop = loop
        self._context = context
        self._leave_workers = leave_workers
        self._tenures: dict[Tenure, None] = {}  # in the order in which they began
        self._leaving: dict[asyncio.Task[BaseException | None], Removal] = {}
        self._is_ending = False
        self._time_is_up = loop.create_future()
        self._timer: asyncio.TimerHandle | None = None

    def begin(self, collector: Collector) -> Tenure | None:
        """Begin to enter a collector's lifecycle, if it has one here; it is to be left."""
        if collector.lifecycle is None or collector.runs_in == "process":
            return None  # or entered in every worker
        tenure = Tenure(collector, self._loop)
        self._tenures[tenure] = None
        return tenure

    def _of(self, collector: Collector) -> Tenure | None:
        return next((each for each in self._tenures if each.collector is collector), None)

    def has(self, task: asyncio.Task[Any] | None) -> bool:
        """Whether a lifecycle is held in this task."""
        return any(each.task is task for each in self._tenures)

    async def exit(self, tenures: Iterable[Tenure]) -> list[BaseException]:
        """Leave them one after the other, whatever they raise; returns that."""
        errors = [await self._exit(each) for each in tenures]
        return [error for error in errors if error is not None]

    async def _exit(self, tenure: Tenure) -> BaseException | None:
        error = await tenure.exit(self._time_is_up)
        self._tenures.pop(tenure, None)
        return error

    # -- removals -----------------------------------------------------------------

    def let_go(self, step: Step) -> asyncio.Task[BaseException | None]:
        """Leave a removed collector's lifecycle once it is at rest, whoever waits for it.

        The task returns what that raised.
        """
        tenure = self._of(step.collector)
        task = asyncio.current_task()
        if tenure and (tenure.task is task or (self._is_ending and self.has(task))):
            tenure = None  # it is on its way out, or will be left after this one
        removal = Removal(step.collector, asyncio.Event())
        if self._is_ending:
            removal.may_leave.set()

        async def leave() -> BaseException | None:
            step.when_at_rest(removal.may_leave.set)
            await removal.may_leave.wait()
            step.collector.on_limits_changed(step, None)
            if tenure is None:
                return await self._leave_workers(step)
            return await self._exit(tenure)

        removing = self._loop.create_task(
            leave(), name=f"collectorqueue removal {step.key}"
        )
        self._leaving[removing] = removal
        removing.add_done_callback(self._leaving.pop)
        return removing

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

    def begin_end(self, expired: asyncio.Future[None]) -> None:
        """What ran has been given up, so that removals no longer wait for it.

        What is not left LEAVE_S from now and after `expired` is cancelled.
        """
        self._is_ending = True
        for removal in self._leaving.values():
            removal.may_leave.set()
        self._timer = self._loop.call_later(
            LEAVE_S, expired.add_done_callback, self._end_time, context=self._context
        )

    def _end_time(self, expired: asyncio.Future[None]) -> None:
        if not self._time_is_up.done():
            self._time_is_up.set_result(None)

    async def exit_all(self) -> list[BaseException]:
        """Leave all in reverse, whatever they raise; returns that.

        Those that are left when time is up have no time to wait for each other.
        """
        errors: list[BaseException | None] = []
        while rest := list(reversed(self._tenures)):
            if not self._time_is_up.done():
                rest = rest[:1]
            errors += await asyncio.gather(*map(self._exit, rest))
        await self.finish_removals()  # those that began meanwhile
        return [error for error in errors if error is not None]

    def stop(self) -> None:
        """All are left."""
        if self._timer is not None:
            self._timer.cancel()
