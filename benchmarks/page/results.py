"""What suites have written to files, read back: the page is made of nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["CaseResult", "Measured", "SuiteResult", "read"]

OURS = "collectorqueue"

Json = dict[str, Any]


@dataclass(frozen=True)
class Measured:
    """An entry of a case; `median` is None where `why` says it was not measured."""

    label: str
    rival: str
    events: int
    median: float | None
    low: float
    high: float
    spread: float
    why: str

    @property
    def ours(self) -> bool:
        """Whether it is this project's."""
        return self.rival == OURS


@dataclass(frozen=True)
class CaseResult:
    """A case that was run; `suite` is the command that did."""

    suite: str
    name: str
    title: str
    unit: str
    more_is_better: bool
    entries: Sequence[Measured]

    @property
    def measured(self) -> list[Measured]:
        """The entries that have a number."""
        return [entry for entry in self.entries if entry.median is not None]

    @property
    def better(self) -> str:
        """Which way is better, in words."""
        return "more is better" if self.more_is_better else "less is better"


@dataclass(frozen=True)
class SuiteResult:
    """One file: its cases, and what the run was."""

    command: str
    run: Json
    cases: Sequence[CaseResult]
    figures: Sequence[Json]


def read(paths: Iterable[Path]) -> list[SuiteResult]:
    """The suites of some files. Raises ValueError for one that no suite has written."""
    found = []
    for path in paths:
        report: Json = json.loads(path.read_text())
        if "command" not in report or "cases" not in report:
            raise ValueError(f"{path} is not a file that a suite wrote with --json")
        cases = [_case(report["command"], each) for each in report["cases"]]
        figures = report.get("figures", [])
        found.append(SuiteResult(report["command"], report, cases, figures))
    return found


def _case(suite: str, case: Json) -> CaseResult:
    return CaseResult(
        suite,
        case["name"],
        case["title"],
        case["unit"],
        case["more_is_better"],
        [_measured(entry) for entry in case["entries"]],
    )


def _measured(entry: Json) -> Measured:
    errors = entry.get("errors", [])
    return Measured(
        entry["label"],
        entry["rival"],
        entry["events"],
        entry.get("median"),
        entry.get("min", 0.0),
        entry.get("max", 0.0),
        entry.get("spread", 0.0),
        entry.get("lacks") or (f"FAILED: {errors[0]}" if errors else ""),
    )
