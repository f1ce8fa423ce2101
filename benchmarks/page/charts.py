"""The charts of the page: a case is rows, a sweep is lines."""

from __future__ import annotations

from benchmarks.drawing.lines import Line, LineChart, Point
from benchmarks.drawing.rows import Row, RowChart
from benchmarks.drawing.svg import COLOURS
from benchmarks.growth.sweep import Sweep
from benchmarks.growth.sweeps import SWEEPS
from benchmarks.page.results import CaseResult

__all__ = ["chart_of", "sweep_of"]

GROWTH = "python -m benchmarks.growth"


def sweep_of(case: CaseResult) -> Sweep | None:
    """The sweep that a case is; None: its entries are not in lines."""
    if case.suite != GROWTH:
        return None
    return next((sweep for sweep in SWEEPS if sweep.name == case.name), None)


def chart_of(case: CaseResult) -> str:
    """Its SVG; nothing if nothing was measured."""
    if not case.measured:
        return ""
    sweep = sweep_of(case)
    return _rows(case) if sweep is None else _lines(case, sweep)


def _rows(case: CaseResult) -> str:
    rows = [
        Row(entry.label, entry.median, entry.low, entry.high, entry.ours)
        for entry in case.measured
        if entry.median is not None
    ]
    unit = f"{case.unit}, {case.better}"
    return RowChart(case.title, unit, rows, case.more_is_better).drawing()


def _lines(case: CaseResult, sweep: Sweep) -> str:
    by_label = {entry.label: entry for entry in case.measured}
    lines = []
    for colour, (name, entries) in zip(COLOURS, sweep.lines.items(), strict=False):
        found = [(size, by_label.get(entry.label)) for size, entry in entries.items()]
        points = [
            Point(size, entry.median, entry.low, entry.high)
            for size, entry in found
            if entry is not None and entry.median is not None
        ]
        if points:
            lines.append(Line(name, colour, points))
    few = max(point.x for line in lines for point in line.points) < len(COLOURS)
    unit = f"{case.unit}, {case.better}"
    # A few workers are counted one by one, from nothing on.
    ticks = {float(x): f"{x:g}" for x in {p.x for line in lines for p in line.points}}
    return LineChart(
        case.title,
        sweep.grows,
        unit,
        lines,
        log=not few,
        ticks=dict(sorted(ticks.items())) if few else {},
    ).drawing()
