"""Running: what a queue has only between start and close, put together.

Rules of residence: connecting the rooms. Each start makes a new one, so nothing of an
earlier run can be left in it.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
from collections import deque
from collections.abc import Coroutine
from typing import Any

import msgspec

from collectorqueue._native.core import Core
from collectorqueue._native.event import CollectorEvent
from collectorqueue._native.payload import Payload
from collectorqueue._native.plan import Step
from collectorqueue.admin.autoscaler import Autoscaler, ScalingStats
from collectorqueue.admin.metrics import Gauge, Ledger, PolicyStats
from collectorqueue.admin.observers import DeadLettered, Observers
from collectorqueue.admin.report import Reporter
from collectorqueue.admin.scaler import PoolScaler, PoolState
from collectorqueue.errors import QueueClosed, WouldDeadlock, WrongLoop
from collectorqueue.flow.collector import Collector
from collectorqueue.flow.deadletters import DeadLetter, DeadLetters
from collectorqueue.flow.drain import Drain
from collectorqueue.flow.failures import FailureLog
from collectorqueue.flow.finishing import finished
from collectorqueue.flow.fitting import fit
from collectorqueue.flow.lifecycle import Tenure
from collectorqueue.flow.pool import ConsumerPool
from collectorqueue.flow.sizes import measure_by
from collectorqueue.flow.tenures import Tenures
from collectorqueue.flow.threads import Threads
from collectorqueue.flow.typed import Converters
from collectorqueue.options import Options
from collectorqueue.quiet import quietly
from collectorqueue.workers.forks import watch
from collectorqueue.workforce import Workforce

__all__ = ["DrainReport", "Running", "log_failed_exit", "log_failed_removal"]

log = logging.getLogger("collectorqueue.queue")

LEAVE_WORKERS_S = 0.3  # that lifecycles have in workers, which are killed then


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


def log_failed_exit(error: BaseException) -> None:
    """Of a lifecycle; for where another error is raised, or several are."""
    quietly(log, logging.ERROR, "a lifecycle failed to exit", exc_info=error)


def log_failed_removal(task: asyncio.Task[BaseException | None]) -> None:
    """The same, for one that nobody waits for any more."""
    error = None if task.cancelled() else task.result()
    if error is not None:
        log_failed_exit(error)


class Running:
    """One run of a queue, on one loop."""

    def __init__(
        self, core: Core, options: Options, observers: Observers, kept: deque[DeadLetter]
    ) -> None:
        self.loop = asyncio.get_running_loop()
        self.context = contextvars.copy_context()
        self.pool = ConsumerPool(core, self.loop, self.context, self._break_down)
        self.threads = Threads(self.loop)
        self.workforce = Workforce(core, self.loop, self.context, options, observers)
        self.tenures = Tenures(self.loop, self.context, self.workforce.let_go)
        self.drain = Drain(
            core, self.pool, self.loop, self._stop_scaling, self._finish_letters
        )
        self.beginning: asyncio.Timeout | None = None  # around start()
        self._has_begun = asyncio.Event()  # or has failed to
        self.closing: asyncio.Task[Any] | None = None
        self._observers = observers
        self._core = core
        self._options = options
        self._scaler: Autoscaler
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
        self._reporter: Reporter | None = None
        self.gauge: Gauge
        watch(self)

    def abandon(self) -> None:
        """In a child that the user forked: the queue is its parent's."""
        self._core.forsake()

    async def start(self, steps: list[Step]) -> None:
        """Enter all lifecycles in order, then accept and collect.

        Raises what they raise, ConfigError for a collector that cannot be what it says, and
        WorkersFailed; all is as it was then.
        """
        for step in steps:
            self._converters.of(step.collector)  # before anything else has begun
        try:
            for step in steps:
                if tenure := self.tenures.begin(step.collector):
                    await tenure.enter()
            await self.workforce.recruit(steps)
            self._open(steps)
        except BaseException:
            self.beginning = None  # a close has nothing to cut short
            if self._core.is_open:
                self.stop()
            self.drain.shorten(self._options.drain_timeout)
            await self._leave(self.exit_all())
            raise

    async def _leave(self, exits: Coroutine[Any, Any, list[BaseException]]) -> None:
        """Have lifecycles left as another error is raised; a cancellation waits for that."""
        # Not by the loop's task factory, as for the drain.
        leaving = asyncio.Task(exits, loop=self.loop, name="collectorqueue undoing")
        try:
            await finished(leaving)
        finally:
            for error in leaving.result():
                log_failed_exit(error)

    def give_up_start(self, timeout: float | None) -> None:
        """Have it end where it is, unless it is done by then; lifecycles have until then."""
        if asyncio.get_running_loop() is not self.loop:
            raise WrongLoop(f"the queue is being started on its own loop, {self.loop!r}")
        self.drain.shorten(timeout)
        if self.beginning is not None and not self.beginning.expired():
            self.beginning.reschedule(self.loop.time())

    async def until_begun(self) -> None:
        """Wait until start is over, whatever comes of it."""
        await self._has_begun.wait()

    def begun(self) -> None:
        """Start is over, whatever came of it."""
        self._has_begun.set()
        # It keeps the task that started the queue, whose result may be the queue.
        self.beginning = None

    def is_closing_in(self, task: asyncio.Task[Any] | None) -> bool:
        """Whether the close waits for this task."""
        return task in self._letters.under_way or self.tenures.has(task)

    def _open(self, steps: list[Step]) -> None:
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
        self.workforce.begin()
        self.gauge = Gauge(
            self._core,
            self.workforce.stats,
            self.scaling,
            self.limited_by,
            self._policies,
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

    async def take_on(self, steps: list[Step]) -> None:
        """Have collectors that come late ready, in order, with their lifecycles entered.

        Waits for those of them that are still being removed. Raises what lifecycles raise,
        QueueClosed, or WouldDeadlock; those entered before are left then.
        """
        await self._until_left({step.collector for step in steps})
        tenures: list[Tenure] = []
        bound: list[Step] = []
        try:
            for step in steps:
                self._check_open()
                if tenure := self.tenures.begin(step.collector):
                    tenures.append(tenure)
                    await tenure.enter()
                self._check_open()
                await self.bind_late(step)
                bound.append(step)
            self._check_open()
        except BaseException:
            await self._leave(self._undo(bound, tenures))
            raise

    async def _until_left(self, collectors: set[Collector]) -> None:
        leaving = self.tenures.leaving(collectors)
        if not leaving:
            return
        if self._core.is_inside() or self.tenures.has(asyncio.current_task()):
            raise WouldDeadlock(
                "neither a handler nor a lifecycle can wait until a collector is at rest"
            )
        await asyncio.wait(leaving)

    def _check_open(self) -> None:
        # Of this run: by now the queue may have been started again.
        if self.closing is not None or not self._core.is_open:
            raise QueueClosed("the queue was closed while a collector was being added")

    async def _undo(
        self, bound: list[Step], tenures: list[Tenure]
    ) -> list[BaseException]:
        errors = []
        for step in reversed(bound):
            step.collector.forget(step)
            errors.append(await self.workforce.let_go(step))
        left = await self.tenures.exit(reversed(tenures))
        return [each for each in errors if each is not None] + left

    async def bind_late(self, step: Step) -> None:
        """Let a collector's step run that was added to a running queue.

        One that runs in processes has all workers replaced.
        """
        if step.collector.runs_in == "process":
            await self.workforce.take_on(step)
        self.bind(step)

    async def exit_all(self) -> list[BaseException]:
        """Leave all lifecycles in reverse, whatever they raise; returns that.

        They have until the deadline, and no end of time without one.
        """
        deadline = self.drain.deadline
        self.tenures.begin_end(deadline.expired)
        self.workforce.hire_no_more()
        await self.tenures.finish_removals()
        errors = await self.workforce.stop(
            LEAVE_WORKERS_S, None if self.closing is None else deadline.expired
        )
        errors += await self.tenures.exit_all()
        self.tenures.stop()
        deadline.stop()
        return errors

    def _note_bad(
        self, event: CollectorEvent, route: Step | tuple[Step, ...] | None
    ) -> None:
        self._failures.note(event)
        self._letters.note(event, route)

    async def _finish_letters(self) -> None:
        await self._letters.finish(self.drain.deadline)

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

    def adopt(self, options: Options) -> None:
        """The bounds of a pool have been changed."""
        self._options = options
        self.workforce.adopt(options)
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
        self._core.cover()  # one that was to leave has stayed, maybe, and is blocked itself

    def _stop_scaling(self) -> None:
        self._scaler.stop()
        self.workforce.stop_scaling()

    def scaling(self) -> ScalingStats:
        """What the autoscaler has done to the consumers."""
        return self._scaler.stats()

    def limited_by(self) -> str | None:
        """What keeps a pool from growing while events wait, as in Load."""
        core = self._core
        if core.in_lane() and core.busy >= core.consumers >= core.max_consumers:
            return "max_consumers"
        if core.in_lane() and core.is_loop_bound:
            return "loop"
        workforce = self.workforce
        return "workers" if workforce.is_short and workforce.is_at_most else None

    def _break_down(self, why: str) -> None:
        quietly(log, logging.ERROR, "the queue has failed: %s", why)
        self._core.break_down(why)
