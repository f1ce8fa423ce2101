"""The figures to reach, and whether a run reaches them.

A ratio is made of two samples of the same repeat, taken shortly after each other; what
counts is the median of these ratios. Rates: more is better. Times, bytes: less is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import median

__all__ = ["FIGURES", "Figure", "Verdict", "judge", "ratios"]

Samples = Mapping[tuple[str, str], list[float | None]]
"""By case and label, one value a repeat; None where the measurement failed."""

# Of the time for each name when there are twice as many: linear is 1, quadratic 2, and
# this lies half-way, because larger tables miss the processor's caches more often.
LINEAR = 1.41


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


def _figures() -> list[Figure]:
    figures = []

    def at_least(case: str, entry: str, against: str, bound: float) -> None:
        figures.append(Figure(case, entry, against, True, bound))

    def at_most(case: str, entry: str, against: str | None, bound: float) -> None:
        figures.append(Figure(case, entry, against, False, bound))

    nearest = "event-collector send"
    for pool in ("1", "8", "100", "100-fixed"):
        case = f"windowed-{pool}"
        at_least(case, "collectorqueue send", nearest, 25)
        at_least(case, "collectorqueue send", "floor", 0.38)
        for mode, times, share in (("send_nowait", 40, 0.5), ("send_many", 30, 0.45)):
            at_least(case, f"collectorqueue {mode}", nearest, times)
            at_least(case, f"collectorqueue {mode}", "floor", share)
            at_least(case, f"collectorqueue {mode}", "25-line loop send_nowait", 1.0)
    at_least("burst", "collectorqueue send", nearest, 10)
    at_least("burst", "collectorqueue send_nowait", nearest, 15)
    at_most("round-trip", "collectorqueue send", nearest, 1 / 3)
    at_most("memory", "collectorqueue", "event-collector", 0.5)
    for mode in ("send", "send_nowait"):
        for by in ("key", "topic"):
            entry = f"1000 collectors, {by}, {mode}"
            at_least("routing", entry, f"one collector, broadcast, {mode}", 0.85)
    at_most("dispatch", "100000 keys", "10 keys", 1.25)
    at_most("dispatch", "1000000 topics", "10 topics", 1.25)
    at_least(
        "dispatch-in-queue",
        "100000 collectors, key, send_nowait",
        "10 collectors, key, send_nowait",
        1 / 1.25,
    )
    at_most("index-build", "100000 keys", "50000 keys", LINEAR)
    at_most("index-build", "1000000 topics", "500000 topics", LINEAR)
    at_least("sleeping", "collectorqueue", "event-collector", 5)
    at_most("responsiveness", "collectorqueue", None, 5)
    return figures


FIGURES = _figures()
"""What this project set out to reach, on CPython 3.13 and uvloop."""
