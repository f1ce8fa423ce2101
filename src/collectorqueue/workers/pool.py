"""The worker pool: which collectors the workers have; how they begin together, and end.

Rules of residence: what a running queue asks for, and its waiting. When one worker is
started or replaced is the staff's to know.
"""

from __future__ import annotations

import asyncio
import contextvars
import itertools
from collections.abc import AsyncGenerator, Callable

import msgspec

from collectorqueue._native.answers import Answers
from collectorqueue._native.core import Core
from collectorqueue._native.crew import Crew
from collectorqueue._native.plan import Step
from collectorqueue._native.remote import RemoteOutlet
from collectorqueue.errors import QueueClosed, WorkersFailed
from collectorqueue.workers.boots import boot_for
from collectorqueue.workers.encoding import Encoding, decode_apart, undecodable
from collectorqueue.workers.forks import watch
from collectorqueue.workers.losses import exit_errors
from collectorqueue.workers.messages import Blueprint, Boot
from collectorqueue.workers.overtime import GRACE_S, Overtime
from collectorqueue.workers.settings import WorkerSettings
from collectorqueue.workers.staff import STATUS_S, Staff
from collectorqueue.workers.stats import ProcessCollectorStats, WorkersStats

__all__ = ["WorkerPool"]


class WorkerPool:
    """The workers of one running queue, and what they can run."""

    def __init__(
        self,
        core: Core,
        loop: asyncio.AbstractEventLoop,
        context: contextvars.Context,
        settings: WorkerSettings,
        *,
        on_short: Callable[[], None],
        on_started: Callable[[int, int, float], None],
        on_lost: Callable[[int, int], None],
    ) -> None:
        self._loop = loop
        answers = Answers(
            decode=msgspec.msgpack.Decoder().decode,
            decode_apart=decode_apart,
            undecodable=undecodable,
        )
        self.crew = Crew(
            core, answers=answers, on_timed=self._look_after, on_short=on_short
        )
        self.staff = staff = Staff(
            self.crew,
            loop,
            context,
            settings,
            boot=self._boot,
            on_started=on_started,
            on_lost=on_lost,
        )
        self._overtime = Overtime(self.crew, loop, context, staff.give_up, staff.retire)
        self._changing = asyncio.Lock()  # of collectors, one change after the other
        self._outlets: dict[int, tuple[Blueprint, RemoteOutlet]] = {}
        self._outlet_numbers = itertools.count()
        self._guard = self._kill_when_the_loop_ends()
        watch(self)

    def _look_after(self, ns: int) -> None:
        self._overtime.look_after(ns)

    # -- how many -------------------------------------------------------------------

    @property
    def wanted(self) -> int:
        """So many workers."""
        return self.staff.wanted

    @property
    def ready(self) -> int:
        """Of them, how many are."""
        return min(self.wanted, self.staff.ready)

    def resize(self, before: int, after: int) -> None:
        """Have so many workers; those with the least to do leave first, when it is done."""
        self.staff.resize(after)

    def stats(self) -> WorkersStats:
        """What there is to tell, now."""
        staff = self.staff
        return WorkersStats(
            workers=[each.stats() for each in staff.everyone() if each.is_at_work],
            collectors={
                outlet.step.key: ProcessCollectorStats.of(outlet)
                for _, outlet in self._outlets.values()
            },
            started=staff.starts.started,
            start_s=staff.starts.start_s,
            failed_starts=staff.starts.failed,
            died=staff.died,
            restarts=staff.restarts,
            waiting=self.crew.waits,
            out=self.crew.out,
            degraded=staff.starts.is_degraded,
        )

    # -- collectors -----------------------------------------------------------------

    def connect(self, step: Step, blueprint: Blueprint, encoding: Encoding) -> RemoteOutlet:
        """Lead a collector's events to the workers that start from now on."""
        number = next(self._outlet_numbers)
        blueprint = msgspec.structs.replace(blueprint, number=number)
        timeout = blueprint.timeout or 0.0
        if timeout and blueprint.is_async:
            timeout += GRACE_S  # its worker ends it by itself, if it can be ended
        outlet = RemoteOutlet(
            self.crew,
            step,
            number=number,
            encode_into=encoding.encode_into,
            explain=encoding.explain,
            takes_raw=encoding.takes_raw,
            is_async=blueprint.is_async,
            idempotent=step.collector.idempotent,
            limit=blueprint.max_concurrency or 0,
            timeout_ns=int(timeout * 1e9),
        )
        self._outlets[number] = (blueprint, outlet)
        return outlet

    async def take_on(
        self, step: Step, blueprint: Blueprint, encoding: Encoding
    ) -> RemoteOutlet:
        """The same for workers that run: all are replaced by such as have the collector.

        Raises WorkersFailed if those cannot start, and QueueClosed; the old ones stay then.
        """
        async with self._changing:
            outlet = self.connect(step, blueprint, encoding)
            await self._renew(outlet)
            return outlet

    async def disconnect(self, outlet: RemoteOutlet) -> BaseException | None:
        """Let workers do without this collector; returns what its lifecycle's exit raised.

        Where it has a lifecycle, all workers are replaced, so that it is left.
        """
        async with self._changing:
            blueprint, _ = self._outlets.pop(outlet.number)
            if blueprint.lifecycle is None or self.staff.is_closing:
                return None
            try:
                await self._renew()
            except WorkersFailed as error:
                return error
            except QueueClosed:
                return None  # all workers leave it now
            return None

    def _boot(self) -> Boot:
        return boot_for([blueprint for blueprint, _ in self._outlets.values()])

    async def _renew(self, added: RemoteOutlet | None = None) -> None:
        """Replace all workers, so that the new ones have the collectors of now.

        Raises WorkersFailed if those cannot start; the old ones stay then, and the
        collector that was added is forgotten.
        """
        staff = self.staff
        old = staff.counted()
        for each in old:
            each.is_ending = True  # not counted; it works on
        try:
            await self._have_ready()
        except BaseException:
            for each in staff.counted():
                staff.send_away(each)
            for each in old:
                each.is_ending = bool(each.overran)
            if added is not None:
                self._outlets.pop(added.number)
            staff.employ_spare()
            for each in old:
                if not each.is_dead:
                    each.look_whether_worn()
            staff.fill()
            raise
        for each in old:
            if not each.is_dead:
                staff.retire(each)
        staff.retire_predecessors()

    # -- start and stop -------------------------------------------------------------

    async def start(self) -> None:
        """Have all workers ready. Raises WorkersFailed with what they say."""
        await anext(self._guard)
        async with self._changing:
            await self._have_ready()
        self.staff.watch_memory()

    async def _have_ready(self) -> None:
        staff = self.staff
        failed = staff.starts.failed
        staff.fill()
        while staff.ready < staff.wanted:
            if staff.is_closing:
                raise QueueClosed("the queue was closed before its workers were ready")
            if staff.starts.failed > failed:
                raise WorkersFailed(f"a worker could not start: {staff.starts.last}")
            await staff.change()

    async def stop(
        self, grace_s: float, expired: asyncio.Future[None] | None = None
    ) -> list[BaseException]:
        """Let all workers leave their lifecycles and end, until `expired` is done, and for
        `grace_s` seconds at least; then they are killed.

        Returns what lifecycles raised. A cancellation ends it at once, and is kept.
        """
        staff = self.staff
        staff.hire_no_more()
        self._overtime.stop()
        for each in staff.everyone():
            if each.is_at_work and not each.overran:
                staff.retire(each)
            else:
                staff.dismiss(each)
        try:
            await self._until_gone(self._loop.time() + grace_s, expired)
            for each in staff.everyone():
                each.kill()
            await self._until_gone(self._loop.time() + STATUS_S)
        finally:
            staff.close()
            await self._guard.aclose()
        return exit_errors(staff.exit_failures)

    async def _until_gone(
        self, deadline: float, expired: asyncio.Future[None] | None = None
    ) -> None:
        while self.staff.everyone():
            left_s = deadline - self._loop.time()
            if left_s > 0:
                await self.staff.change(left_s)
            elif expired is not None and not expired.done():
                await self.staff.change(until=expired)
            else:
                return

    async def _kill_when_the_loop_ends(self) -> AsyncGenerator[None, None]:
        """Begun, and closed by `stop()`, or by a loop that shuts down without it."""
        try:
            yield
        finally:
            self.staff.kill()
            self.staff.close()

    def kill(self) -> None:
        """End all workers now, whether the loop runs or not; none takes their place."""
        self.staff.kill()

    def abandon(self) -> None:
        """In a child that the user forked: touch nothing that is the parent's."""
        self.staff.abandon()
