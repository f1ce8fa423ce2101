"""Workforce: the worker processes of one run of a queue, once a collector needs them.

Rules of residence: from collectors that run in processes to a pool of workers, and what
sizes it. What one worker does is the workers' room.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Iterable

from collectorqueue._native.core import Core
from collectorqueue._native.plan import Step
from collectorqueue._native.remote import RemoteOutlet
from collectorqueue.admin.autoscaler import Autoscaler
from collectorqueue.admin.observers import Observers, WorkerDied, WorkerStarted
from collectorqueue.admin.scaler import PoolScaler, PoolState
from collectorqueue.errors import QueueClosed
from collectorqueue.flow.collector import Collector
from collectorqueue.options import Options
from collectorqueue.workers.encoding import Encoding
from collectorqueue.workers.messages import Blueprint
from collectorqueue.workers.pool import WorkerPool
from collectorqueue.workers.recruiting import blueprint_of, bounds_of, encoding_of, settings_for
from collectorqueue.workers.stats import WorkersStats

__all__ = ["Workforce"]


def described(collector: Collector) -> tuple[Blueprint, Encoding]:
    """A collector, as workers make it, and how its values are written here."""
    return blueprint_of(collector), encoding_of(collector)


class Workforce:
    """The workers of one run, and which collectors' events go to them."""

    def __init__(
        self,
        core: Core,
        loop: asyncio.AbstractEventLoop,
        context: contextvars.Context,
        options: Options,
        observers: Observers,
    ) -> None:
        self.pool: WorkerPool | None = None  # no collector has needed one
        self._core = core
        self._loop = loop
        self._context = context
        self._options = options
        self._observers = observers
        self._scaler: Autoscaler | None = None
        self._outlets: dict[Step, RemoteOutlet] = {}
        self._is_ending = False
        # Of late collectors one waits for the other: the first may fail, and the pool with it.
        self._changing = asyncio.Lock()

    def stats(self) -> WorkersStats | None:
        """What there is to tell, now; None: there are no workers."""
        return None if self.pool is None else self.pool.stats()

    # -- collectors -----------------------------------------------------------------

    async def recruit(self, steps: Iterable[Step]) -> None:
        """Have workers ready for these collectors; none if none of them needs any.

        Raises ConfigError for a collector that a worker could not find, and WorkersFailed
        if workers do not start.
        """
        remote = [step for step in steps if step.collector.runs_in == "process"]
        if remote:
            await self._recruit(remote)

    async def _recruit(self, remote: list[Step]) -> WorkerPool:
        options = self._options
        settings = settings_for(
            options.workers, options.max_events_per_worker, options.max_worker_bytes
        )
        bounds = (settings.fewest, settings.most)
        policy = PoolScaler.for_workers(*bounds)
        self._scaler = scaler = Autoscaler(
            policy,
            bounds,
            self._loop,
            self._context,
            read=self._now,
            resize=lambda before, after: pool.resize(before, after),
            on_scaled=self._observers.tell,
            pool="workers",
        )
        self.pool = pool = WorkerPool(
            self._core,
            self._loop,
            self._context,
            settings,
            on_short=scaler.on_short,
            on_started=self._note_started,
            on_lost=lambda number, pid: self._observers.tell(WorkerDied(number, pid)),
        )
        for step in remote:
            self._lead_to(pool.connect(step, *described(step.collector)), step)
        await pool.start()
        return pool

    def begin(self) -> None:
        """The queue is open: what comes for them goes out."""
        if self.pool is not None:
            self.pool.crew.join()

    async def take_on(self, step: Step) -> None:
        """Lead the events of one more collector to the workers, all of which are replaced.

        Raises as `recruit` does, and QueueClosed.
        """
        async with self._changing:
            if self._is_ending:
                raise QueueClosed("the queue was closed while a collector was being added")
            if self.pool is None:
                await self._recruit_late(step)
            else:
                outlet = await self.pool.take_on(step, *described(step.collector))
                self._lead_to(outlet, step)

    async def _recruit_late(self, step: Step) -> None:
        try:
            pool = await self._recruit([step])
        except BaseException:
            if self.pool is not None:
                failed, self.pool = self.pool, None
                await failed.stop(0)
            self._outlets.pop(step, None)
            raise
        pool.crew.join()

    def _lead_to(self, outlet: RemoteOutlet, step: Step) -> None:
        self._outlets[step] = outlet
        step.lead_out(outlet)
        step.rebind(outlet.call)

    async def let_go(self, step: Step) -> BaseException | None:
        """Do without a collector that is at rest; returns what its lifecycle's exit raised."""
        outlet = self._outlets.pop(step, None)
        if outlet is None or self.pool is None:
            return None
        return await self.pool.disconnect(outlet)

    # -- how many -------------------------------------------------------------------

    def adopt(self, options: Options) -> None:
        """The bounds may have been changed."""
        before, self._options = self._options, options
        if options.workers != before.workers and self._scaler is not None:
            self._scaler.set_bounds(*bounds_of(options.workers))

    @property
    def is_short(self) -> bool:
        """Whether events wait for workers."""
        return self.pool is not None and bool(self.pool.crew.short_since)

    @property
    def is_at_most(self) -> bool:
        """Whether there may be no more of them."""
        return (
            self.pool is not None
            and self._scaler is not None
            and self.pool.wanted >= self._scaler.largest
        )

    def _now(self) -> PoolState:
        assert self.pool is not None
        pool, crew = self.pool, self.pool.crew
        return PoolState(
            queued=crew.waits,
            busy=crew.busy,
            pool=pool.wanted,
            starting=pool.wanted - pool.ready,
            peak=crew.take_peak(),
            oldest=crew.short_since / 1e9 if crew.short_since else None,
        )

    def _note_started(self, number: int, pid: int, seconds: float) -> None:
        assert self._scaler is not None
        policy = self._scaler.policy
        if isinstance(policy, PoolScaler):
            policy.note_start(seconds)
        self._observers.tell(WorkerStarted(number, pid, seconds))

    # -- the end --------------------------------------------------------------------

    def stop_scaling(self) -> None:
        """Have as many as there are."""
        if self._scaler is not None:
            self._scaler.stop()

    def hire_no_more(self) -> None:
        """Whoever waits for workers gets QueueClosed."""
        self._is_ending = True
        if self.pool is not None:
            self.pool.staff.hire_no_more()

    async def stop(
        self, grace_s: float, expired: asyncio.Future[None] | None
    ) -> list[BaseException]:
        """Let all leave their lifecycles and end; see WorkerPool.stop()."""
        return [] if self.pool is None else await self.pool.stop(grace_s, expired)
