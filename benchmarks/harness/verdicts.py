"""What a figure to reach is, and whether a run reaches it.

A ratio is made of two samples of the same repeat, taken shortly after each other; what
counts is the median of these ratios. Rates: more is better. Times, bytes: less is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import median

__all__ = ["Figure", "Verdict", "judge", "ratios"]

Samples = Mapping[tuple[str, str], list[float | None]]
"""By case and label, one value a repeat; None where the measurement failed."""


@dataclass(frozen=True)
class Figure:
    """`entry` of a case, divided by what it is held `against` (None: by nothing)."""

    case: str
    entry: str
    against: str | None
    at_least: bool
    bound: float

    @property
    def target(self) -> str:
        """The bound as text."""
        return f"{'>=' if self.at_least else '<='} {self.bound:g}"


@dataclass(frozen=True)
class Verdict:
    """What was measured of a figure; `value` is None where it was not."""

    figure: Figure
    value: float | None
    low: float
    high: float
    repeats: int

    @property
    def holds(self) -> bool | None:
        """Whether the median reaches the bound."""
        if self.value is None:
            return None
        if self.figure.at_least:
            return self.value >= self.figure.bound
        return self.value <= self.figure.bound


def ratios(ours: list[float | None], theirs: list[float | None] | None) -> list[float]:
    """Pairwise, of the repeats in which both were measured."""
    if theirs is None:
        return [each for each in ours if each is not None]
    pairs = zip(ours, theirs, strict=False)
    return [a / b for a, b in pairs if a is not None and b is not None and b > 0]


def judge(
    samples: Samples, cases: Iterable[str], figures: Iterable[Figure]
) -> list[Verdict]:
    """A verdict for each of the figures whose case was run."""
    wanted = set(cases)
    verdicts = []
    for figure in figures:
        if figure.case not in wanted:
            continue
        ours = samples.get((figure.case, figure.entry), [])
        theirs = None
        if figure.against is not None:
            theirs = samples.get((figure.case, figure.against), [])
        found = ratios(ours, theirs)
        if found:
            verdict = Verdict(figure, median(found), min(found), max(found), len(found))
        else:
            verdict = Verdict(figure, None, 0.0, 0.0, 0)
        verdicts.append(verdict)
    return verdicts


