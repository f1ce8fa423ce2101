"""Fitting: a collector's policies as parts of its step, for one run of a queue.

Rules of residence: from what was asked to what is compiled. What is not asked for adds
nothing, and costs nothing.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

from collectorqueue._native.batching import Batching
from collectorqueue._native.core import Core
from collectorqueue._native.gate import Gate
from collectorqueue._native.plan import Step
from collectorqueue._native.retrial import Retrial
from collectorqueue.errors import NotEncodable, PayloadInvalid
from collectorqueue.flow.collector import Collector
from collectorqueue.flow.policies import classes_of
from collectorqueue.flow.typed import Converters

__all__ = ["fit"]

Measure = Callable[[Any], int]


def fit(step: Step, core: Core, measure: Measure, converters: Converters) -> None:
    """Let a step keep its collector's policies; `measure` gives a value's bytes."""
    collector: Collector = step.collector
    step.begin_anew(core)
    retry = collector.retry
    if retry is not None:
        step.try_again(
            Retrial(
                retry.attempts, retry.backoff, retry.factor, retry.max_backoff,
                retry.jitter, classes_of("on", retry.on),
                (*classes_of("never", retry.never), NotEncodable, PayloadInvalid),
            )
        )  # fmt: skip
    if collector.timeout is not None and collector.runs_in != "process":
        step.give_time(collector.timeout)
    convert = converters.of(collector) if collector.runs_in != "process" else None
    if convert is not None:
        checked = collector.validate == "send"
        step.convert_by(convert, checked)
        if checked:
            core.validate_sends()
    limits = Limits(step, core)
    limits.keep()
    collector.on_limits_changed(step, limits)
    batch = collector.batch
    if batch is not None:
        step.fill(
            Batching(
                core, step, size=batch.size, wait=batch.wait, most_bytes=batch.bytes or 0,
                measure=measure, by=batch.by, gate=limits.of_batches,
            )
        )  # fmt: skip


class Limits:
    """The gates of one step: for events, and for whole batches."""

    def __init__(self, step: Step, core: Core) -> None:
        self._step = step
        self._core = weakref.ref(core)  # a collector outlives its queue
        collector: Collector = step.collector
        is_batched_here = collector.batch is not None and collector.runs_in != "process"
        self.of_batches = Gate(core, step.running) if is_batched_here else None
        self._of_events: Gate | None = None

    def check(self, what: str) -> None:
        """Raise WrongThread for a limit that is not set in the thread of the queue."""
        core = self._core()
        if core is not None:
            core.check_thread(what)

    def keep(self) -> None:
        """Keep what the collector says now."""
        core = self._core()
        if core is None:
            return
        collector: Collector = self._step.collector
        at_once, rate = collector.max_concurrency, collector.rate_limit
        if collector.runs_in == "process":
            at_once = None  # workers count for themselves
        if self.of_batches is not None:
            self.of_batches.set_limit(at_once or 0)
            at_once = None
        if self._of_events is None:
            if at_once is None and rate is None:
                return
            self._of_events = Gate(core, self._step.running)
            self._step.limit_by(self._of_events)
        self._of_events.set_limit(at_once or 0)
        if rate is None:
            self._of_events.set_rate(0, 1, 1)
        else:
            self._of_events.set_rate(rate.rate, rate.per, rate.at_once)
