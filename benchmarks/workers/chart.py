"""From how much work on it pays to send an event to another process.

The cost of an event against the work in its handler, for collectors in two worker
processes and for the same ones on the loop: a fresh process for each sample, in turn.
"""

from __future__ import annotations

import argparse
import json
import math
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import median
from typing import Any

from benchmarks.drawing.lines import Line, LineChart, Point
from benchmarks.drawing.svg import standalone
from benchmarks.harness.command import show_progress
from benchmarks.harness.sample import SampleFailed, sample
from benchmarks.harness.suite import Suite

__all__ = ["break_even", "run_chart"]

WORK_US = (0, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000)
PROCESS, INLINE = "collectorqueue", "inline"
ZERO_AT = 0.5  # where no work stands on an axis that has no zero
SECONDS = {False: 1.0, True: 0.1}  # of work in a sample; True: --quick


@dataclass
class Cost:
    """Microseconds of an event by the clock, and of the parent's processor time."""

    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)


def run_chart(
    suite: Suite, options: argparse.Namespace, shared: dict[str, Any]
) -> int:
    """Measure, print the table, write the drawing; 1 if a measurement failed."""
    try:
        costs = _measured(suite, options, shared)
    except SampleFailed as failure:
        print(f"FAILED: {failure}")
        return 1
    wall = break_even(WORK_US, costs[PROCESS].wall, costs[INLINE].wall)
    cpu = break_even(WORK_US, costs[PROCESS].cpu, costs[INLINE].cpu)
    print("\n" + _table(costs))
    print("\n" + _in_words("An event is done sooner", wall))
    print(_in_words("The loop spends less on an event", cpu))
    options.chart.write_text(standalone(_chart(costs, wall, cpu).drawing()))
    if options.json is not None:
        found = {name: vars(cost) for name, cost in costs.items()} | shared
        found |= {"work_us": WORK_US, "break_even_us": {"wall": wall, "cpu": cpu}}
        options.json.write_text(json.dumps(found, indent=1) + "\n")
    return 0


def _chart(costs: dict[str, Cost], wall: float | None, cpu: float | None) -> LineChart:
    marks = {
        f"break-even, {what}: {work_us:.1f} us": max(work_us, ZERO_AT)
        for what, work_us in (("wall", wall), ("CPU", cpu))
        if work_us is not None
    }
    return LineChart(
        "Cost of an event against the work in its handler",
        "work in the handler, us",
        "cost of an event, us",
        [
            _line("processes, wall", "blue", costs[PROCESS].wall),
            _line("processes, CPU of the parent", "green", costs[PROCESS].cpu),
            _line("on the loop, wall", "vermilion", costs[INLINE].wall),
        ],
        ticks={max(work_us, ZERO_AT): f"{work_us}" for work_us in WORK_US},
        marks=marks,
    )


def _line(name: str, colour: str, costs: list[float]) -> Line:
    pairs = zip(WORK_US, costs, strict=True)
    return Line(name, colour, [Point(max(x, ZERO_AT), y, y, y) for x, y in pairs])


def break_even(
    works: tuple[float, ...], ours: list[float], theirs: list[float]
) -> float | None:
    """The work from which on ours costs less; None: it never does.

    Between two measured works the costs are taken to be straight lines.
    """
    gaps = [a - b for a, b in zip(ours, theirs, strict=True)]
    if gaps[-1] > 0:
        return None
    found = works[0]
    for (low, high), (before, after) in zip(
        pairwise(works), pairwise(gaps), strict=True
    ):
        if before > 0 >= after:
            found = low + (high - low) * before / (before - after)
    return found


def _measured(
    suite: Suite, options: argparse.Namespace, shared: dict[str, Any]
) -> dict[str, Cost]:
    costs = {PROCESS: Cost(), INLINE: Cost()}
    for work_us in WORK_US:
        events = _events(work_us, SECONDS[options.quick])
        found: dict[str, list[dict[str, Any]]] = {PROCESS: [], INLINE: []}
        for repeat in range(1, options.repeats + 1):
            show_progress(f"{work_us} us {repeat}/{options.repeats}")
            for rival, samples in found.items():
                arguments = {"events": events, "kind": "record", "work_us": work_us}
                order = {
                    "rival": rival,
                    "function": "throughput",
                    "arguments": arguments | {"mode": "send"} | shared,
                    "loop": options.loop,
                }
                samples.append(sample(suite.measure, order))
        for rival, samples in found.items():
            to_us = 1e6 / events
            cost = costs[rival]
            cost.wall.append(to_us * median(each["seconds"] for each in samples))
            used = median(each["parent_cpu_seconds"] for each in samples)
            cost.cpu.append(to_us * used)
    return costs


def _events(work_us: float, seconds: float) -> int:
    return math.ceil(seconds * 1e6 / (work_us + 5) / 100) * 100


def _table(costs: dict[str, Cost]) -> str:
    process, inline = costs[PROCESS], costs[INLINE]
    rows = [
        "| work, us | 2 processes: wall, us | 2 processes: CPU of the parent, us "
        "| on the loop: wall, us | on the loop: CPU of the parent, us |",
        "| ---: | ---: | ---: | ---: | ---: |",
    ]
    columns = (process.wall, process.cpu, inline.wall, inline.cpu)
    for work_us, *values in zip(WORK_US, *columns, strict=True):
        cells = " | ".join(f"{value:.2f}" for value in values)
        rows.append(f"| {work_us} | {cells} |")
    return "\n".join(rows)


def _in_words(what: str, work_us: float | None) -> str:
    if work_us is None:
        return f"{what} with two worker processes at no work up to {WORK_US[-1]} us."
    if work_us == WORK_US[0]:
        return f"{what} with two worker processes whatever the work."
    return f"{what} with two worker processes from {work_us:.1f} us of work on."
