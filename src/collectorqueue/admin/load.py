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

    @property
    def ratio(self) -> float:
        """Events queued or running, for each consumer."""
        return (self.qsize + self.busy) / max(1, self.consumers)
