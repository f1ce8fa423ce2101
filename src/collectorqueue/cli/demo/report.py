"""The report: what a run came to, as one record, and in words for a person."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import msgspec

from collectorqueue import Ledger
from collectorqueue.admin.metrics import CollectorStats
from collectorqueue.cli.demo.comparison import Comparison
from collectorqueue.cli.demo.findings import Finding
from collectorqueue.cli.demo.monitor import PhaseReport
from collectorqueue.cli.demo.publishing import FailedFile
from collectorqueue.cli.demo.topology import CAPACITY
from collectorqueue.cli.words import counted, duration
from collectorqueue.workers.stats import WorkersStats

__all__ = ["Lag", "Rates", "Report", "Table", "comparison_line", "phase_line", "report_parts"]

FAILED_SHOWN = 10  # files: the rest is in --json


class Rates(msgspec.Struct, frozen=True):
    """Over the whole run, drain included."""

    events_per_s: float
    lines_per_s: float


class Lag(msgspec.Struct, frozen=True):
    """Of the event loop."""

    worst_s: float
    comparison: Comparison | None = None


class Report(msgspec.Struct, frozen=True):
    """What `demo` found and how it got there; `--json` prints it as it is."""

    root: str
    index: str
    interrupted: bool
    files: int
    lines: int
    seconds: float
    rates: Rates
    lag: Lag
    peak_consumers: int
    ledger: Ledger
    phases: list[PhaseReport]
    collectors: dict[str, CollectorStats]
    totals: Mapping[str, object]
    findings: list[Finding]
    failed_files: list[FailedFile]
    workers: WorkersStats | None = None  # before the drain
    kills: int | None = None  # of workers, on purpose; None: no chaos was asked for


class Table(msgspec.Struct, frozen=True):
    """Rows of text; the first column is aligned left, the others right."""

    title: str
    columns: list[str]
    rows: list[list[str]]


def report_parts(report: Report) -> Iterator[str | Table]:
    """The report as a person reads it, part by part."""
    yield _collectors(report)
    yield ""
    yield _sum(report.ledger)
    yield (
        f"{report.files:,} files, {report.lines:,} lines in {report.seconds:.1f} s: "
        f"{report.rates.events_per_s:,.0f} events/s; worst loop lag "
        f"{report.lag.worst_s * 1e3:,.0f} ms; at most {report.peak_consumers} consumers"
    )
    yield from _workers(report)
    if report.failed_files:
        yield ""
        yield from _failed(report.failed_files)
    yield ""
    for finding in report.findings:
        place = f"  {finding.place}" if finding.place else ""
        yield f"{finding.title + ':':<18}{finding.text}{place}"
    yield ""
    yield f"index: {report.index}"
    yield "search it: collectorqueue demo --find TEXT"


def phase_line(phase: PhaseReport) -> str:
    """What a phase came to, in words."""
    parts = [f"{phase.name}: {phase.events:,} events in {phase.seconds:.1f} s"]
    if phase.peak_waiting:
        parts.append(f"the bound of {CAPACITY:,} was hit")
        parts.append(f"up to {counted(phase.peak_waiting, 'publisher')} waited")
    else:
        parts.append(f"at most {phase.peak_queued:,} queued, no publisher waited")
    parts.append(f"consumers {phase.consumers} -> {phase.peak_consumers}")
    if phase.failed:
        parts.append(f"{phase.failed:,} failed")
    return "; ".join(parts)


def comparison_line(found: Comparison) -> str:
    """What moving the outlines to processes does to the loop, in words."""
    return (
        f"worst loop lag while {counted(found.files, 'large file')} were outlined: "
        f"{duration(found.thread_s)} in a thread, {duration(found.process_s)} in a process"
    )


def _workers(report: Report) -> Iterator[str]:
    if report.workers is not None:
        outline = report.workers.collectors["outline"]
        text = (
            f"outlines took {outline.cpu_s:.1f} s of CPU time in "
            f"{counted(len(report.workers.workers), 'worker')}, and none of the loop's"
        )
        if report.kills is not None:
            text += (
                f"; {counted(report.kills, 'worker')} killed on purpose, "
                f"{counted(outline.lost, 'run')} lost, {outline.reruns} run again"
            )
        yield text


def _collectors(report: Report) -> Table:
    columns = [
        "collector", "in", "ok", "failed",
        "wait p50", "wait p99", "run p50", "run p99", "peak consumers",
    ]  # fmt: skip
    rows = [
        [
            key,
            f"{stats.received:,}",
            f"{stats.ok:,}",
            f"{stats.failed:,}",
            duration(stats.wait.p50),
            duration(stats.wait.p99),
            duration(stats.run.p50),
            duration(stats.run.p99),
            f"{stats.peak_running}",
        ]
        for key, stats in report.collectors.items()
    ]
    return Table("collectors", columns, rows)


def _sum(ledger: Ledger) -> str:
    fields = msgspec.structs.asdict(ledger)
    accepted = fields.pop("accepted")
    parts = " + ".join(
        f"{name.replace('_', ' ')} {count:,}" for name, count in fields.items()
    )
    state = "the sum closes" if ledger.closes else "THE SUM DOES NOT CLOSE"
    return f"ledger: accepted {accepted:,} = {parts}: {state}"


def _failed(failed: list[FailedFile]) -> Iterator[str]:
    yield f"{counted(len(failed), 'file')} could not be handled:"
    for each in failed[:FAILED_SHOWN]:
        yield f"  {'' if each.file in each.error else f'{each.file}: '}{each.error}"
    if len(failed) > FAILED_SHOWN:
        yield f"  and {len(failed) - FAILED_SHOWN:,} more"
