"""Case: entries that are compared with each other, and the unit that they are shown in.

An entry is one rival doing a case in one way; the entries of a case are measured in
turn, again and again, so that they share the machine's moods and their ratios mean
something.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

__all__ = ["MICROSECONDS", "RATE", "Arguments", "Case", "Entry", "Unit"]

Arguments = dict[str, Any]


@dataclass(frozen=True)
class Unit:
    """How a sample is shown: `scale` times events per second, or seconds per event."""

    name: str
    scale: float
    per_second: bool = False
    per_event: bool = True

    def value(self, sample: float, events: int) -> float:
        """What a rival's function returned, in this unit."""
        if self.per_second:
            return self.scale * events / sample
        return self.scale * (sample / events if self.per_event else sample)


RATE = Unit("M events/s", 1e-6, per_second=True)
MICROSECONDS = Unit("us/event", 1e6)


@dataclass(frozen=True)
class Entry:
    """One rival, one way: `function(events, **arguments)`.

    `events` is what a run of full size has; `fixed` where they are the thing measured,
    or where there must be enough of them. Another size is a whole number of `step`.
    """

    label: str
    rival: str
    function: str
    events: int
    arguments: Arguments = field(default_factory=dict)
    fixed: bool = False
    step: int = 1000

    def sized(self, factor: float) -> int:
        """How many events to run."""
        if self.fixed:
            return self.events
        return max(self.step, round(self.events * factor / self.step) * self.step)


@dataclass(frozen=True)
class Case:
    """Entries to compare; `against` are the labels that its table's ratios refer to."""

    name: str
    title: str
    unit: Unit
    entries: tuple[Entry, ...]
    against: tuple[str, ...]
