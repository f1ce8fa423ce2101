"""The monitor: looks at the running queue, keeps the peaks, shows a line a second.

Rules of residence: reading the queue's own numbers. It touches no event.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import msgspec

from collectorqueue import CollectorQueue
from collectorqueue.cli.demo.lag import LagMeter
from collectorqueue.cli.demo.publishing import Publishing

__all__ = ["Monitor", "PhaseReport", "Sample"]

LOOK_S = 0.05  # often enough to meet the peaks
SHOW_S = 1.0


class Sample(msgspec.Struct, frozen=True):
    """One look at the running queue."""

    phase: str
    seconds: float  # since the start
    events: int  # ended
    events_per_s: float  # since the sample before
    queued: int
    waiting: int  # publishers, for room
    consumers: int
    failed: int
    lag_s: float  # the worst since the sample before


class PhaseReport(msgspec.Struct, frozen=True):
    """What a phase came to."""

    name: str
    seconds: float
    events: int  # ended
    failed: int
    peak_queued: int
    peak_waiting: int
    consumers: int  # at its beginning
    peak_consumers: int


class Monitor:
    """Watches one run; `show` gets a sample a second."""

    def __init__(
        self,
        queue: CollectorQueue,
        publishing: Publishing,
        show: Callable[[Sample], None],
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._queue = queue
        self._publishing = publishing
        self._show = show
        self._clock = clock
        self._began = self._shown = clock()
        self._shown_events = 0
        self.lag = LagMeter(clock)
        self.phases: list[PhaseReport] = []
        self.begin("start")

    @property
    def seconds(self) -> float:
        """Since the start."""
        return self._clock() - self._began

    def begin(self, phase: str) -> None:
        """A phase begins."""
        self._phase = phase
        self._phase_began = self._clock()
        self._phase_events = self._events()
        self._phase_failed = self._queue.ledger.failed
        self._phase_consumers = self._peak_consumers = self._queue.load.consumers
        self._peak_queued = self._peak_waiting = 0

    def end(self) -> PhaseReport:
        """The phase ends."""
        self.look()
        report = PhaseReport(
            name=self._phase,
            seconds=self._clock() - self._phase_began,
            events=self._events() - self._phase_events,
            failed=self._queue.ledger.failed - self._phase_failed,
            peak_queued=self._peak_queued,
            peak_waiting=self._peak_waiting,
            consumers=self._phase_consumers,
            peak_consumers=self._peak_consumers,
        )
        self.phases.append(report)
        return report

    async def watch(self) -> None:
        """Look and show until cancelled."""
        with self.lag.running():
            while True:
                await asyncio.sleep(LOOK_S)
                self.look()
                if self._clock() - self._shown >= SHOW_S:
                    self._show(self._sample())

    def look(self) -> None:
        """Take note of peaks."""
        load = self._queue.load
        self._peak_queued = max(self._peak_queued, load.qsize)
        self._peak_consumers = max(self._peak_consumers, load.consumers)
        self._peak_waiting = max(self._peak_waiting, self._publishing.sending)

    def _sample(self) -> Sample:
        now, events, load = self._clock(), self._events(), self._queue.load
        rate = (events - self._shown_events) / (now - self._shown)
        self._shown, self._shown_events = now, events
        return Sample(
            phase=self._phase,
            seconds=now - self._began,
            events=events,
            events_per_s=rate,
            queued=load.qsize,
            waiting=self._publishing.sending,
            consumers=load.consumers,
            failed=self._queue.ledger.failed,
            lag_s=self.lag.recent_s(),
        )

    def _events(self) -> int:
        ledger = self._queue.ledger
        return ledger.accepted - ledger.queued - ledger.in_flight
