"""Suite: cases that are run together, and the figures they are held against."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.harness.case import Case
from benchmarks.harness.verdicts import Figure

__all__ = ["REPEATS", "Suite"]

REPEATS = 5  # a figure holds if the median of at least so many does


@dataclass(frozen=True)
class Suite:
    """What one command runs.

    `measure` is the module that takes a sample, run as `python -m`. `why_not` tells why
    a rival cannot do a function in a mode, or None. `events` is what the case that is
    `sized_by` has at full size; the others are in proportion to it.
    """

    command: str
    about: str
    cases: tuple[Case, ...]
    figures: list[Figure]
    events: int
    quick_events: int
    sized_by: str
    measure: str
    why_not: Callable[[str, str, str | None], str | None]
    packages: tuple[str, ...]
