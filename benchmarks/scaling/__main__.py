"""`python -m benchmarks.scaling`: the rule on all traces, beside others and beside the best.

In virtual time, by a simulator. `--wall` replays a part of each by the clock on the wall
instead, on real pools; `--plot` draws the first of these.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.scaling.simulated import FOLDER, TRACES, Ours, arrivals, simulator
from benchmarks.scaling.wall import run_wall
from collectorqueue.admin.scaler import PoolScaler

ORACLE, RIVAL, OURS, FIXED = "oracle", "event-collector", "collectorqueue", "fixed"


@dataclass(frozen=True)
class Scenario:
    """What arrives, and what lies behind the pool."""

    name: str
    rate: float  # events a second
    service_s: float
    spread: float  # of the logarithm of a service
    behind: dict[str, Any]  # of the simulator
    most: int | None = None  # our maximum; None: the simulator's


SCENARIOS = (
    Scenario("io", 50, 0.2, 1.0, {"max_c": 1000}),
    Scenario("io_fast", 2000, 0.005, 1.0, {"max_c": 1000}),
    Scenario("down, max = knee", 50, 0.2, 0.7,
             {"K": 20, "beta": 0.25, "floor": 0.4, "max_c": 1000}, 20),
    Scenario("down, defaults", 50, 0.2, 0.7,
             {"K": 20, "beta": 0.25, "floor": 0.4, "max_c": 1000}, 64),
    Scenario("cpu", 50, 0.04, 0.8, {"K": 4, "beta": 0.05, "floor": 0.5, "startup": 0.15,
                                    "spawn_cpu": True, "max_c": 64}, 4),
    Scenario("cpu_low", 10, 0.04, 0.8, {"K": 4, "beta": 0.05, "floor": 0.5, "startup": 0.15,
                                        "spawn_cpu": True, "max_c": 64}, 4),
)  # fmt: skip

Results = dict[str, list[dict[str, float]]]


def rivals(sim: Any, scenario: Scenario) -> dict[str, tuple[Callable[[], Any], int | None]]:
    processes = "startup" in scenario.behind
    make = PoolScaler.for_workers if processes else PoolScaler
    found: dict[str, tuple[Callable[[], Any], int | None]] = {
        ORACLE: (sim.Oracle, None),
        RIVAL: (sim.EventCollector, None),
        OURS: (lambda: Ours(make), scenario.most),
    }
    if processes:
        found[FIXED] = (lambda: sim.Fixed(4), None)
    return found


def measured(sim: Any, scenario: Scenario, traces: tuple[str, ...]) -> Results:
    """For each rival, what happened on each trace."""
    found: Results = {}
    for trace in traces:
        times, services = arrivals(
            sim, trace, scenario.rate, scenario.service_s, scenario.spread
        )
        for name, (make, most) in rivals(sim, scenario).items():
            behind = dict(scenario.behind)
            if most is not None:
                behind["max_c"] = most
            report = sim.Sim(times, services, make(), **behind).run()
            report["per_1000"] = 1000 * report["actions"] / len(times)
            report["spawn"] = (
                100 * report["created"] * behind.get("startup", 0) / report["busy_s"]
            )
            found.setdefault(name, []).append(report)
    return found


def geometric(values: list[float]) -> float:
    return math.exp(sum(math.log(max(each, 1e-3)) for each in values) / len(values))


def against(results: Results, one: str, other: str, what: str) -> list[float]:
    return [
        mine[what] / max(theirs[what], 1e-9)
        for mine, theirs in zip(results[one], results[other], strict=True)
    ]


def goals(name: str, results: Results) -> list[tuple[str, float, float]]:
    """(what, seen, at most)."""
    ours = results[OURS]
    actions = against(results, OURS, RIVAL, "per_1000")
    sojourn = against(results, OURS, ORACLE, "p99s")
    if name.startswith("io"):
        each = 1 / 4 if name == "io" else 1 / 1.5
        found = [
            ("p99.9 wait, ms", max(r["p999w"] for r in ours) * 1e3, 0.1),
            ("actions / event-collector's, geo", geometric(actions), 1 / 8),
            ("actions / event-collector's, worst", max(actions), each),
        ]
        if name == "io":
            found += [
                ("consumer-seconds / oracle's, worst",
                 max(against(results, OURS, ORACLE, "cs")), 4),
                ("consumer-seconds / event-collector's, worst",
                 max(against(results, OURS, RIVAL, "cs")), 2.5),
            ]  # fmt: skip
        return found
    if name == "down, max = knee":
        return [
            ("p99 sojourn / oracle's, worst", max(sojourn), 1.02),
            ("seconds over the knee", max(r["over_t"] for r in ours), 0),
        ]
    if name == "down, defaults":
        rival = geometric(against(results, RIVAL, ORACLE, "p99s"))
        return [("p99 sojourn / oracle's, geo", geometric(sojourn), rival / 3)]
    found = [
        ("p99 sojourn / oracle's, worst", max(sojourn), 1.02),
        ("most workers", max(r["peak"] for r in ours), 4),
        ("CPU of starts, % of the useful", max(r["spawn"] for r in ours), 2),
    ]
    if name == "cpu_low":
        seconds = geometric(against(results, OURS, FIXED, "cs"))
        found.append(("worker-seconds / a fixed pool's, geo", seconds, 0.95))
    return found


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scaling")
    parser.add_argument("--folder", type=Path, default=FOLDER,
                        help="where sim.py and traces/ are")  # fmt: skip
    parser.add_argument("--scenario", nargs="+", metavar="NAME", default=[""],
                        help="only these, by how their names begin")  # fmt: skip
    parser.add_argument("--wall", action="store_true",
                        help="real pools, real time: io and io_fast only")  # fmt: skip
    parser.add_argument("--seconds", type=float, default=60.0,
                        help="of each trace, with --wall (60)")  # fmt: skip
    parser.add_argument("--repeats", type=int, default=5, help="with --wall (5)")
    parser.add_argument("--plot", type=Path, metavar="OUT.svg",
                        help="with --wall: pool and waits in a burst of the first")  # fmt: skip
    options = parser.parse_args()
    try:
        sim = simulator(options.folder)
    except ImportError as error:
        print(f"skipped: {error}")
        return 0
    if options.wall:
        return run_wall(options)
    failed = 0
    for scenario in SCENARIOS:
        if not scenario.name.startswith(tuple(options.scenario)):
            continue
        results = measured(sim, scenario, TRACES)
        print(f"\n{scenario.name}: p99 wait ms, p99 sojourn / oracle's, actions per 1000, "
              f"consumer-seconds / oracle's, peak")  # fmt: skip
        for name, reports in results.items():
            rows = " | ".join(
                f"{r['p99w'] * 1e3:10.2f} {r['p99s'] / o['p99s']:7.3f} "
                f"{r['per_1000']:8.2f} {r['cs'] / o['cs']:7.2f} {r['peak']:5d}"
                for r, o in zip(reports, results[ORACLE], strict=True)
            )
            print(f"  {name:16s} {rows}")
        for what, seen, most in goals(scenario.name, results):
            holds = seen <= most + 1e-9
            failed += not holds
            print(f"    {what:45s} {seen:9.3f} <= {most:7.3f}  "
                  f"{'holds' if holds else 'DOES NOT HOLD'}")  # fmt: skip
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
