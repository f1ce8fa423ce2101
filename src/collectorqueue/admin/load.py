"""Load: how much there is to do for each consumer."""

from __future__ import annotations

import msgspec

__all__ = ["Load"]


class Load(msgspec.Struct, frozen=True):
    """A snapshot: `Load(qsize=6, busy=2, consumers=4).ratio == 2.0`."""

    qsize: int
    """Events that are queued."""
    busy: int
    """Consumers that run an event."""
    consumers: int
    """Consumers in the pool."""
    limited_by: str | None = None
    """Why the pool is no larger, while events wait: "max_consumers"; "workers" (they wait for
    a worker, and there may be no more of those); "loop" (handlers keep the loop busy without
    ever waiting, which more consumers would not change: use processes). None: nothing does."""

    @property
    def ratio(self) -> float:
        """Events queued or running, for each consumer."""
        return (self.qsize + self.busy) / max(1, self.consumers)
