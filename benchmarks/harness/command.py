"""The command that runs a suite: its options, its tables, its verdicts, its file."""

from __future__ import annotations

import argparse
import json
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.harness.case import Case
from benchmarks.harness.machine import commit, load_average, machine, versions
from benchmarks.harness.report import Report, case_json, footer, header, verdict_json
from benchmarks.harness.runner import EntryResult, run_case
from benchmarks.harness.suite import REPEATS, Suite
from benchmarks.harness.tables import case_table, verdict_table
from benchmarks.harness.verdicts import Verdict, judge

__all__ = ["begun_report", "options_of", "parser_of", "run_suite", "show_progress"]

QUICK_REPEATS = 2


def run_suite(
    suite: Suite, options: argparse.Namespace, shared: dict[str, Any] | None = None
) -> int:
    """Run what the command line asks for; 1 if a measurement failed.

    `shared` arguments are given to every sample, and kept in the file.
    """
    shared = shared or {}
    cases = _chosen(suite.cases, options.case)
    begun = time.monotonic()
    report = begun_report(suite, options) | shared
    print(header(report), flush=True)
    everything: list[tuple[Case, list[EntryResult]]] = []
    for case in cases:
        results = run_case(
            case,
            suite,
            repeats=options.repeats,
            factor=options.events / suite.events,
            loop=options.loop,
            shared=shared,
            progress=show_progress,
        )
        everything.append((case, results))
        print("\n" + case_table(case, results), flush=True)
    verdicts = _judge(suite, everything)
    report["load_average_after"] = load_average()
    report["seconds"] = round(time.monotonic() - begun, 1)
    if verdicts:
        print("\n" + verdict_table(verdicts))
    print(footer(report, suite))
    if options.json is not None:
        report["cases"] = [case_json(*each) for each in everything]
        report["figures"] = [verdict_json(each) for each in verdicts]
        options.json.write_text(json.dumps(report, indent=1) + "\n")
    return int(any(result.errors for _, found in everything for result in found))


def begun_report(suite: Suite, options: argparse.Namespace) -> Report:
    """What is known before the first sample."""
    return {
        "command": suite.command,
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "loop": options.loop,
        "repeats": options.repeats,
        "events": options.events,
        "machine": machine(),
        "versions": versions(suite.packages),
        **commit(),
        "load_average_before": load_average(),
        "cases": [],
    }


def parser_of(suite: Suite) -> argparse.ArgumentParser:
    """The options that every suite takes."""
    parser = argparse.ArgumentParser(
        prog=suite.command, description=suite.about.partition("\n\n")[2]
    )
    names = ", ".join(case.name for case in suite.cases)
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
        help=f"of {suite.sized_by}, default {suite.events}; "
        "the others are in proportion",
    )
    parser.add_argument("--loop", choices=("uvloop", "asyncio"), default="uvloop")
    parser.add_argument("--json", type=Path, metavar="OUT", help="keep the raw numbers")
    parser.add_argument(
        "--quick",
        action="store_true",
        help=f"--events {suite.quick_events} --repeats {QUICK_REPEATS}: "
        "whether it runs",
    )
    return parser


def options_of(parser: argparse.ArgumentParser, suite: Suite) -> argparse.Namespace:
    """The command line, with what follows from --quick filled in."""
    options = parser.parse_args()
    options.repeats = options.repeats or (QUICK_REPEATS if options.quick else REPEATS)
    usual = suite.quick_events if options.quick else suite.events
    options.events = options.events or usual
    return options


def show_progress(text: str) -> None:
    """On one line of a terminal, over and over."""
    if sys.stderr.isatty():
        print(f"\r\033[K{text}\r", end="", file=sys.stderr, flush=True)


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, got {number}")
    return number


def _chosen(cases: tuple[Case, ...], names: list[str] | None) -> list[Case]:
    if names is None:
        return list(cases)
    for name in names:
        if not any(case.name.startswith(name) for case in cases):
            known = ", ".join(case.name for case in cases)
            sys.exit(f"no case {name!r}; there are: {known}")
    exact = {case.name for case in cases} & set(names)
    prefixes = tuple(set(names) - exact)
    return [
        case
        for case in cases
        if case.name in exact or (prefixes and case.name.startswith(prefixes))
    ]


def _judge(
    suite: Suite, everything: list[tuple[Case, list[EntryResult]]]
) -> list[Verdict]:
    samples = {
        (case.name, result.entry.label): result.samples
        for case, results in everything
        for result in results
    }
    return judge(samples, [case.name for case, _ in everything], suite.figures)
