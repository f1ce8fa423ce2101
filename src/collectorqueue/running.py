"""Running: what a queue has only between start and close, put together.

Rules of residence: connecting the rooms. Each start makes a new one, so nothing of an
earlier run can be left in it.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
from collections import deque
from collections.abc import Coroutine, Sequence
from typing import Any, NamedTuple

import msgspec

from collectorqueue._native.core import Core
from collectorqueue._native.event import CollectorEvent, Outcome
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
from collectorqueue.flow.threads import Threads
from collectorqueue.flow.typed import Converters
from collectorqueue.options import Options
from collectorqueue.quiet import quietly
from collectorqueue.workers.forks import watch
from collectorqueue.workforce import Workforce

__all__ = ["DrainReport", "Running", "log_failed_exit"]

log = logging.getLogger("collectorqueue.queue")

LEAVE_S = 5.0  # that there is at least, to leave lifecycles
LEAVE_WORKERS_S = 0.3  # those in workers, which are killed then


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


class Removal(NamedTuple):
    """A collector that is removed, and leaves its lifecycle when it may."""

    collector: Collector
    may_leave: asyncio.Event


def log_failed_exit(error: BaseException) -> None:
    """Of a lifecycle; for where another error is raised, or several are."""
    quietly(log, logging.ERROR, "a lifecycle failed to exit", exc_info=error)


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
        self._tenures: dict[str, Tenure] = {}
        self._tenure_tasks: set[asyncio.Task[Any]] = set()  # those that are left, too
        self._leaving: dict[asyncio.Task[BaseException | None], Removal] = {}
        self._has_given_up = False  # what still runs by then
        self._time_is_up = self.loop.create_future()  # for lifecycles
        self._timer: asyncio.TimerHandle | None = None
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
                self.keep(await self.enter(step.collector))
            await self.workforce.recruit(steps)
            self._open(steps)
        except BaseException:
            if self._core.is_open:
                self.stop()
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

    async def give_up_start(self) -> None:
        """Have it end where it is, unless it is done by then; waits until it is over."""
        if asyncio.get_running_loop() is not self.loop:
            raise WrongLoop(f"the queue is being started on its own loop, {self.loop!r}")
        if self.beginning is not None and not self.beginning.expired():
            self.beginning.reschedule(self.loop.time())
        await self._has_begun.wait()

    def begun(self) -> None:
        """Start is over, whatever came of it."""
        self._has_begun.set()
        # It keeps the task that started the queue, whose result may be the queue.
        self.beginning = None

    def is_closing_in(self, task: asyncio.Task[Any] | None) -> bool:
        """Whether the close waits for this task."""
        return task is not None and (
            task in self._letters.under_way or task in self._tenure_tasks
        )

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

    async def take_on(self, steps: list[Step]) -> list[Tenure | None]:
        """Have collectors that come late ready, in order; their lifecycles, all entered.

        Waits for those of them that are still being removed. Raises what lifecycles raise,
        QueueClosed, or WouldDeadlock; those entered before are left then.
        """
        await self._until_left({step.collector for step in steps})
        tenures: list[Tenure | None] = []
        bound: list[Step] = []
        try:
            for step in steps:
                tenures.append(await self.enter(step.collector))
                self._check_open()
                await self.bind_late(step)
                bound.append(step)
            self._check_open()
        except BaseException:
            await self._leave(self._undo(bound, tenures))
            raise
        return tenures

    async def _until_left(self, collectors: set[Collector]) -> None:
        leaving = [
            task for task, each in self._leaving.items() if each.collector in collectors
        ]
        if leaving and self._core.is_inside():
            raise WouldDeadlock("a handler cannot wait until a collector is at rest")
        if leaving:
            await asyncio.wait(leaving)

    def _check_open(self) -> None:
        # Of this run: by now the queue may have been started again.
        if self.closing is not None or not self._core.is_open:
            raise QueueClosed("the queue was closed while a collector was being added")

    async def _undo(
        self, bound: list[Step], tenures: list[Tenure | None]
    ) -> list[BaseException]:
        errors = []
        for step in reversed(bound):
            step.collector.forget(step)
            errors.append(await self.workforce.let_go(step.key))
        return [each for each in errors if each is not None] + await self._exit(tenures)

    async def bind_late(self, step: Step) -> None:
        """Let a collector's step run that was added to a running queue.

        One that runs in processes has all workers replaced.
        """
        if step.collector.runs_in == "process":
            await self.workforce.take_on(step)
        self.bind(step)

    def _note_bad(
        self, event: CollectorEvent, route: Step | tuple[Step, ...] | None
    ) -> None:
        self._failures.note(event)
        if event.outcome is Outcome.FAILED:
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
        self.drain.deadline.stop()
        for step in self._core.index.steps.values():
            step.collector.on_limits_changed(step, None)
        self._stop_scaling()
        if self._timer is not None:
            self._timer.cancel()
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
        assert tenure.task is not None
        self._tenure_tasks.add(tenure.task)
        tenure.task.add_done_callback(self._tenure_tasks.discard)
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
        removal = Removal(step.collector, asyncio.Event())
        if self._has_given_up:
            removal.may_leave.set()

        async def leave() -> BaseException | None:
            step.when_at_rest(removal.may_leave.set)
            await removal.may_leave.wait()
            step.collector.on_limits_changed(step, None)
            if tenure is None:
                return await self.workforce.let_go(step.key)
            return await tenure.exit(self._time_is_up)

        task = self.loop.create_task(leave(), name=f"collectorqueue removal {step.key}")
        self._leaving[task] = removal
        task.add_done_callback(self._leaving.pop)
        return task

    async def exit_all(self) -> list[BaseException]:
        """Leave all lifecycles in reverse, whatever they raise; returns that."""
        errors: list[BaseException] = []
        # What ran has been given up by now: time to leave lifecycles, not to work.
        self._has_given_up = True
        for removal in self._leaving.values():
            removal.may_leave.set()
        expired = None
        if self.closing is not None:
            expired = self.drain.deadline.expired
            self._timer = self.loop.call_later(
                LEAVE_S, expired.add_done_callback, self._end_time, context=self.context
            )
        await self._finish_removals()
        errors += await self.workforce.stop(LEAVE_WORKERS_S, expired)
        while self._tenures:
            _, tenure = self._tenures.popitem()
            errors += await self._exit([tenure])
        await self._finish_removals()  # those that began meanwhile
        return errors

    async def _exit(self, tenures: Sequence[Tenure | None]) -> list[BaseException]:
        """Leave lifecycles in reverse, whatever they raise; returns that."""
        errors = [
            await each.exit(self._time_is_up)
            for each in reversed(tenures)
            if each is not None
        ]
        return [error for error in errors if error is not None]

    def _end_time(self, expired: asyncio.Future[None]) -> None:
        if not self._time_is_up.done():
            self._time_is_up.set_result(None)

    async def _finish_removals(self) -> None:
        while self._leaving:
            await asyncio.wait(self._leaving)

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
