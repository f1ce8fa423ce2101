"""Ledger and Metrics: what the compiled counters say, as frozen records.

Rules of residence: reading counts. Averages come from time integrals that the core keeps,
not from samples.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from collectorqueue._native.core import Core
from collectorqueue._native.plan import Step
from collectorqueue.admin.autoscaler import ScalingStats, no_scaling
from collectorqueue.workers.stats import WorkersStats

__all__ = ["CollectorStats", "Gauge", "Ledger", "Metrics", "PolicyStats", "Quantiles"]


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
    """Given up by ttl, or because the queue was full (`overflow="drop_oldest"` and such)."""
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


class Quantiles(msgspec.Struct, frozen=True):
    """How long something took; quantiles within 2 %."""

    count: int = 0
    """How often it was measured."""
    mean: float = 0.0
    """Seconds."""
    p50: float = 0.0
    """Seconds that half did not exceed."""
    p90: float = 0.0
    """Seconds that 90 % did not exceed."""
    p99: float = 0.0
    """Seconds that 99 % did not exceed."""
    p999: float = 0.0
    """Seconds that 99.9 % did not exceed."""


class CollectorStats(msgspec.Struct, frozen=True):
    """What became of one collector's runs."""

    received: int
    """Runs of it: one for each event that came, and one more each time it is tried again."""
    ok: int
    """Runs that returned a value or Ok."""
    failed: int
    """Runs that raised or returned an Error."""
    running: int
    """Runs now."""
    peak_running: int
    """The most at once."""
    wait: Quantiles
    """From sent until this collector began."""
    run: Quantiles
    """What its runs took."""

    @classmethod
    def of(cls, step: Step) -> CollectorStats:
        """The stats of one collector, now."""
        wait, run = step.quantiles()
        return cls(
            step.received, step.ok, step.failed, step.running, step.peak_running,
            Quantiles(*wait), Quantiles(*run),
        )  # fmt: skip


class Metrics(msgspec.Struct, frozen=True):
    """A snapshot of a queue; encodes to JSON as it is.

    What has "recent" in its name, averages and rates are of the last `window` seconds; all
    else is since the start.
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
    """The same over the window, from time integrals: mean events by mean consumers."""
    service_time: float
    """Mean seconds from started until ended."""
    wait_time: float
    """Mean seconds from sent until started."""
    arrival_rate: float
    """Events accepted per second."""
    departure_rate: float
    """Events ended per second."""
    wip: float
    """Mean number of events queued or running, in worker processes too."""
    window: float
    """Seconds: 60 to 70, or since the start if that is less."""
    event_count: int
    """Events ended since the start."""
    ledger: Ledger
    """The sum that closes."""
    queued_bytes: int | None
    """Bytes queued now; None: `max_bytes` is not set, they are not counted."""
    policies: PolicyStats
    """What retries, timeouts and dead letters there were."""
    peak_consumers: int
    """The largest pool since the start."""
    blocked: int
    """Waits for an event that handlers are in now."""
    overflow_sends: int
    """Sends from handlers that went beyond `capacity`."""
    refused_sends: int
    """Sends that raised QueueFull."""
    drops: dict[str, int]
    """Events that were DROPPED, by reason: "ttl"; "oldest" and "incoming", by `overflow`."""
    wait: Quantiles
    """Seconds from sent until started."""
    service: Quantiles
    """Seconds from started until ended."""
    sojourn: Quantiles
    """Seconds from sent until ended, of those too that never started."""
    recent_wait: Quantiles
    """`wait`, of the window."""
    recent_service: Quantiles
    """`service`, of the window."""
    recent_sojourn: Quantiles
    """`sojourn`, of the window."""
    little_residual: float
    """What events stayed by their own stamps against how many were present when, as a share.

    It is 0.0. Anything else is an event lost, doubled or stamped wrongly: a fault of this
    library.
    """
    at_cap: float
    """Seconds in which events waited and the pool was at its largest."""
    longest_hold: float
    """Seconds that one run held the loop at most, between two waits or as a whole."""
    longest_hold_by: str | None
    """The key of the collector that did; None: nothing has run."""
    limited_by: str | None
    """Why the pool is no larger, as in Load."""
    collectors: dict[str, CollectorStats]
    """Those that events came to, by key."""
    scaling: ScalingStats
    """How the pool of consumers was made larger and smaller."""
    workers: WorkersStats | None = None
    """The worker processes; None: no collector runs in one."""


class PolicyStats(msgspec.Struct, frozen=True):
    """What the delivery policies have done, since the start."""

    retries: int = 0
    """Runs that failed and were tried again."""
    dead_letters: int = 0
    """Failures that went to a `dead_letter`, or were kept because it failed."""
    dead_letters_lost: int = 0
    """Those that fell out of the 1,000 that are kept."""
    written_off: int = 0
    """Handlers that went on after their timeout, and whose consumer was replaced."""
    abandoned_threads: int = 0
    """Runs in threads that were given up, by timeout or cancel, and went on."""


class Gauge:
    """Reads the metrics of one queue."""

    def __init__(
        self,
        core: Core,
        workers: Callable[[], WorkersStats | None] = lambda: None,
        scaling: Callable[[], ScalingStats] = no_scaling,
        limited_by: Callable[[], str | None] = lambda: None,
        policies: Callable[[], PolicyStats] = PolicyStats,
    ) -> None:
        self._core = core
        self._scaling = scaling
        self._limited_by = limited_by
        self._policies = policies
        self._workers = workers

    def at_rest(self) -> Gauge:
        """What it shows once nothing moves any more: it keeps nothing else."""
        workers, scaling, policies = self._workers(), self._scaling(), self._policies()
        return Gauge(
            self._core,
            workers=lambda: workers,
            scaling=lambda: scaling,
            policies=lambda: policies,
        )

    def metrics(self) -> Metrics:
        """What it shows now."""
        core = self._core
        seconds, queued, busy, consumers, present, accepted, ended, recent = core.recent()
        wait, service, sojourn = times = [Quantiles(*each) for each in core.quantiles()]
        if recent is not None:
            times = [Quantiles(*each) for each in recent]
        ledger = Ledger.of(core)
        longest_hold, holder = core.longest_hold
        return Metrics(
            qsize=core.queued,
            busy=core.busy,
            consumers=core.consumers,
            load=(core.queued + core.busy) / max(1, core.consumers),
            avg_load=(queued + busy) / consumers if consumers else 0.0,
            service_time=times[1].mean,
            wait_time=times[0].mean,
            arrival_rate=accepted / seconds,
            departure_rate=ended / seconds,
            wip=present,
            window=seconds,
            event_count=ledger.accepted - ledger.queued - ledger.in_flight,
            ledger=ledger,
            queued_bytes=core.queued_bytes if core.max_bytes else None,
            policies=self._policies(),
            peak_consumers=core.peak_consumers,
            blocked=core.blocked,
            overflow_sends=core.overflow_sends,
            refused_sends=core.refused_sends,
            drops={
                "ttl": core.dropped - core.oldest_dropped - core.incoming_dropped,
                "oldest": core.oldest_dropped,
                "incoming": core.incoming_dropped,
            },
            wait=wait,
            service=service,
            sojourn=sojourn,
            recent_wait=times[0],
            recent_service=times[1],
            recent_sojourn=times[2],
            little_residual=core.little_residual(),
            at_cap=core.at_cap,
            longest_hold=longest_hold,
            longest_hold_by=None if holder is None else holder.key,
            limited_by=self._limited_by(),
            collectors={
                step.key: CollectorStats.of(step) for step in core.index.active_steps()
            },
            scaling=self._scaling(),
            workers=self._workers(),
        )
