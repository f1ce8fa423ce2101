"""Standing: how a queue stands, and the bounds that can be moved while it runs.

Rules of residence: showing. Nothing here starts, stops or sends.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from types import MappingProxyType
from typing import Any

import msgspec

from collectorqueue._native.core import Core
from collectorqueue.admin.load import Load
from collectorqueue.admin.metrics import CollectorStats, Gauge, Ledger, Metrics
from collectorqueue.admin.observers import Observers
from collectorqueue.flow.collector import Collector
from collectorqueue.flow.deadletters import DeadLetter
from collectorqueue.flow.publisher import EventPublisher
from collectorqueue.options import Options
from collectorqueue.registry import Registry
from collectorqueue.running import DrainReport, Running

__all__ = ["Standing"]


class Standing:
    """What a CollectorQueue shows of itself."""

    _core: Core
    _options: Options
    _registry: Registry
    _observers: Observers
    _publisher: EventPublisher
    _running: Running | None
    _starting: Running | None
    _drain_report: DrainReport | None
    _kept: deque[DeadLetter]
    _gauge: Gauge  # while it does not run: what was last

    @property
    def publisher(self) -> EventPublisher:
        """How events come in."""
        return self._publisher

    @property
    def collectors(self) -> MappingProxyType[str, Collector]:
        """The registered collectors by key, in order; live and read-only."""
        return self._registry.collectors

    @property
    def metrics(self) -> Metrics:
        """A snapshot of counts, rates and averages; seconds."""
        return (self._gauge if self._running is None else self._running.gauge).metrics()

    @property
    def load(self) -> Load:
        """A snapshot of what there is to do and who does it."""
        core, running = self._core, self._running
        limited_by = None if running is None else running.limited_by()
        return Load(core.queued, core.busy, core.consumers, limited_by)

    @property
    def consumers(self) -> int:
        """Consumers in the pool."""
        return self._core.consumers

    @property
    def ledger(self) -> Ledger:
        """The sum that closes, now."""
        return Ledger.of(self._core)

    @property
    def drain_report(self) -> DrainReport | None:
        """What the last `close()` reported; None until then."""
        return self._drain_report

    @property
    def is_running(self) -> bool:
        """Whether sends are accepted."""
        return self._running is not None and self._core.is_open

    @property
    def min_consumers(self) -> int:
        """The smallest pool; can be set at any time. Raises ConfigError and WrongThread."""
        return self._options.min_consumers

    @min_consumers.setter
    def min_consumers(self, count: int) -> None:
        self._change(min_consumers=count)

    @property
    def max_consumers(self) -> int:
        """The largest pool; can be set at any time. Raises ConfigError and WrongThread.

        Consumers beyond it leave after the event they run.
        """
        return self._options.max_consumers

    @max_consumers.setter
    def max_consumers(self, count: int) -> None:
        self._change(max_consumers=count)

    @property
    def workers(self) -> int | tuple[int, int] | None:
        """Worker processes, as given; can be set at any time. Raises ConfigError and
        WrongThread."""
        return self._options.workers

    @workers.setter
    def workers(self, count: int | tuple[int, int] | None) -> None:
        self._change(workers=count)

    def _change(self, **changed: Any) -> None:
        self._core.check_thread(" and ".join(changed))
        self._options = options = msgspec.structs.replace(self._options, **changed)
        self._core.set_max_consumers(options.max_consumers)
        running = self._running or self._starting
        if running is not None:
            running.adopt(options)

    @property
    def dead_letters(self) -> tuple[DeadLetter, ...]:
        """Those that their sink did not take, oldest first; at most 1,000 are kept."""
        return tuple(self._kept)

    def collector_stats(self) -> dict[str, CollectorStats]:
        """What became of each collector's runs, by key."""
        return {key: CollectorStats.of(step) for key, step in self._registry.steps.items()}

    def get_publisher(self) -> EventPublisher:
        """The same as `publisher`."""
        return self.publisher

    def get_metrics(self) -> Metrics:
        """The same as `metrics`."""
        return self.metrics

    def current_load(self) -> Load:
        """The same as `load`."""
        return self.load

    def consumer_count(self) -> int:
        """The same as `consumers`."""
        return self.consumers

    def observe(self, observer: Any, *, spans: bool = False) -> Callable[[], None]:
        """Tell an observer what happens, from now on; call what this returns to stop.

        A callable gets records: QueueStarted, Scaling, WorkerStarted, WorkerDied, Overflowed,
        DeadLettered, DrainStarted, DrainFinished; with `spans=True` also each CollectorEvent
        that is settled. An object is told by its methods: on_queue_started, on_scaled,
        on_worker_started, on_worker_lost, on_overflowed, on_dead_lettered, on_drain_started and
        on_drain_finished with the record, and on_sent, on_started and on_settled with the
        event (`wait_time()` and `service_time()` are its durations). They are called in line
        and must not wait; one that raises is logged and removed. Raises TypeError.
        """
        return self._observers.add(observer, spans)
