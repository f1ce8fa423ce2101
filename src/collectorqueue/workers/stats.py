"""What is to be told of the workers of a queue, as frozen records."""

from __future__ import annotations

import msgspec

from collectorqueue._native.remote import RemoteOutlet

__all__ = ["ProcessCollectorStats", "WorkerStats", "WorkersStats"]


class WorkerStats(msgspec.Struct, frozen=True):
    """One worker, as it told last: between two of its runs, once a quarter of a second at the
    most. What one long run takes is seen when it is over."""

    number: int
    pid: int
    events: int
    """Runs that it has ended in its life."""
    memory_bytes: int
    """Resident."""
    cpu_s: float
    """CPU time, all of its threads together."""
    outstanding: int
    """Events that it was sent and has not answered."""


class ProcessCollectorStats(msgspec.Struct, frozen=True):
    """One process collector, over all workers."""

    run_s: float
    """What its finished runs took, as measured in the workers."""
    cpu_s: float
    """Their CPU time; of an `async def` it cannot be told, and is 0."""
    lost: int
    """Runs that ended with their worker."""
    reruns: int
    """Of them, how many were run again."""

    @classmethod
    def of(cls, outlet: RemoteOutlet) -> ProcessCollectorStats:
        """The stats of one collector, now."""
        return cls(outlet.run_ns / 1e9, outlet.cpu_ns / 1e9, outlet.lost, outlet.reruns)


class WorkersStats(msgspec.Struct, frozen=True):
    """The worker pool of a queue."""

    workers: list[WorkerStats]
    collectors: dict[str, ProcessCollectorStats]
    started: int
    """Workers that became ready since the start."""
    start_s: float
    """Seconds that their starts took, all together."""
    failed_starts: int
    """Workers that could not be started, or ended before they were ready."""
    died: int
    """Workers that ended without having been told to."""
    restarts: int
    """Workers that were replaced since the start: lost, or worn."""
    waiting: int
    """Events that wait for a worker; they are queued."""
    out: int
    """Events that workers have; they are in flight."""
    degraded: bool
    """Starting workers keeps failing; work goes on with those that are there."""
