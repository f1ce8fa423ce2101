"""A chart of lines, each named where it ends, with a band for their points' spread."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from benchmarks.drawing.axis import Axis, short
from benchmarks.drawing.svg import drawn, leant, path, spot, text

__all__ = ["Line", "LineChart", "Point"]

WIDTH, HEIGHT = 900, 400
LEFT, RIGHT, TOP, BOTTOM = 66, 240, 40, 52
LABEL_HEIGHT = 16


@dataclass(frozen=True)
class Point:
    """A median between its extremes."""

    x: float
    y: float
    low: float
    high: float


@dataclass(frozen=True)
class Line:
    """Its points are in the order of x."""

    name: str
    colour: str
    points: Sequence[Point]


@dataclass(frozen=True)
class LineChart:
    """`ticks` are written instead of round values of x; `marks` are x to point at.

    print(LineChart("Cost", "events", "us", lines).drawing())
    """

    title: str
    x_label: str
    y_label: str
    lines: Sequence[Line]
    log: bool = True
    ticks: Mapping[float, str] = field(default_factory=dict)
    marks: Mapping[str, float] = field(default_factory=dict)

    def drawing(self) -> str:
        """The SVG."""
        points = [point for line in self.lines for point in line.points]
        right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM
        x = Axis([point.x for point in points], LEFT + 12, right, log=self.log)
        spread = [value for point in points for value in (point.low, point.high)]
        y = Axis(spread, bottom, TOP, log=self.log).widened()
        parts = [text(2, 20, self.title, "start", "title"), *self._axes(x, y)]
        for number, (name, value) in enumerate(self.marks.items()):
            parts += _marked(name, x.at(value), number)
        for shape, line in enumerate(self.lines):
            parts += _drawn(line, shape, x, y)
        return drawn(WIDTH, HEIGHT, [*parts, *_named(self.lines, x, y)], self.title)

    def _axes(self, x: Axis, y: Axis) -> list[str]:
        right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM
        parts = []
        for value in y.ticks:
            at = y.at(value)
            parts.append(path([(LEFT, at), (right, at)], "grid"))
            parts.append(text(LEFT - 8, at + 4, short(value), "end", "quiet"))
        for value, name in (self.ticks or {v: short(v) for v in x.ticks}).items():
            at = x.at(value)
            parts.append(path([(at, bottom), (at, bottom + 5)], "quiet"))
            parts.append(text(at, bottom + 19, name, kind="quiet"))
        scale = " (logarithmic)" if x.log else ""
        middle = (LEFT + right) / 2
        parts.append(path([(LEFT, bottom), (right, bottom)], "quiet"))
        parts.append(text(middle, HEIGHT - 12, self.x_label + scale, kind="quiet"))
        scale = " (logarithmic)" if y.log else ""
        parts.append(leant(16, (TOP + bottom) / 2, self.y_label + scale))
        return parts


def _marked(name: str, at: float, number: int) -> list[str]:
    height = TOP + 12 + LABEL_HEIGHT * number
    side, by = ("end", -5) if at > (WIDTH - RIGHT) / 2 else ("start", 5)
    ends = [(at, TOP), (at, HEIGHT - BOTTOM)]
    return [path(ends, "quiet", dashes="4 3"), text(at + by, height, name, side)]


def _drawn(line: Line, shape: int, x: Axis, y: Axis) -> list[str]:
    places = [(x.at(point.x), y.at(point.y)) for point in line.points]
    above = [(x.at(point.x), y.at(point.high)) for point in line.points]
    below = [(x.at(point.x), y.at(point.low)) for point in line.points]
    return [
        path([*above, *reversed(below)], line.colour, filled=True),
        path(places, line.colour, 2),
        *(spot(at, high, line.colour, shape) for at, high in places),
    ]


def _named(lines: Sequence[Line], x: Axis, y: Axis) -> list[str]:
    """Each beside its last point, or as near as the others leave room."""
    ends = sorted(
        (y.at(line.points[-1].y), shape, line) for shape, line in enumerate(lines)
    )
    parts: list[str] = []
    free, last = float(TOP), HEIGHT - BOTTOM - LABEL_HEIGHT * (len(ends) - 1)
    for height, shape, line in ends:
        at = min(max(height, free), last)
        free, last = at + LABEL_HEIGHT, last + LABEL_HEIGHT
        right = WIDTH - RIGHT
        leader = [(x.at(line.points[-1].x) + 5, height), (right + 14, at)]
        parts.append(path(leader, line.colour, dashes="1 3"))
        parts.append(spot(right + 18, at, line.colour, shape))
        parts.append(text(right + 27, at + 4, line.name, "start"))
    return parts
