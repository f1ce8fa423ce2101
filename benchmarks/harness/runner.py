"""Runs cases: a fresh process for each sample, the entries of a case in turn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from benchmarks.harness.case import Case, Entry
from benchmarks.harness.sample import SampleFailed, sample
from benchmarks.harness.suite import Suite

__all__ = ["EntryResult", "run_case"]


@dataclass
class EntryResult:
    """The samples of one entry, one a repeat, in the case's unit; None: it failed."""

    entry: Entry
    events: int
    lacks: str | None
    samples: list[float | None] = field(default_factory=list)
    details: list[dict[str, Any] | None] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    @property
    def measured(self) -> list[float]:
        """The samples that did not fail."""
        return [each for each in self.samples if each is not None]

    def fail(self, error: str) -> None:
        """Note a sample that could not be taken."""
        self.samples.append(None)
        self.details.append(None)
        self.errors.append(error)

    def as_json(self) -> dict[str, Any]:
        """Raw numbers, median and spread; `spread` is (max - min) / median."""
        summary: dict[str, Any] = {
            "rival": self.entry.rival,
            "label": self.entry.label,
            "function": self.entry.function,
            "arguments": self.entry.arguments,
            "events": self.events,
        }
        if self.lacks is not None:
            return summary | {"lacks": self.lacks}
        summary |= {"samples": self.samples, "raw": self.details}
        if self.errors:
            summary["errors"] = self.errors
        if found := self.measured:
            middle = median(found)
            summary |= {
                "median": middle,
                "min": min(found),
                "max": max(found),
                "spread": (max(found) - min(found)) / middle if middle else 0.0,
            }
        return summary


def run_case(
    case: Case,
    suite: Suite,
    *,
    repeats: int,
    factor: float,
    loop: str,
    shared: dict[str, Any],
    progress: Callable[[str], None],
) -> list[EntryResult]:
    """Measure each entry `repeats` times, A B C A B C, at `factor` of its full size."""
    results = [
        EntryResult(
            entry,
            entry.sized(factor),
            suite.why_not(entry.rival, entry.function, entry.arguments.get("mode")),
        )
        for entry in case.entries
    ]
    for repeat in range(1, repeats + 1):
        progress(f"{case.name} {repeat}/{repeats}")
        for result in results:
            if result.lacks is None:
                _sample(case, result, suite.measure, loop, shared)
    return results


def _sample(
    case: Case, result: EntryResult, measure: str, loop: str, shared: dict[str, Any]
) -> None:
    entry = result.entry
    order = {
        "rival": entry.rival,
        "function": entry.function,
        "arguments": {"events": result.events} | entry.arguments | shared,
        "loop": loop,
    }
    try:
        detail = sample(measure, order)
    except SampleFailed as failure:
        result.fail(str(failure))
        return
    result.details.append(detail)
    result.samples.append(case.unit.value(detail["value"], result.events))
