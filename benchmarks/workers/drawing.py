"""The chart as SVG, as text: both axes logarithmic, break-even points marked."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

__all__ = ["Line", "drawing"]

WIDTH, HEIGHT = 760, 480
LEFT, RIGHT, TOP, BOTTOM = 70, 20, 40, 60
ZERO_AT = 0.5  # where no work stands on an axis that has no zero


@dataclass(frozen=True)
class Line:
    """One cost at each work, in microseconds."""

    name: str
    colour: str
    costs: Sequence[float]


class Plane:
    """Where a work and a cost are on the page."""

    def __init__(self, works: Sequence[float], costs: Sequence[float]) -> None:
        self.left = math.log10(ZERO_AT)
        self.right = math.log10(max(works))
        self.low = math.floor(math.log10(min(costs)))
        self.high = max(math.ceil(math.log10(max(costs))), self.low + 1)

    def x(self, work: float) -> float:
        share = (math.log10(max(work, ZERO_AT)) - self.left) / (self.right - self.left)
        return LEFT + share * (WIDTH - LEFT - RIGHT)

    def y(self, cost: float) -> float:
        share = (math.log10(cost) - self.low) / (self.high - self.low)
        return HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)


def drawing(
    works: Sequence[float], lines: Sequence[Line], marks: Mapping[str, float | None]
) -> str:
    """The whole file; `marks` are works to point at, by what they are of."""
    plane = Plane(works, [cost for line in lines for cost in line.costs])
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        'font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        _text(WIDTH / 2, 20, "Cost of an event against the work in its handler"),
        *_axes(plane, works),
        *_marked(plane, marks),
    ]
    for number, line in enumerate(lines):
        parts += _drawn(plane, works, line)
        parts += _named(line, TOP + 18 + 18 * number)
    return "\n".join([*parts, "</svg>", ""])


def _axes(plane: Plane, works: Sequence[float]) -> list[str]:
    bottom, right = HEIGHT - BOTTOM, WIDTH - RIGHT
    parts = [
        f'<path d="M{LEFT} {TOP}V{bottom}H{right}" fill="none" stroke="black"/>',
        _text(WIDTH / 2, HEIGHT - 15, "work in the handler, us"),
        f'<text transform="translate(18 {HEIGHT / 2}) rotate(-90)" '
        'text-anchor="middle">cost of an event, us</text>',
    ]
    for work in works:
        parts.append(_text(plane.x(work), bottom + 18, f"{work:g}"))
        parts.append(_rule(plane.x(work), bottom, plane.x(work), bottom + 5, "black"))
    for power in range(plane.low, plane.high + 1):
        at = plane.y(10.0**power)
        parts.append(_rule(LEFT, at, right, at, "#dddddd"))
        parts.append(_text(LEFT - 8, at + 4, f"{10.0**power:g}", "end"))
    return parts


def _marked(plane: Plane, marks: Mapping[str, float | None]) -> list[str]:
    parts = []
    for number, (name, work) in enumerate(marks.items()):
        if work is None:
            continue
        at = plane.x(work)
        parts.append(_rule(at, TOP, at, HEIGHT - BOTTOM, "#555555", dashes="4 3"))
        low = HEIGHT - BOTTOM - 10 - 16 * number
        side, by = ("end", -5) if at > WIDTH / 2 else ("start", 5)
        parts.append(_text(at + by, low, f"break-even, {name}: {work:.1f} us", side))
    return parts


def _drawn(plane: Plane, works: Sequence[float], line: Line) -> list[str]:
    points = [
        (plane.x(work), plane.y(cost))
        for work, cost in zip(works, line.costs, strict=True)
    ]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    colour = line.colour
    return [
        f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>',
        *(
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>'
            for x, y in points
        ),
    ]


def _named(line: Line, at: float) -> list[str]:
    swatch = f'stroke="{line.colour}" stroke-width="3"'
    return [
        f'<path d="M{LEFT + 15} {at - 4}h22" {swatch}/>',
        _text(LEFT + 45, at, line.name, "start"),
    ]


def _rule(
    x1: float, y1: float, x2: float, y2: float, colour: str, dashes: str = ""
) -> str:
    dashed = f' stroke-dasharray="{dashes}"' if dashes else ""
    return f'<path d="M{x1:.1f} {y1:.1f}L{x2:.1f} {y2:.1f}" stroke="{colour}"{dashed}/>'


def _text(x: float, y: float, text: str, anchor: str = "middle") -> str:
    place = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"'
    return f"<text {place}>{escape(text)}</text>"
