"""How many consumers there should be: grow by the shortage, shrink what stays idle.

Rules of residence: numbers in, a number out; no task, no loop. A better rule can take this
place without anyone else noticing.
"""

from __future__ import annotations

__all__ = ["LoadScaler"]

HOLD_S = 2.0


class LoadScaler:
    """Keeps the load ratio at one or below, between two bounds."""

    hold_s = HOLD_S
    """Seconds a consumer must have been idle before it may be retired."""

    def __init__(self, min_consumers: int, max_consumers: int) -> None:
        self.min_consumers = min_consumers
        self.max_consumers = max_consumers

    def on_short(self, queued: int, consumers: int, available: int) -> int:
        """More are queued than consumers are free: how many consumers to add."""
        shortage = queued - available
        return max(0, min(shortage, self.max_consumers - consumers))

    def on_timer(self, consumers: int, idle: int) -> int:
        """How many of those that were `idle` for the hold time to retire: half a step."""
        return max(0, min(idle, consumers - self.min_consumers, (consumers + 1) // 2))
