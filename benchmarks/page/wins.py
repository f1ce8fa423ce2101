"""Where a rival is quicker, lighter or prompter than we are: found in the numbers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from benchmarks.page.charts import sweep_of
from benchmarks.page.results import CaseResult, Measured, SuiteResult

__all__ = ["Meeting", "Win", "wins"]


@dataclass(frozen=True)
class Meeting:
    """A rival's row that beats `beaten` of our `ways`; `ours` is the best of them."""

    theirs: Measured
    ours: Measured
    beaten: int
    ways: int
    ratio: float  # how many times better than our best; up to 1: it is not

    @property
    def overlaps(self) -> bool:
        """Whether the samples of both overlap: it may be chance."""
        return self.theirs.low <= self.ours.high and self.ours.low <= self.theirs.high


@dataclass(frozen=True)
class Win:
    """A rival that wins in a case; of a sweep, at some of its `sizes`."""

    case: CaseResult
    name: str
    rival: str
    meetings: Sequence[Meeting]
    sizes: int = 0


def wins(suites: Sequence[SuiteResult]) -> list[Win]:
    """All of them, in the order of the cases."""
    return [win for suite in suites for case in suite.cases for win in _wins_in(case)]


def _wins_in(case: CaseResult) -> Iterator[Win]:
    sweep = sweep_of(case)
    if sweep is None:
        ours = [row for row in case.measured if row.ours]
        for row in case.measured:
            if meeting := _met(case, row, ours):
                yield Win(case, row.label, row.rival, [meeting])
        return
    rows = {row.label: row for row in case.measured}
    for name, line in sweep.lines.items():
        met = []
        for size, entry in line.items():
            others = [each[size].label for each in sweep.lines.values() if size in each]
            ours = [rows[label] for label in others if label in rows]
            if entry.label not in rows:
                continue
            row = rows[entry.label]
            if meeting := _met(case, row, [each for each in ours if each.ours]):
                met.append(meeting)
        if met:
            yield Win(case, name, met[0].theirs.rival, met, len(line))


def _met(case: CaseResult, row: Measured, ours: Sequence[Measured]) -> Meeting | None:
    """None: it is ours itself, or beats none of ours."""

    def better(other: Measured) -> float:
        upper, lower = row.median or 0.0, other.median or 0.0
        if not case.more_is_better:
            upper, lower = lower, upper
        return upper / lower if lower else float("inf")

    beaten = sum(better(each) > 1 for each in ours)
    if row.ours or not beaten:
        return None
    best = min(ours, key=better)
    return Meeting(row, best, beaten, len(ours), better(best))
