"""The phases: what is shown one after the other, and how much of the tree each gets."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import msgspec

from collectorqueue.cli.demo.sources import Found

__all__ = ["DRAIN", "PHASES", "Phase", "shares"]


class Phase(msgspec.Struct, frozen=True):
    """A part of the run."""

    name: str
    about: str
    share: float = 0.0  # of all bytes; of the time too, when that is bounded
    publishers: int = 0
    pace: int | None = None  # lines sent before waiting for them; None: no waiting
    fails: bool = False


PHASES = (
    Phase("calm", "1 publisher, 8 lines at a time", 0.1, publishers=1, pace=8),
    Phase("burst", "16 publishers, as fast as they can", 0.5, publishers=16),
    Phase(
        "failing",
        "4 publishers; duplicates fails 1 % of its events on purpose, retries none",
        0.4,
        publishers=4,
        fails=True,
    ),
)
DRAIN = Phase("drain", "no more files; what is queued is collected, then all report")


def shares(files: Sequence[Found], phases: Sequence[Phase]) -> list[list[Found]]:
    """The files of each phase, in order: each phase has its share of the bytes."""
    total = sum(found.size_bytes for found in files)
    bounds = [total * share for share in itertools.accumulate(p.share for p in phases)]
    parts: list[list[Found]] = [[] for _ in phases]
    passed = 0
    for found in files:
        part = next((n for n, bound in enumerate(bounds) if passed < bound), -1)
        parts[part].append(found)
        passed += found.size_bytes
    return parts
