"""What frames the tables of a run: the lines before and after, and the file."""

from __future__ import annotations

from typing import Any

from benchmarks.harness.case import Case
from benchmarks.harness.runner import EntryResult
from benchmarks.harness.suite import REPEATS, Suite
from benchmarks.harness.verdicts import Verdict

__all__ = ["Report", "case_json", "footer", "header", "verdict_json"]

Report = dict[str, Any]


def header(report: Report) -> str:
    """What the numbers below it come from."""
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


def footer(report: Report, suite: Suite) -> str:
    """How long it took, and why the verdicts may be indicative only."""
    lines = [
        f"{report['seconds']} s; load average before {report['load_average_before']}, "
        f"after {report['load_average_after']}"
    ]
    usual = report["versions"]["python"].startswith("CPython 3.13.")
    if not usual or report["loop"] != "uvloop" or report["events"] != suite.events:
        lines.append(
            "indicative: the figures are for CPython 3.13, uvloop, "
            f"{suite.events} events"
        )
    load = report["load_average_before"]
    if load is not None and load[0] > report["machine"]["usable_cores"] / 2:
        lines.append("indicative: the machine was busy when the run began")
    if report["repeats"] < REPEATS:
        lines.append(f"indicative: fewer than {REPEATS} repeats")
    return "\n".join(lines)


def case_json(case: Case, results: list[EntryResult]) -> dict[str, Any]:
    """A case as it stands in the file."""
    return {
        "name": case.name,
        "title": case.title,
        "unit": case.unit.name,
        "more_is_better": case.unit.per_second,
        "entries": [result.as_json() for result in results],
    }


def verdict_json(verdict: Verdict) -> dict[str, Any]:
    """A verdict as it stands in the file."""
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
