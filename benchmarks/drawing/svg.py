"""The elements of a drawing, and its colours, which differ in lightness as well."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

__all__ = ["COLOURS", "STYLE", "drawn", "leant", "path", "spot", "standalone", "text"]

COLOURS = ("blue", "vermilion", "green", "purple", "gold", "grey")
"""In the order in which lines take them; the first is ours."""

# Those of Okabe and Ito, darker on paper and lighter in the dark.
_LIGHT = {
    "ink": "#1b1f24",
    "quiet": "#5b6470",
    "grid": "#e3e6ea",
    "paper": "#ffffff",
    "blue": "#0072b2",
    "vermilion": "#c84e00",
    "green": "#008560",
    "purple": "#a64d85",
    "gold": "#8f6b00",
    "grey": "#6b7280",
}
_DARK = {
    "ink": "#e8eaed",
    "quiet": "#a5adb8",
    "grid": "#2c323b",
    "paper": "#14171c",
    "blue": "#56b4e9",
    "vermilion": "#ff8a47",
    "green": "#34c79f",
    "purple": "#e39ac8",
    "gold": "#e6c229",
    "grey": "#9aa3af",
}


def _variables(colours: dict[str, str]) -> str:
    return "".join(f"--{name}:{colour};" for name, colour in colours.items())


STYLE = (
    f":root{{color-scheme:light dark;{_variables(_LIGHT)}}}"
    f"@media (prefers-color-scheme:dark){{:root{{{_variables(_DARK)}}}}}"
    "svg text{fill:var(--ink);font:12px system-ui,sans-serif}"
    "svg text.quiet{fill:var(--quiet)}svg text.strong{font-weight:650}"
    "svg text.title{font-size:14px;font-weight:650}"
)
"""The colours and the letters; a page has it once, a file of its own as well."""


def drawn(width: float, height: float, parts: Iterable[str], label: str) -> str:
    """The drawing, to be put into a page that has STYLE; `label` says what it is."""
    box = f'viewBox="0 0 {width:g} {height:g}" role="img" aria-label="{escape(label)}"'
    opening = f'<svg xmlns="http://www.w3.org/2000/svg" {box}>'
    return "\n".join([opening, *parts, "</svg>", ""])


def standalone(svg: str) -> str:
    """The same drawing as a file of its own."""
    opening, _, rest = svg.partition("\n")
    paper = '<rect width="100%" height="100%" fill="var(--paper)"/>'
    return f"{opening}\n<style>{STYLE}</style>\n{paper}\n{rest}"


def text(x: float, y: float, words: str, anchor: str = "middle", kind: str = "") -> str:
    """Words; `kind` is quiet, strong or title."""
    named = f' class="{kind}"' if kind else ""
    place = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"'
    return f"<text {place}{named}>{escape(words)}</text>"


def leant(x: float, y: float, words: str) -> str:
    """Words that are read upwards."""
    turned = f'transform="translate({x:.1f} {y:.1f}) rotate(-90)"'
    return f'<text {turned} text-anchor="middle" class="quiet">{escape(words)}</text>'


def path(
    points: Iterable[tuple[float, float]],
    colour: str,
    width: float = 1,
    *,
    dashes: str = "",
    filled: bool = False,
) -> str:
    """A line through points, or what it encloses, faintly."""
    steps = "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
    if filled:
        return f'<path d="M{steps}Z" fill="var(--{colour})" opacity="0.16"/>'
    dashed = f' stroke-dasharray="{dashes}"' if dashes else ""
    return (
        f'<path d="M{steps}" fill="none" stroke="var(--{colour})" '
        f'stroke-width="{width:g}"{dashed}/>'
    )


def spot(x: float, y: float, colour: str, shape: int = 0) -> str:
    """A mark at a point: by shape as well as by colour."""
    fill = f'fill="var(--{colour})"'
    if shape % 4 == 0:
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" {fill}/>'
    # A square, a triangle, a diamond: steps from the first corner on.
    dx, dy, steps = (
        (-3.2, -3.2, "h6.4v6.4h-6.4"),
        (0.0, -4.2, "l4.4 7.6h-8.8"),
        (0.0, -4.6, "l4.6 4.6l-4.6 4.6l-4.6 -4.6"),
    )[shape % 4 - 1]
    return f'<path d="M{x + dx:.1f} {y + dy:.1f}{steps}z" {fill}/>'
