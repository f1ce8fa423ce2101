"""Axis: where a value is along a side of a chart, and which values are written."""

from __future__ import annotations

import math
from collections.abc import Iterable

__all__ = ["Axis", "short"]

ENOUGH = 3  # values along an axis
FACTORS = ((1.0,), (1.0, 2.0, 5.0), (1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0))


class Axis:
    """From `start` to `end`, in units of the drawing; logarithmic, or from 0 on."""

    def __init__(
        self, values: Iterable[float], start: float, end: float, *, log: bool
    ) -> None:
        found = list(values)
        self.log = log and min(found) > 0
        self._start, self._end = start, end
        if self.log:
            self._low = math.log10(min(found))
            self._high = max(math.log10(max(found)), self._low + 0.1)
        else:
            self._low, self._high = 0.0, (max(found) or 1.0) * 1.02

    def widened(self) -> Axis:
        """The same with its ends a little beyond the values."""
        if self.log:
            more = 0.04 * (self._high - self._low) + 0.02
            self._low -= more
            self._high += more
        return self

    def at(self, value: float) -> float:
        """Where a value is."""
        place = math.log10(value) if self.log else value
        share = (place - self._low) / (self._high - self._low)
        return self._start + share * (self._end - self._start)

    @property
    def ticks(self) -> list[float]:
        """The values that are written, three to eight of them."""
        return self._powers() if self.log else self._steps()

    def _powers(self) -> list[float]:
        """Of ten; with round values between them where that would be too few."""
        found: list[float] = []
        powers = range(math.floor(self._low), math.ceil(self._high) + 1)
        for factors in FACTORS:
            values = [factor * 10.0**power for power in powers for factor in factors]
            found = [
                value
                for value in values
                if self._low - 1e-9 <= math.log10(value) <= self._high + 1e-9
            ]
            if len(found) >= ENOUGH:
                break
        return found or [10**self._low, 10**self._high]

    def _steps(self) -> list[float]:
        rough = self._high / 5
        power = 10.0 ** math.floor(math.log10(rough))
        step = next(each * power for each in (1, 2, 5, 10) if each * power >= rough)
        return [step * number for number in range(int(self._high / step) + 1)]


def short(value: float) -> str:
    """A value in few letters: 0.025, 3.1, 250, 10k, 2M."""
    if value == 0:
        return "0"
    for unit, name in ((1e6, "M"), (1e3, "k")):
        if value >= unit * (1 if unit == 1e6 else 10):
            return f"{value / unit:.3g}{name}"
    if value >= 1000:
        return f"{value:.0f}"
    # As it is written out: 0.00005 and not 5e-05.
    digits = max(0, 2 - math.floor(math.log10(value)))
    return f"{value:.{digits}f}".rstrip("0").rstrip(".") if digits else f"{value:.0f}"
