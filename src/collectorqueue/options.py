"""The options of a queue, checked in one place, at construction."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import msgspec

from collectorqueue._native.door import Overflow
from collectorqueue._native.lanes import QueueType
from collectorqueue.admin.metrics import Metrics
from collectorqueue.admin.scaler import ScalingPolicy
from collectorqueue.checks import check_bool, check_int, check_seconds
from collectorqueue.errors import ConfigError
from collectorqueue.flow.collector import check_sink

__all__ = ["Options"]

MOST_WORKERS = 1024


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """What a CollectorQueue was given, checked. Raises ConfigError or TypeError."""

    autoscale: bool
    min_consumers: int
    max_consumers: int
    queue_type: QueueType
    capacity: int
    overflow: Overflow
    on_unrouted: str
    drain_timeout: float | None
    report_interval: float
    default_priority: int
    ageing: int
    propagate_context: bool
    workers: int | tuple[int, int] | None
    max_events_per_worker: int | None
    max_worker_bytes: int | None
    scaling: ScalingPolicy | None = None
    on_report: Callable[[Metrics], object] | None = None
    max_bytes: int | None = None
    size_of: Callable[[Any], int] | None = None
    dead_letter: Any = None

    def __post_init__(self) -> None:
        for name in ("autoscale", "propagate_context"):
            check_bool(name, getattr(self, name))
        check_int("min_consumers", self.min_consumers, 1, 1_000_000)
        check_int("max_consumers", self.max_consumers, 1, 1_000_000)
        if self.min_consumers > self.max_consumers:
            raise ConfigError(
                "consumers must be 1 <= min_consumers <= max_consumers, "
                f"got {self.min_consumers} and {self.max_consumers}"
            )
        check_int("capacity", self.capacity, 1, 2**40)
        check_int("default_priority", self.default_priority, -(2**31), 2**31 - 1)
        check_int("ageing", self.ageing, 0, 2**30)
        if self.on_unrouted not in ("record", "error"):
            raise ConfigError(
                f"on_unrouted must be 'record' or 'error', got {self.on_unrouted!r}"
            )
        if self.drain_timeout is not None:
            check_seconds("drain_timeout", self.drain_timeout)
        check_seconds("report_interval", self.report_interval)
        if self.max_bytes is not None:
            check_int("max_bytes", self.max_bytes, 1, 2**60)
        if self.size_of is not None and not callable(self.size_of):
            raise TypeError(f"size_of must be callable, got {self.size_of!r}")
        check_sink(self.dead_letter)
        if self.workers is not None:
            self._check_workers()
        if self.on_report is not None and not callable(self.on_report):
            raise TypeError(f"on_report must be callable, got {self.on_report!r}")
        if inspect.iscoroutinefunction(self.on_report):
            raise TypeError(f"on_report is called in line, got the async {self.on_report!r}")
        for name in ("on_send", "on_finish", "on_timer"):
            if self.scaling is not None and not callable(getattr(self.scaling, name, None)):
                raise TypeError(f"scaling must have {name}(), got {self.scaling!r}")
        if self.max_events_per_worker is not None:
            check_int("max_events_per_worker", self.max_events_per_worker, 1, 2**60)
        if self.max_worker_bytes is not None:
            check_int("max_worker_bytes", self.max_worker_bytes, 1, 2**60)

    def _check_workers(self) -> None:
        if not isinstance(self.workers, tuple):
            check_int("workers", self.workers, 1, MOST_WORKERS)
            return
        if len(self.workers) != 2:
            raise ConfigError(f"workers must be a number or (min, max), got {self.workers!r}")
        for each in self.workers:
            check_int("workers", each, 1, MOST_WORKERS)
        if self.workers[0] > self.workers[1]:
            raise ConfigError(f"workers must be (min, max), min <= max, got {self.workers!r}")
