"""Running: what a queue has only between start and close, put together.

Rules of residence: connecting the rooms. Each start makes a new one, so nothing of an
earlier run can be left in it.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
from typing import Any

import msgspec

from collectorqueue._native.core import Core
from collectorqueue._native.event import Payload
from collectorqueue._native.plan import Step
from collectorqueue._native.remote import RemoteOutlet
from collectorqueue.admin.metrics import Ledger, Window
from collectorqueue.admin.report import Reporter
from collectorqueue.admin.scaler import LoadScaler
from collectorqueue.flow.collector import Collector
from collectorqueue.flow.drain import Drain
from collectorqueue.flow.failures import FailureLog
from collectorqueue.flow.lifecycle import Tenure
from collectorqueue.flow.pool import ConsumerPool
from collectorqueue.flow.threads import Threads
from collectorqueue.options import Options
from collectorqueue.quiet import quietly
from collectorqueue.workers.pool import WorkerPool
from collectorqueue.workers.recruiting import blueprint_of, encoding_of, settings_for

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


class Running:
    """One run of a queue, on one loop."""

    def __init__(self, core: Core, options: Options) -> None:
        self.loop = asyncio.get_running_loop()
        self.context = contextvars.copy_context()
        self.pool = ConsumerPool(core, self.loop, self.context, self._break_down)
        self.threads = Threads(self.loop)
        self.workers: WorkerPool | None = None
        self._outlets: dict[str, RemoteOutlet] = {}
        self.drain: Drain = Drain(core, self.pool, self.loop)
        self.closing: asyncio.Task[Any] | None = None
        self._core = core
        self._options = options
        self._scaler = LoadScaler(options.min_consumers, options.max_consumers)
        self._failures = FailureLog(core, self.loop, self.context)
        self._tenures: dict[str, Tenure] = {}
        self._leaving: set[asyncio.Task[BaseException | None]] = set()
        self._reporter: Reporter | None = None
        self._shrinking: asyncio.TimerHandle | None = None
        self.window: Window

    def open(self, steps: list[Step]) -> None:
        """Begin to accept and to collect."""
        options = self._options
        self._core.open(
            self.loop,
            self.context,
            on_short=self._grow,
            on_compensate=self.pool.run_alone,
            on_bad_outcome=self._failures.note,
        )
        for step in steps:
            self.bind(step)
        if self.workers is not None:
            self.workers.crew.join()
        stats = None if self.workers is None else self.workers.stats
        self.window = Window(self._core, stats)
        if options.report_interval:
            self._reporter = Reporter(
                self.window.metrics, options.report_interval, self.loop, self.context
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
        self.workers = pool = WorkerPool(
            self._core,
            self.loop,
            self.context,
            settings_for(
                options.workers, options.max_events_per_worker, options.max_worker_bytes
            ),
            queue_type=options.queue_type,
            default_priority=options.default_priority,
            ageing=options.ageing,
        )
        for step in remote:
            self._lead_out(pool, step)
        await pool.start()
        return pool

    def _lead_out(self, pool: WorkerPool, step: Step) -> RemoteOutlet:
        collector: Collector = step.collector
        outlet = pool.connect(
            step,
            blueprint_of(collector),
            encoding_of(collector),
            idempotent=collector.idempotent,
        )
        self._outlets[step.key] = outlet
        step.lead_out(outlet)
        step.rebind(outlet.call)
        return outlet

    async def bind_late(self, step: Step) -> None:
        """Let a collector's step run that was added to a running queue.

        One that runs in processes has all workers replaced.
        """
        if step.collector.runs_in == "process":
            if self.workers is None:
                await self._recruit_late(step)
            else:
                outlet = self._lead_out(self.workers, step)
                try:
                    await self.workers.renew(outlet)
                except BaseException:
                    del self._outlets[step.key]
                    raise
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
        self.window.workers = pool.stats

    def stop(self) -> None:
        """Everything that is not an event: timers, threads, the last log lines."""
        self._core.shut()
        if self._shrinking is not None:
            self._shrinking.cancel()
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

    def _grow(self) -> None:
        core = self._core
        available = core.idle_consumers + core.starting
        count = self._scaler.on_short(core.queued, core.consumers, available)
        if count:
            self.pool.grow(count)
            if self._shrinking is None:
                self._arm()

    def _arm(self) -> None:
        self._shrinking = self.loop.call_later(
            self._scaler.hold_s, self._shrink, context=self.context
        )

    def _shrink(self) -> None:
        self._shrinking = None
        core = self._core
        idle = core.idle_longer_than(int(self._scaler.hold_s * 1e9))
        count = self._scaler.on_timer(core.consumers, idle)
        if count:
            self.pool.shrink(count)
        if core.consumers > self._options.min_consumers:
            self._arm()

    def _break_down(self, why: str) -> None:
        quietly(log, logging.ERROR, "the queue has failed: %s", why)
        self._core.break_down(why)
