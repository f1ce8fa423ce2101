"""A chart of rows: a median and its extremes in each, on one axis, the best first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.drawing.axis import Axis, short
from benchmarks.drawing.svg import drawn, path, spot, text

__all__ = ["Row", "RowChart"]

WIDTH = 900
LEFT, RIGHT, TOP, BOTTOM = 290, 225, 38, 46
ROW_HEIGHT = 21
WIDE = 6  # a chart whose largest value is so many times its least is logarithmic


@dataclass(frozen=True)
class Row:
    """`ours` is what the eye is to find."""

    name: str
    median: float
    low: float
    high: float
    ours: bool


@dataclass(frozen=True)
class RowChart:
    """`unit` says what is better as well.

    print(RowChart("Round trip", "us", rows, more_is_better=False).drawing())
    """

    title: str
    unit: str
    rows: Sequence[Row]
    more_is_better: bool

    def drawing(self) -> str:
        """The SVG."""
        rows = sorted(
            self.rows, key=lambda row: row.median, reverse=self.more_is_better
        )
        bottom = TOP + ROW_HEIGHT * len(rows)
        values = [value for row in rows for value in (row.low, row.high)]
        wide = max(values) > WIDE * min(values)
        axis = Axis(values, LEFT + 6, WIDTH - RIGHT, log=wide).widened()
        parts = [text(2, 18, self.title, "start", "title")]
        for value in axis.ticks:
            at = axis.at(value)
            parts.append(path([(at, TOP), (at, bottom)], "grid"))
            parts.append(text(at, bottom + 17, short(value), kind="quiet"))
        scale = f"{self.unit} (logarithmic)" if axis.log else self.unit
        parts.append(text((LEFT + WIDTH - RIGHT) / 2, bottom + 37, scale, kind="quiet"))
        for number, row in enumerate(rows):
            parts += _drawn(row, TOP + ROW_HEIGHT * (number + 0.5), axis)
        return drawn(WIDTH, bottom + BOTTOM, parts, self.title)


def _drawn(row: Row, y: float, axis: Axis) -> list[str]:
    colour, kind = ("blue", "strong") if row.ours else ("grey", "")
    low, middle, high = (axis.at(each) for each in (row.low, row.median, row.high))
    whisker = [(low, y), (high, y)]
    return [
        text(LEFT - 8, y + 4, row.name, "end", kind),
        path(whisker, colour, 2),
        *(path([(end, y - 4), (end, y + 4)], colour, 1.5) for end in (low, high)),
        spot(middle, y, colour, 0 if row.ours else 1),
        text(WIDTH - RIGHT + 14, y + 4, _told(row), "start", kind or "quiet"),
    ]


def _told(row: Row) -> str:
    return f"{short(row.median)} ({short(row.low)} to {short(row.high)})"
