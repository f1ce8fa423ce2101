"""`python -m benchmarks`: compare the queue with its rivals.

Prints a table for each case and a verdict for each figure to reach; `--json` keeps the
raw numbers. See README.md beside this file.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.cases import CASES, EVENTS, Case
from benchmarks.figures import Verdict, judge
from benchmarks.machine import commit, load_average, machine, versions
from benchmarks.runner import EntryResult, run_case
from benchmarks.tables import case_table, verdict_table

REPEATS = 5  # a figure holds if the median of at least so many does
QUICK_EVENTS = 50_000
QUICK_REPEATS = 2


def main() -> int:
    """Run what the command line asks for; 1 if a measurement failed."""
    options = _options()
    cases = _chosen(options.case)
    begun = time.monotonic()
    report = {
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "loop": options.loop,
        "repeats": options.repeats,
        "events": options.events,
        "machine": machine(),
        "versions": versions(),
        **commit(),
        "load_average_before": load_average(),
        "cases": [],
    }
    print(_header(report), flush=True)
    everything: list[tuple[Case, list[EntryResult]]] = []
    for case in cases:
        results = run_case(
            case,
            repeats=options.repeats,
            factor=options.events / EVENTS,
            loop=options.loop,
            progress=_progress,
        )
        everything.append((case, results))
        print("\n" + case_table(case, results), flush=True)
    verdicts = _judge(everything)
    report["load_average_after"] = load_average()
    report["seconds"] = round(time.monotonic() - begun, 1)
    print("\n" + verdict_table(verdicts))
    print(_footer(report))
    if options.json is not None:
        report["cases"] = [_case_json(*each) for each in everything]
        report["figures"] = [_verdict_json(each) for each in verdicts]
        options.json.write_text(json.dumps(report, indent=1) + "\n")
    return int(any(result.errors for _, found in everything for result in found))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=(__doc__ or "").partition("\n\n")[2]
    )
    names = ", ".join(case.name for case in CASES)
    parser.add_argument(
        "--case",
        nargs="+",
        action="extend",
        metavar="NAME",
        help=f"only these, by name or by how it begins: {names}",
    )
    parser.add_argument(
        "--repeats", type=_positive, metavar="N", help=f"default {REPEATS}"
    )
    parser.add_argument(
        "--events",
        type=_positive,
        metavar="N",
        help=f"of a windowed case, default {EVENTS}; the others are in proportion",
    )
    parser.add_argument("--loop", choices=("uvloop", "asyncio"), default="uvloop")
    parser.add_argument("--json", type=Path, metavar="OUT", help="keep the raw numbers")
    parser.add_argument(
        "--quick",
        action="store_true",
        help=f"--events {QUICK_EVENTS} --repeats {QUICK_REPEATS}: whether it runs",
    )
    options = parser.parse_args()
    options.repeats = options.repeats or (QUICK_REPEATS if options.quick else REPEATS)
    options.events = options.events or (QUICK_EVENTS if options.quick else EVENTS)
    return options


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, got {number}")
    return number


def _chosen(names: list[str] | None) -> list[Case]:
    if names is None:
        return list(CASES)
    for name in names:
        if not any(case.name.startswith(name) for case in CASES):
            known = ", ".join(case.name for case in CASES)
            sys.exit(f"no case {name!r}; there are: {known}")
    exact = {case.name for case in CASES} & set(names)
    prefixes = tuple(set(names) - exact)
    return [
        case
        for case in CASES
        if case.name in exact or (prefixes and case.name.startswith(prefixes))
    ]


def _judge(everything: list[tuple[Case, list[EntryResult]]]) -> list[Verdict]:
    samples = {
        (case.name, result.entry.label): result.samples
        for case, results in everything
        for result in results
    }
    return judge(samples, [case.name for case, _ in everything])


def _progress(text: str) -> None:
    if sys.stderr.isatty():
        print(f"\r\033[K{text}\r", end="", file=sys.stderr, flush=True)


def _header(report: dict[str, Any]) -> str:
    where = report["machine"]
    packages = ", ".join(
        f"{name} {found or '(no version)'}"
        for name, found in report["versions"].items()
    )
    state = " with changes" if report["changed"] else ""
    return (
        f"{where['cpu']}, {where['usable_cores']} of {where['cores']} cores, "
        f"{where['system']} {where['architecture']}\n"
        f"{packages}\n"
        f"loop {report['loop']}, {report['repeats']} repeats, "
        f"{report['events']} events, commit {report['commit']}{state}"
    )


def _footer(report: dict[str, Any]) -> str:
    lines = [
        f"{report['seconds']} s; load average before {report['load_average_before']}, "
        f"after {report['load_average_after']}"
    ]
    usual = report["versions"]["python"].startswith("CPython 3.13.")
    if not usual or report["loop"] != "uvloop" or report["events"] != EVENTS:
        lines.append(
            f"indicative: the figures are for CPython 3.13, uvloop, {EVENTS} events"
        )
    load = report["load_average_before"]
    if load is not None and load[0] > report["machine"]["usable_cores"] / 2:
        lines.append("indicative: the machine was busy when the run began")
    if report["repeats"] < REPEATS:
        lines.append(f"indicative: fewer than {REPEATS} repeats")
    return "\n".join(lines)


def _case_json(case: Case, results: list[EntryResult]) -> dict[str, Any]:
    return {
        "name": case.name,
        "title": case.title,
        "unit": case.unit.name,
        "more_is_better": case.unit.per_second,
        "entries": [result.as_json() for result in results],
    }


def _verdict_json(verdict: Verdict) -> dict[str, Any]:
    figure = verdict.figure
    return {
        "case": figure.case,
        "entry": figure.entry,
        "against": figure.against,
        "target": figure.target,
        "median": verdict.value,
        "min": verdict.low,
        "max": verdict.high,
        "repeats": verdict.repeats,
        "holds": verdict.holds,
    }


if __name__ == "__main__":
    sys.exit(main())
