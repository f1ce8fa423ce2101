"""Time that the machine kept from us: to be late for that is no fault of the queue."""

from __future__ import annotations

from pathlib import Path

__all__ = ["starved_s"]

SCHEDULE = Path("/proc/thread-self/schedstat")  # ns it ran, ns it waited, turns


def starved_s() -> float:
    """Seconds this thread had to wait for a processor; 0 where nobody counts."""
    try:
        return int(SCHEDULE.read_text().split()[1]) / 1e9
    except (OSError, IndexError):
        return 0.0
