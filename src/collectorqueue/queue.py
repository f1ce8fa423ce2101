"""CollectorQueue: the one place that knows every room; it assembles, starts and drains."""

from __future__ import annotations

import asyncio
import logging
import warnings
from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Any, Self, TypeVar, Unpack, overload

from collectorqueue._native.core import Core
from collectorqueue._native.door import Overflow
from collectorqueue._native.lanes import QueueType
from collectorqueue.admin.metrics import Gauge, Metrics
from collectorqueue.admin.observers import (
    DrainFinished,
    DrainStarted,
    Observers,
    QueueStarted,
)
from collectorqueue.admin.scaler import ScalingPolicy
from collectorqueue.checks import check_seconds, one_of
from collectorqueue.errors import (
    CollectorQueueError,
    ConfigError,
    QueueClosed,
    QueueNotStarted,
    WouldDeadlock,
)
from collectorqueue.flow.collector import (
    Collector,
    CollectorOptions,
    Lifecycle,
    RunsIn,
    check_options,
)
from collectorqueue.flow.context import Context
from collectorqueue.flow.deadletters import KEPT, DeadLetter
from collectorqueue.flow.finishing import finished
from collectorqueue.flow.publisher import EventPublisher
from collectorqueue.flow.router import RouterFactory, SimpleRouter
from collectorqueue.flow.sizes import measure_by
from collectorqueue.options import Options
from collectorqueue.quiet import quietly
from collectorqueue.registry import Registry
from collectorqueue.running import DrainReport, Running, log_failed_exit, log_failed_removal
from collectorqueue.signals import drained_on_signals
from collectorqueue.standing import Standing
from collectorqueue.workers.paths import refuse_in_import

__all__ = ["CollectorQueue", "DrainReport"]

log = logging.getLogger("collectorqueue.queue")

DEFAULT: Any = object()  # close() without a timeout: the queue's own

F = TypeVar("F", bound=Callable[..., Any])


class CollectorQueue(Standing):
    """An event queue inside one program.

        queue = CollectorQueue(max_consumers=32)

        @queue.collector(topics="order.paid")
        async def receipt(payload):
            return await send_mail(payload.value)

        async with queue:
            event = await queue.publisher.send({"id": 7}, topics="order.paid")

    `collectors` are registered in order. `router`: a Router class, or a callable that takes
    the mapping of collectors. The pool keeps between `min_consumers` and `max_consumers`
    consumers, by load; `autoscale=False` keeps `max_consumers`. `max_consumers` bounds how
    many events run at once: set it to what your database or API can take. `capacity` counts
    queued events; `overflow` says what a send does when it is reached: "wait", "reject"
    (QueueFull), "drop_oldest" (the event that has waited longest ends DROPPED; of those that
    are least urgent, under PRIORITY) or "drop_incoming" (its own event does).
    `on_unrouted="error"` makes such a send raise Unrouted. `drain_timeout`: seconds, None:
    without limit. `report_interval`: seconds between lines of metrics in the log, 0: none;
    `on_report(metrics)` is called instead, if given.
    PRIORITY takes the lowest `priority * ageing + number of the send` first.
    `propagate_context`: handlers run in a copy of the sender's context variables.
    `workers`: processes for the collectors that run in processes, a number or (min, max);
    as many as the cores it may use unless given. A worker is replaced after
    `max_events_per_worker` events, or above `max_worker_bytes` of memory.
    `scaling`: a ScalingPolicy of your own, instead of growing by the shortage and shrinking
    to the peak of the last two seconds and a tenth, one at least, more. The bounds can be
    changed while the queue runs.
    `max_bytes` bounds what is queued by bytes as well, as `size_of(value)` counts them: bytes
    and str by themselves. `dead_letter`: where what failed for good goes, as a DeadLetter: a
    function, or a Collector, which no broadcast reaches.
    Raises ConfigError or TypeError, naming value and rule.
    """

    def __init__(
        self,
        collectors: Iterable[Collector] = (),
        router: RouterFactory = SimpleRouter,
        autoscale: bool = True,
        min_consumers: int = 1,
        max_consumers: int = 64,
        *,
        queue_type: QueueType | str = QueueType.FIFO,
        capacity: int = 10_000,
        overflow: Overflow | str = Overflow.WAIT,
        on_unrouted: str = "record",
        drain_timeout: float | None = 10.0,
        report_interval: float = 0.0,
        default_priority: int = 1000,
        ageing: int = 10_000,
        propagate_context: bool = False,
        workers: int | tuple[int, int] | None = None,
        max_events_per_worker: int | None = None,
        max_worker_bytes: int | None = None,
        scaling: ScalingPolicy | None = None,
        on_report: Callable[[Metrics], object] | None = None,
        max_bytes: int | None = None,
        size_of: Callable[[Any], int] | None = None,
        dead_letter: Collector | Callable[[DeadLetter], Any] | None = None,
    ) -> None:
        self._options = options = Options(
            autoscale=autoscale,
            min_consumers=min_consumers,
            max_consumers=max_consumers,
            queue_type=one_of("queue_type", QueueType, queue_type),
            capacity=capacity,
            overflow=one_of("overflow", Overflow, overflow),
            on_unrouted=on_unrouted,
            drain_timeout=drain_timeout,
            report_interval=report_interval,
            default_priority=default_priority,
            ageing=ageing,
            propagate_context=propagate_context,
            workers=workers,
            max_events_per_worker=max_events_per_worker,
            max_worker_bytes=max_worker_bytes,
            scaling=scaling,
            on_report=on_report,
            max_bytes=max_bytes,
            size_of=size_of,
            dead_letter=dead_letter,
        )
        self._core = Core(
            queue_type=options.queue_type,
            capacity=capacity,
            default_priority=default_priority,
            ageing=ageing,
            overflow=options.overflow,
            strict_routes=on_unrouted == "error",
            propagate=propagate_context,
            max_consumers=max_consumers,
        )
        if max_bytes is not None:
            self._core.bound_bytes(max_bytes, measure_by(size_of))
        self._registry = Registry(self._core, collectors, dead_letter)
        self._registry.use_router(router, self._core, strict=on_unrouted == "error")
        self._observers = Observers(self._core)
        self._publisher = EventPublisher(self._core, self._lend_consumers)
        self._running: Running | None = None
        self._starting: Running | None = None
        self._drain_report: DrainReport | None = None
        self._gauge = Gauge(self._core)
        self._kept: deque[DeadLetter] = deque(maxlen=KEPT)

    # -- collectors ---------------------------------------------------------------

    @overload
    def collector(self, key: F, /) -> F: ...

    @overload
    def collector(
        self,
        key: str | None = None,
        *,
        topics: str | Iterable[str] | None = None,
        ctx: Context | None = None,
        lifecycle: Lifecycle | None = None,
        runs_in: RunsIn = "loop",
        **options: Unpack[CollectorOptions],
    ) -> Callable[[F], F]: ...

    def collector(
        self,
        key: Any = None,
        *,
        topics: str | Iterable[str] | None = None,
        ctx: Context | None = None,
        lifecycle: Lifecycle | None = None,
        runs_in: RunsIn = "loop",
        **options: Unpack[CollectorOptions],
    ) -> Any:
        """Register a function as a collector; the function stays itself.

        `key` is the function's name unless given; the rest is as in Collector. Once the
        queue runs, use `await add_collector(...)`.
        """
        check_options(options)
        bare = callable(key)

        def register(function: F) -> F:
            if self._running is not None or self._starting is not None:
                state = "running" if self._starting is None else "being started"
                raise ConfigError(
                    f"the queue is {state}: register with `await queue.add_collector()`"
                )
            name = getattr(function, "__name__", None) if bare or key is None else key
            if name is None:
                raise ConfigError(
                    f"{function!r} has no name to be its key: give it one, as in "
                    "queue.collector('key')(function)"
                )
            self._registry.add(
                Collector(
                    name,
                    function,
                    topics=topics,
                    ctx=ctx,
                    lifecycle=lifecycle,
                    runs_in=runs_in,
                    **options,
                )
            )
            return function

        return register(key) if bare else register

    async def add_collector(self, collector: Collector) -> None:
        """Enter a collector's lifecycle, then route to it; before that, the same for a
        `dead_letter` collector of its own. One that is being removed is waited for.

        Raises DuplicateKey, QueueClosed if the queue is closed meanwhile, QueueNotStarted
        while it is being started, WouldDeadlock in a handler or a lifecycle if the same is
        still being removed, WrongLoop, and what the lifecycle raises; it is not registered
        then.
        """
        if self._starting is not None:
            raise QueueNotStarted(
                "the queue is being started: add a collector before that, or after"
            )
        running = self._running
        if running is None:
            self._registry.add(collector)
            return
        self._core.check_loop()
        steps = self._registry.steps_for(collector)
        self._registry.reserve(steps)
        try:
            await running.take_on(steps)
            self._registry.route_to(steps)
        finally:
            self._registry.release(steps)

    async def remove_collector(self, key: str) -> None:
        """Stop routing to a collector at once, wait for its running work, exit its lifecycle.

        Events that are queued for it end UNROUTED, or with an UnknownKey among their
        results. Raises UnknownKey, QueueNotStarted while the queue is being started,
        WouldDeadlock in a handler of this queue, WrongLoop, and what the lifecycle's exit
        raises.
        """
        self._registry.known(key)
        if self._starting is not None:
            raise QueueNotStarted(
                "the queue is being started: remove a collector before that, or after"
            )
        if self._core.is_inside():
            raise WouldDeadlock("a handler cannot wait until a collector is at rest")
        if self._running is not None:
            self._core.check_loop()
        step = self._registry.remove(key)
        if self._running is not None:
            # Once begun it goes on, though this call may be cancelled.
            leaving = self._running.tenures.let_go(step)
            try:
                error = await asyncio.shield(leaving)
            except asyncio.CancelledError:
                leaving.add_done_callback(log_failed_removal)
                raise
            if error is not None:
                raise error

    # -- start and close ----------------------------------------------------------

    async def start(self) -> None:
        """Enter all lifecycles in order and begin to accept events, on the running loop.

        If a lifecycle fails to enter, those before it are left in reverse and it raises.
        Raises ConfigError for a collector that cannot work, WorkersFailed, QueueClosed if the
        queue is closed meanwhile, and CollectorQueueError if it runs already. One that was
        closed can be started again, with a fresh ledger.
        """
        if self._running is not None or self._starting is not None:
            raise CollectorQueueError("the queue is running already")
        refuse_in_import()
        running = Running(self._core, self._options, self._observers, self._kept)
        self._starting = running
        try:
            async with asyncio.timeout(None) as beginning:
                running.beginning = beginning
                await running.start(list(self._registry.steps.values()))
                self._running = running
        except TimeoutError:
            if not beginning.expired():
                raise
            raise QueueClosed("the queue was closed while it was being started") from None
        finally:
            self._starting = None
            running.begun()
        self._observers.tell(QueueStarted())

    async def close(self, timeout: float | None = DEFAULT) -> DrainReport:
        """Drain and stop; `timeout` seconds instead of `drain_timeout`.

        New sends are refused, but handlers may still send. At the deadline what runs is
        cancelled and what is queued is ABORTED. None waits without limit, 0 aborts now. A
        second call joins the first and may only shorten it. If it is cancelled it aborts,
        finishes, and re-raises. Inside a handler, an async `dead_letter` function or a
        lifecycle it starts the drain and returns at once. Raises WrongLoop.
        Raises an ExceptionGroup of what lifecycle exits raised, after all of them. All
        together they have until the deadline, and 5 s at least (0.3 s in workers); what is
        not left by then is cancelled: a TimeoutError.
        """
        if timeout is DEFAULT:
            timeout = self._options.drain_timeout
        elif timeout is not None:
            check_seconds("timeout", timeout)
        starting = self._starting
        if starting is not None:
            is_waited_for = starting.is_closing_in(asyncio.current_task())
            starting.give_up_start(timeout)
            if is_waited_for:
                return DrainReport(self.ledger, complete=False)
            await starting.until_begun()
        running = self._running
        if running is None:
            return self._drain_report or DrainReport(self.ledger)
        self._core.check_loop()
        if running.closing is None:
            running.drain.shorten(timeout)
            # Not by the loop's task factory: one that is eager would be in it before it is
            # known that the queue is closing.
            running.closing = asyncio.Task(
                self._close(running), loop=running.loop, name="collectorqueue drain"
            )
        else:
            running.drain.shorten(timeout)
        if self._core.is_inside() or running.is_closing_in(asyncio.current_task()):
            return DrainReport(self.ledger, complete=False)
        report: DrainReport = await finished(
            running.closing, on_cancelled=lambda: running.drain.shorten(0)
        )
        return report

    async def _close(self, running: Running) -> DrainReport:
        begun = running.loop.time()
        self._observers.tell(DrainStarted(self._core.queued, self._core.in_flight))
        left = await running.drain.run()
        errors = await running.exit_all()
        running.stop()
        report = DrainReport(
            self.ledger, left.aborted, left.abandoned, running.loop.time() - begun
        )
        self._drain_report = report
        self._gauge = running.gauge.at_rest()
        self._running = None
        self._observers.tell(DrainFinished(len(left.aborted), report.seconds))
        quietly(
            log, logging.INFO, "drained accepted=%d aborted=%d",
            report.ledger.accepted, len(left.aborted),
        )  # fmt: skip
        if errors:
            for error in errors:
                log_failed_exit(error)
            raise BaseExceptionGroup("lifecycles failed to exit", errors)
        return report

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            await self.close()
        except BaseExceptionGroup:
            if error is None:
                raise  # else it has been logged: the body's own is never replaced

    @asynccontextmanager
    async def shutdown_on_signals(self) -> AsyncGenerator[Self, None]:
        """Within it, the first SIGTERM or SIGINT ends the body and drains; a second aborts.

            async with queue, queue.shutdown_on_signals():
                await serve_for_ever()

        The body is cancelled and leaves normally. The previous handlers come back at the
        end; one set by the loop's `add_signal_handler()` is called by the loop all the same.
        Outside the main thread it does nothing.
        """
        async with drained_on_signals(self.close, self._abort_drain):
            yield self

    def _abort_drain(self) -> None:
        if self._running is not None:
            self._running.drain.shorten(0)

    def _lend_consumers(self, count: int) -> None:
        """One consumer more or less, whatever the maximum: a handler waits for all."""
        if self._running is not None and self._core.is_live:
            self._running.lend(count)

    def __del__(self) -> None:
        running = getattr(self, "_running", None)
        if running is None:
            return
        workers = running.workforce.pool
        if workers is not None:
            workers.kill()
        if self._core.queued or self._core.in_flight or workers is not None:
            warnings.warn(
                f"a queue was dropped without close(): {self._core.queued} events queued, "
                f"{self._core.in_flight} in flight",
                ResourceWarning,
                stacklevel=2,
                source=self,
            )

    def __repr__(self) -> str:
        state = "running" if self.is_running else "not running"
        return (
            f"<CollectorQueue {state} collectors={len(self.collectors)} "
            f"queued={self._core.queued} consumers={self._core.consumers}>"
        )
