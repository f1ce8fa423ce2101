"""Ledger and Metrics: what the compiled counters say, as frozen records.

Rules of residence: reading counts. Averages come from time integrals that the core keeps,
not from samples.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import msgspec

from collectorqueue._native.core import Core
from collectorqueue._native.plan import Step
from collectorqueue.workers.stats import WorkersStats

__all__ = ["CollectorStats", "Ledger", "Metrics", "Window"]

WINDOW_S = 60.0
STEP_S = 10.0


class Ledger(msgspec.Struct, frozen=True):
    """The sum that closes: every accepted event is in exactly one of the others."""

    accepted: int = 0
    """Events taken into the queue since it was started."""
    ok: int = 0
    """All its collectors returned Ok."""
    failed: int = 0
    """At least one collector returned an Error."""
    unrouted: int = 0
    """No collector matched."""
    dropped: int = 0
    """Given up by ttl."""
    aborted: int = 0
    """Cancelled, or left at the drain deadline."""
    queued: int = 0
    """Accepted, nothing of it runs."""
    in_flight: int = 0
    """At least one collector runs it."""

    @property
    def closes(self) -> bool:
        """Whether the sum closes; False would be a fault of this library."""
        return self.accepted == (
            self.ok + self.failed + self.unrouted + self.dropped + self.aborted
            + self.queued + self.in_flight
        )  # fmt: skip

    @classmethod
    def of(cls, core: Core) -> Ledger:
        """The ledger of a queue, now."""
        return cls(
            core.accepted, core.ok, core.failed, core.unrouted, core.dropped,
            core.aborted, core.queued, core.in_flight,
        )  # fmt: skip


class Metrics(msgspec.Struct, frozen=True):
    """A snapshot of a queue; encodes to JSON as it is.

    Averages and rates are over the last minute, or since the start if that is less.
    """

    qsize: int
    """Events queued now."""
    busy: int
    """Consumers that run an event now."""
    consumers: int
    """Consumers in the pool now."""
    load: float
    """(qsize + busy) / consumers, now."""
    avg_load: float
    """The same over the window, from time integrals."""
    service_time: float
    """Mean seconds from started until ended."""
    wait_time: float
    """Mean seconds from sent until started."""
    arrival_rate: float
    """Events accepted per second."""
    departure_rate: float
    """Events ended per second."""
    wip: float
    """Mean number of events queued or running."""
    event_count: int
    """Events ended since the start."""
    ledger: Ledger
    """The sum that closes."""
    peak_consumers: int
    """The largest pool since the start."""
    blocked: int
    """Waits for an event that handlers are in now."""
    overflow_sends: int
    """Sends from handlers that went beyond `capacity`."""
    workers: WorkersStats | None = None
    """The worker processes; None: no collector runs in one."""


class CollectorStats(msgspec.Struct, frozen=True):
    """What became of one collector's runs; times in seconds, <= 2 % error."""

    received: int
    ok: int
    failed: int
    running: int
    peak_running: int
    wait_p50: float
    wait_p99: float
    run_p50: float
    run_p99: float

    @classmethod
    def of(cls, step: Step) -> CollectorStats:
        """The stats of one collector, now."""
        wait, run = step.wait, step.run
        return cls(
            step.received, step.ok, step.failed, step.running, step.peak_running,
            wait.quantile(0.5) / 1e9, wait.quantile(0.99) / 1e9,
            run.quantile(0.5) / 1e9, run.quantile(0.99) / 1e9,
        )  # fmt: skip


class Window:
    """Averages over the recent past, by the difference of two readings of the core."""

    def __init__(
        self, core: Core, workers: Callable[[], WorkersStats] | None = None
    ) -> None:
        self._core = core
        self.workers = workers
        self._readings = deque([core.totals()])

    def metrics(self) -> Metrics:
        """Read the core."""
        core = self._core
        now = core.totals()
        if now[0] - self._readings[-1][0] >= STEP_S * 1e9:
            self._readings.append(now)
            while now[0] - self._readings[1][0] >= WINDOW_S * 1e9:
                self._readings.popleft()
        ns, queued, busy, consumers, accepted, started, ended, wait, service = (
            after - before for after, before in zip(now, self._readings[0], strict=True)
        )
        seconds = ns / 1e9
        return Metrics(
            qsize=core.queued,
            busy=core.busy,
            consumers=core.consumers,
            load=(core.queued + core.busy) / max(1, core.consumers),
            avg_load=(queued + busy) / consumers if consumers else 0.0,
            service_time=service / ended / 1e9 if ended else 0.0,
            wait_time=wait / started / 1e9 if started else 0.0,
            arrival_rate=accepted / seconds if seconds else 0.0,
            departure_rate=ended / seconds if seconds else 0.0,
            wip=(queued + busy) / ns if ns else 0.0,
            event_count=now[6],
            ledger=Ledger.of(core),
            peak_consumers=core.peak_consumers,
            blocked=core.blocked,
            overflow_sends=core.overflow_sends,
            workers=None if self.workers is None else self.workers(),
        )
