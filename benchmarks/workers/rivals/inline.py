"""The same queue with the collector on the loop: no other process, no second core."""

from __future__ import annotations

from benchmarks.workers.rivals.collectorqueue_ import MODES, QueueRival
from benchmarks.workers.work import Work
from collectorqueue import Collector, CollectorQueue

__all__ = ["MODES", "Rival"]


class Rival(QueueRival):
    """A plain function, called by a consumer."""

    def __init__(self, work: Work, mode: str | None) -> None:
        queue = CollectorQueue([Collector("collector", work.payload_handler)])
        super().__init__(work, mode, queue)
