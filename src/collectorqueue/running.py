"""Running: what a queue has only between start and close, put together.

Rules of residence: connecting the rooms. Each start makes a new one, so nothing of an
earlier run can be left in it.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
from collections import deque
from typing import Any

import msgspec

from collectorqueue._native.core import Core
from collectorqueue._native.event import CollectorEvent, Outcome
from collectorqueue._native.payload import Payload
from collectorqueue._native.plan import Step
from collectorqueue._native.remote import RemoteOutlet
from collectorqueue.admin.autoscaler import Autoscaler, ScalingStats
from collectorqueue.admin.metrics import Gauge, Ledger, PolicyStats
from collectorqueue.admin.observers import DeadLettered, Observers, WorkerDied, WorkerStarted
from collectorqueue.admin.report import Reporter
from collectorqueue.admin.scaler import PoolScaler, PoolState
from collectorqueue.errors import QueueClosed
from collectorqueue.flow.collector import Collector
from collectorqueue.flow.deadletters import DeadLetter, DeadLetters
from collectorqueue.flow.drain import Drain
from collectorqueue.flow.failures import FailureLog
from collectorqueue.flow.fitting import fit
from collectorqueue.flow.lifecycle import Tenure
from collectorqueue.flow.pool import ConsumerPool
from collectorqueue.flow.sizes import measure_by
from collectorqueue.flow.threads import Threads
from collectorqueue.flow.typed import Converters
from collectorqueue.options import Options
from collectorqueue.quiet import quietly
from collectorqueue.workers.encoding import Encoding
from collectorqueue.workers.forks import watch
from collectorqueue.workers.messages import Blueprint
from collectorqueue.workers.pool import WorkerPool
from collectorqueue.workers.recruiting import blueprint_of, bounds_of, encoding_of, settings_for

__all__ = ["DrainReport", "Running"]

log = logging.getLogger("collectorqueue.queue")

LEAVE_S = 0.3  # that workers have at least, to leave their lifecycles


class DrainReport(msgspec.Struct, frozen=True):
    """How a queue ended; what `close()` returns, kept as `queue.drain_report`."""

    ledger: Ledger
    """The final sum; queued and in flight are 0 once `complete`."""
    aborted: tuple[Payload[Any], ...] = ()
    """The payloads left at the deadline, those that ran first, then in queue order."""
    abandoned: tuple[str, ...] = ()
    """Handlers that did not end when they were cancelled, described."""
    seconds: float = 0.0
    """How long the drain took."""
    complete: bool = True
    """False for what `close()` returns inside a handler: the drain goes on."""


def described(collector: Collector) -> tuple[Blueprint, Encoding]:
    """A collector, as workers make it, and how its values are written here."""
    return blueprint_of(collector), encoding_of(collector)


class Running:
    """One run of a queue, on one loop."""

    def __init__(
        self, core: Core, options: Options, observers: Observers, kept: deque[DeadLetter]
    ) -> None:
        self.loop = asyncio.get_running_loop()
        self.context = contextvars.copy_context()
        self.pool = ConsumerPool(core, self.loop, self.context, self._break_down)
        self.threads = Threads(self.loop)
        self.workers: WorkerPool | None = None
        self._outlets: dict[str, RemoteOutlet] = {}
        self.drain = Drain(
            core, self.pool, self.loop, self._stop_scaling, self._finish_letters
        )
        self.closing: asyncio.Task[Any] | None = None
        self._observers = observers
        self._core = core
        self._options = options
        self._scaler: Autoscaler
        self._worker_scaler: Autoscaler | None = None
        self._lent = 0  # consumers
        self._failures = FailureLog(core, self.loop, self.context)
        self._measure = measure_by(options.size_of)
        self._converters = Converters()
        self._letters = DeadLetters(
            core,
            core.index.steps,
            options.dead_letter,
            kept,
            self.loop,
            self.context,
            on_letter=lambda letter: observers.tell(DeadLettered(letter)),
        )
        self._tenures: dict[str, Tenure] = {}
        self._leaving: set[asyncio.Task[BaseException | None]] = set()
        self._reporter: Reporter | None = None
        self.gauge: Gauge
        watch(self)

    def abandon(self) -> None:
        """In a child that the user forked: the queue is its parent's."""
        self._core.forsake()

    def open(self, steps: list[Step]) -> None:
        """Begin to accept and to collect."""
        options = self._options
        bounds = (options.min_consumers, options.max_consumers)
        self._scaler = Autoscaler(
            options.scaling or PoolScaler(*bounds),
            bounds,
            self.loop,
            self.context,
            read=self._consumers_now,
            resize=self._resize,
            on_scaled=self._observers.tell,
        )
        self._core.open(
            self.loop,
            self.context,
            on_short=self._scaler.on_short,
            # The rule of the house decides nothing there.
            on_freed=self._scaler.on_finish if options.scaling else None,
            on_compensate=self.pool.run_alone,
            on_bad_outcome=self._note_bad,
            on_written_off=self.pool.write_off,
        )
        for step in steps:
            self.bind(step)
        if self.workers is not None:
            self.workers.crew.join()
        stats = None if self.workers is None else self.workers.stats
        self.gauge = Gauge(
            self._core, stats, self.scaling, self.limited_by, self._policies
        )
        if options.report_interval:
            self._reporter = Reporter(
                self.gauge.metrics,
                options.report_interval,
                self.loop,
                self.context,
                options.on_report,
            )
        self.pool.grow(
            options.min_consumers if options.autoscale else options.max_consumers
        )

    def bind(self, step: Step) -> None:
        """Let a collector's step run here."""
        collector: Collector = step.collector
        collector.step = step
        if collector.runs_in == "thread":
            step.rebind(self.threads.wrap(collector.processor))
        fit(step, self._core, self._measure, self._converters)

    async def start_workers(self, steps: list[Step]) -> None:
        """Have worker processes for the collectors that run in some; none if none does.

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
        self._worker_scaler = scaler = Autoscaler(
            policy,
            bounds,
            self.loop,
            self.context,
            read=self._workers_now,
            resize=lambda before, after: pool.resize(before, after),
            on_scaled=self._observers.tell,
            pool="workers",
        )
        self.workers = pool = WorkerPool(
            self._core,
            self.loop,
            self.context,
            settings,
            on_short=scaler.on_short,
            on_started=self._note_started,
            on_lost=lambda number, pid: self._observers.tell(WorkerDied(number, pid)),
        )
        for step in remote:
            self._lead_to(pool.connect(step, *described(step.collector)), step)
        await pool.start()
        return pool

    def _lead_to(self, outlet: RemoteOutlet, step: Step) -> None:
        self._outlets[step.key] = outlet
        step.lead_out(outlet)
        step.rebind(outlet.call)

    async def take_on(self, steps: list[Step]) -> list[Tenure | None]:
        """Have collectors that come late ready, in order; their lifecycles, all entered.

        Raises what those raise, or QueueClosed; those entered before are left then.
        """
        tenures: list[Tenure | None] = []
        try:
            for step in steps:
                tenures.append(await self.enter(step.collector))
                await self.bind_late(step)
            if not self._core.is_open:
                raise QueueClosed("the queue was closed while a collector was being added")
        except BaseException:
            for tenure in reversed(tenures):
                error = None if tenure is None else await tenure.exit()
                if error is not None:
                    quietly(
                        log, logging.ERROR, "a lifecycle failed to exit", exc_info=error
                    )
            raise
        return tenures

    async def bind_late(self, step: Step) -> None:
        """Let a collector's step run that was added to a running queue.

        One that runs in processes has all workers replaced.
        """
        if step.collector.runs_in == "process":
            if self.workers is None:
                await self._recruit_late(step)
            else:
                self._lead_to(
                    await self.workers.take_on(step, *described(step.collector)), step
                )
        self.bind(step)

    async def _recruit_late(self, step: Step) -> None:
        try:
            pool = await self._recruit([step])
        except BaseException:
            if self.workers is not None:
                workers, self.workers = self.workers, None
                await workers.stop(0)
            self._outlets.pop(step.key, None)
            raise
        pool.crew.join()
        self.gauge.workers = pool.stats

    def _note_bad(self, event: CollectorEvent) -> None:
        self._failures.note(event)
        if event.outcome is Outcome.FAILED:
            self._letters.note(event)

    async def _finish_letters(self) -> None:
        await self._letters.finish(self.drain.left_s())

    def _policies(self) -> PolicyStats:
        return PolicyStats(
            retries=self._core.retries,
            dead_letters=self._letters.count,
            dead_letters_lost=self._letters.lost,
            written_off=self.pool.written_off,
            abandoned_threads=self.threads.abandoned,
        )

    def stop(self) -> None:
        """Everything that is not an event: timers, threads, the last log lines."""
        self._core.shut()
        self._core.rest()
        for step in self._core.index.steps.values():
            step.collector.on_limits_changed(step, None)
        self._stop_scaling()
        if self._reporter is not None:
            self._reporter.stop()
        self._failures.close()
        self.threads.stop()

    # -- lifecycles ---------------------------------------------------------------

    async def enter(self, collector: Collector) -> Tenure | None:
        """Enter a collector's lifecycle, if it has one; raises what it raises."""
        if collector.lifecycle is None or collector.runs_in == "process":
            return None  # or entered in every worker
        tenure = Tenure(collector, self.loop)
        await tenure.enter()
        return tenure

    def keep(self, tenure: Tenure | None) -> None:
        """The lifecycle is to be left when its collector or the queue goes."""
        if tenure is not None:
            self._tenures[tenure.collector.key] = tenure

    def let_go(self, step: Step) -> asyncio.Task[BaseException | None]:
        """Leave a removed collector's lifecycle once it is at rest, whoever waits for it.

        The task returns what that raised.
        """
        tenure = self._tenures.pop(step.key, None)

        async def leave() -> BaseException | None:
            at_rest = asyncio.Event()
            step.when_at_rest(at_rest.set)
            await at_rest.wait()
            step.collector.on_limits_changed(step, None)
            outlet = self._outlets.pop(step.key, None)
            if outlet is not None and self.workers is not None:
                return await self.workers.disconnect(outlet)
            return None if tenure is None else await tenure.exit()

        task = self.loop.create_task(leave(), name=f"collectorqueue removal {step.key}")
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)
        return task

    async def exit_all(self) -> list[BaseException]:
        """Leave all lifecycles in reverse, whatever they raise; returns that."""
        errors: list[BaseException] = []
        if self._leaving:
            await asyncio.wait(self._leaving)
        if self.workers is not None:
            # What ran has been given up by now: time to leave lifecycles, not to work.
            left_s = 0.0 if self.closing is None else self.drain.left_s()
            errors += await self.workers.stop(max(LEAVE_S, left_s))
        while self._tenures:
            _, tenure = self._tenures.popitem()
            error = await tenure.exit()
            if error is not None:
                errors.append(error)
        return errors

    # -- scaling ------------------------------------------------------------------

    def _consumers_now(self) -> PoolState:
        core = self._core
        return PoolState(
            queued=core.in_lane(),
            # Those that were lent stand in for others that are blocked.
            busy=core.busy - self._lent,
            pool=core.consumers - self._lent,
            starting=core.starting,
            peak=core.take_peak(),
        )

    def _workers_now(self) -> PoolState:
        assert self.workers is not None
        pool, crew = self.workers, self.workers.crew
        return PoolState(
            queued=crew.waits,
            busy=crew.busy,
            pool=pool.wanted,
            starting=pool.wanted - pool.ready,
            peak=crew.take_peak(),
            oldest=crew.short_since / 1e9 if crew.short_since else None,
        )

    def adopt(self, options: Options) -> None:
        """The bounds of a pool have been changed."""
        before, self._options = self._options, options
        if options.workers != before.workers and self._worker_scaler is not None:
            self._worker_scaler.set_bounds(*bounds_of(options.workers))
        if not self._core.is_live:
            return  # not open yet, or about to leave
        if options.autoscale:
            self._scaler.set_bounds(options.min_consumers, options.max_consumers)
        else:
            self._resize(self._core.consumers - self._lent, options.max_consumers)

    def _resize(self, before: int, after: int) -> None:
        if after > before:
            self.pool.grow(after - before)
        elif after < before:
            self.pool.shrink(before - after)

    def lend(self, count: int) -> None:
        """So many consumers more, or fewer, whatever the bounds: handlers are blocked."""
        self._lent += count
        self._resize(0, count)

    def _stop_scaling(self) -> None:
        self._scaler.stop()
        if self._worker_scaler is not None:
            self._worker_scaler.stop()

    def scaling(self) -> ScalingStats:
        """What the autoscaler has done to the consumers."""
        return self._scaler.stats()

    def _note_started(self, number: int, pid: int, seconds: float) -> None:
        assert self._worker_scaler is not None
        policy = self._worker_scaler.policy
        if isinstance(policy, PoolScaler):
            policy.note_start(seconds)
        self._observers.tell(WorkerStarted(number, pid, seconds))

    def limited_by(self) -> str | None:
        """What keeps a pool from growing while events wait, as in Load."""
        core = self._core
        if core.in_lane() and core.busy >= core.consumers >= core.max_consumers:
            return "max_consumers"
        if core.in_lane() and core.is_loop_bound:
            return "loop"
        pool, scaler = self.workers, self._worker_scaler
        if pool is not None and scaler is not None and pool.crew.short_since:
            return "workers" if pool.wanted >= scaler.largest else None
        return None

    def _break_down(self, why: str) -> None:
        quietly(log, logging.ERROR, "the queue has failed: %s", why)
        self._core.break_down(why)
