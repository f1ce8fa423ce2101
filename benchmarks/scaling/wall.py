"""The same arrivals by the clock on the wall: ours and event-collector's, in turn."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from statistics import median
from typing import Any

from benchmarks.harness.command import show_progress
from benchmarks.harness.machine import load_average
from benchmarks.harness.sample import SampleFailed, sample
from benchmarks.scaling.plot import plotted
from benchmarks.scaling.simulated import TRACES

__all__ = ["KINDS", "run_wall"]

OURS, THEIRS = "collectorqueue", "event-collector"


@dataclass(frozen=True)
class Kind:
    """How many events a second arrive, on average over the trace, and how long each takes."""

    rate: float
    service_s: float
    spread: float = 1.0


KINDS = {"io": Kind(50, 0.2), "io_fast": Kind(2000, 0.005)}


def run_wall(options: argparse.Namespace) -> int:
    """Replay the busiest part of each trace with each, A B B A; 1 if a goal is missed."""
    print(f"the busiest {options.seconds:g} s of each trace, {options.repeats} times each, "
          f"load average before: {load_average()}")  # fmt: skip
    missed = 0
    plot = options.plot
    for name, kind in KINDS.items():
        if not name.startswith(tuple(options.scenario)):
            continue
        for trace in TRACES:
            try:
                samples = _samples(options, name, kind, trace)
            except SampleFailed as failure:
                print(f"FAILED: {failure}")
                return 1
            print(f"\n{name}, {trace}: {samples[OURS][0]['events']} events")
            for pool, found in samples.items():
                print(f"  {pool:16s} {_told(found)}")
            missed += _judge(samples)
            if plot is not None:
                plotted(plot, f"{name}, {trace}", {p: f[0] for p, f in samples.items()})
                plot = None  # the first is enough
    print(f"\nload average after: {load_average()}")
    return 1 if missed else 0


def _samples(
    options: argparse.Namespace, name: str, kind: Kind, trace: str
) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {OURS: [], THEIRS: []}
    for repeat in range(options.repeats):
        show_progress(f"{name} {trace} {repeat + 1}/{options.repeats}")
        for pool in (OURS, THEIRS) if repeat % 2 == 0 else (THEIRS, OURS):
            order = {
                "folder": str(options.folder),
                "trace": trace,
                "rate": kind.rate,
                "service_s": kind.service_s,
                "spread": kind.spread,
                "seconds": options.seconds,
                "pool": pool,
            }
            found[pool].append(sample("benchmarks.scaling.replay", order))
    return found


def _told(samples: list[dict[str, Any]]) -> str:
    def of(values: list[float]) -> str:
        return f"{median(values):.3g} ({min(values):.3g} to {max(values):.3g})"

    waits = "; ".join(
        f"{share} {of([each['wait_ms'][share] for each in samples])}"
        for share in ("p50", "p99", "p999")
    )
    return (
        f"wait ms: {waits}; CPU us an event {of([each['cpu_us'] for each in samples])}; "
        f"loop lag p99 ms {of([each['lag_ms'] for each in samples])}; "
        f"consumers {of([each['mean'] for each in samples])}, "
        f"at most {max(each['most'] for each in samples)}"
    )


def _judge(samples: dict[str, list[dict[str, Any]]]) -> int:
    """Ratios of two samples of one repeat, and their median; returns how many fail."""
    missed = 0
    for what, most, read in (
        ("p99 wait / event-collector's", 0.5, lambda each: each["wait_ms"]["p99"]),
        ("CPU an event / event-collector's", 1.0, lambda each: each["cpu_us"]),
    ):
        ratios = [
            read(mine) / read(theirs)
            for mine, theirs in zip(samples[OURS], samples[THEIRS], strict=True)
        ]
        holds = median(ratios) <= most
        missed += not holds
        verdict = "holds" if holds else "DOES NOT HOLD"
        print(f"    {what:35s} {median(ratios):.3f} ({min(ratios):.3f} to "
              f"{max(ratios):.3f}) <= {most}  {verdict}")  # fmt: skip
    return missed
