"""The settings of a worker pool."""

from __future__ import annotations

import msgspec

__all__ = ["WorkerSettings"]


class WorkerSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How many workers, and when one is replaced."""

    fewest: int
    most: int
    max_events: int | None = None
    max_bytes: int | None = None
