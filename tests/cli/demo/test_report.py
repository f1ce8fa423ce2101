"""The report in words and tables."""

from __future__ import annotations

import io
from typing import Any

import msgspec
import pytest

from collectorqueue import Ledger
from collectorqueue.admin.metrics import CollectorStats, Quantiles
from collectorqueue.cli.demo.collectors.duplicates import DuplicatesTotals
from collectorqueue.cli.demo.collectors.imports import ImportsTotals
from collectorqueue.cli.demo.collectors.lines import LinesTotals
from collectorqueue.cli.demo.collectors.symbols import SymbolsTotals
from collectorqueue.cli.demo.comparison import Comparison
from collectorqueue.cli.demo.findings import Finding, findings
from collectorqueue.cli.demo.monitor import PhaseReport, Sample
from collectorqueue.cli.demo.publishing import FailedFile
from collectorqueue.cli.demo.report import (
    Lag,
    Rates,
    Report,
    Table,
    comparison_line,
    phase_line,
    report_parts,
)
from collectorqueue.cli.demo.view import PlainView, RichView, open_view
from collectorqueue.workers.stats import (
    ProcessCollectorStats,
    WorkersStats,
    WorkerStats,
)

REPORT = Report(
    root="the tree",
    index="the index",
    interrupted=False,
    files=2,
    lines=1234,
    seconds=0.5,
    rates=Rates(events_per_s=2476, lines_per_s=2468),
    lag=Lag(worst_s=0.0123),
    peak_consumers=7,
    ledger=Ledger(accepted=1238, ok=1237, failed=1),
    phases=[],
    collectors={
        "lines": CollectorStats(
            1234, 1233, 1, 0, 5, Quantiles(1234, 0.002, 0.0012, 0.02, 0.034, 0.05),
            Quantiles(1234, 5e-6, 4.2e-6, 6e-7, 8.7e-7, 1e-6),
        )
    },
    totals={},
    findings=[Finding("longest line", "80 characters", "a.py:7"), Finding("x", "y")],
    failed_files=[],
)

SAMPLE = Sample("burst", 2.04, 123_456, 61_000.4, 5_000, 12, 17, 3, 0.0214)


def in_words(**changes: Any) -> list[str]:
    report = msgspec.structs.replace(REPORT, **changes)
    return [part for part in report_parts(report) if isinstance(part, str)]


def test_the_comparison_is_told_in_a_line() -> None:
    assert comparison_line(Comparison(3, 0.123, 0.004)) == (
        "worst loop lag while 3 large files were outlined: 123 ms in a thread, 4 ms in a "
        "process"
    )


def test_what_workers_did_and_what_chaos_cost_is_told_in_a_line() -> None:
    stats = WorkersStats(
        [WorkerStats(1, 4321, 9, 10**7, 1.0, 0)],
        {"outline": ProcessCollectorStats(2.5, 1.5, 2, 2)},
        started=4, start_s=0.4, failed_starts=0, died=3, restarts=3, waiting=0, out=0,
        degraded=False,
    )  # fmt: skip
    text = "outlines took 1.5 s of CPU time in 1 worker, and none of the loop's"
    assert text in in_words(workers=stats)
    text += "; 3 workers killed on purpose, 2 runs lost, 2 run again"
    assert text in in_words(workers=stats, kills=3)


# -- the parts --------------------------------------------------------------------


def test_the_collectors_are_a_table() -> None:
    tables = [part for part in report_parts(REPORT) if isinstance(part, Table)]
    assert tables == [
        Table(
            "collectors",
            [
                "collector", "in", "ok", "failed",
                "wait p50", "wait p99", "run p50", "run p99", "peak consumers",
            ],
            [[
                "lines", "1,234", "1,233", "1",
                "1.2 ms", "34 ms", "4.2 us", "870 ns", "5",
            ]],
        )
    ]  # fmt: skip


def test_the_rest_is_in_words() -> None:
    assert in_words() == [
        "",
        "ledger: accepted 1,238 = ok 1,237 + failed 1 + unrouted 0 + dropped 0 "
        "+ aborted 0 + queued 0 + in flight 0: the sum closes",
        "2 files, 1,234 lines in 0.5 s: 2,476 events/s; worst loop lag 12 ms; "
        "at most 7 consumers",
        "",
        "longest line:     80 characters  a.py:7",
        "x:                y",
        "",
        "index: the index",
        "search it: collectorqueue demo --find TEXT",
    ]


def test_a_sum_that_does_not_close_is_shouted() -> None:
    assert in_words(ledger=Ledger(accepted=1))[1].endswith("THE SUM DOES NOT CLOSE")


def test_failed_files_are_named_the_first_ten_of_them() -> None:
    failed = [FailedFile(f"{n}.py", "outline", f"{n}.py is broken") for n in range(11)]
    failed[1] = FailedFile("1.py", "store", "disk full")
    said = in_words(failed_files=failed)
    assert said[4:7] == [
        "11 files could not be handled:",
        "  0.py is broken",
        "  1.py: disk full",
    ]
    assert said[15] == "  and 1 more"


@pytest.mark.parametrize(
    ("report", "line"),
    [
        (
            PhaseReport("calm", 1.04, 90_569, 0, 8, 0, 1, 9),
            "calm: 90,569 events in 1.0 s; at most 8 queued, no publisher waited; "
            "consumers 1 -> 9",
        ),
        (
            PhaseReport("failing", 2, 5_000, 50, 990, 1, 9, 64),
            "failing: 5,000 events in 2.0 s; the bound of 1,000 was hit; "
            "up to 1 publisher waited; consumers 9 -> 64; 50 failed",
        ),
    ],
)
def test_a_phase_is_told_in_a_line(report: PhaseReport, line: str) -> None:
    assert phase_line(report) == line


def test_the_findings_are_five_in_a_fixed_order() -> None:
    totals = [
        LinesTotals(9, 2, 80, "a.py:7", {"TODO": 3, "XXX": 1}, [("b.py", 2)]),
        ImportsTotals(2, [("os", 2), ("re", 1)]),
        SymbolsTotals(10, 2, "C.f", 99, "c.py:3"),
        DuplicatesTotals(4, 3, "d.py:1", "import os"),
    ]
    assert findings({str(each): each for each in totals}) == [
        Finding("work left to do", "3 TODO, 1 XXX; most (2) in one file", "b.py"),
        Finding("longest line", "80 characters of 9 lines", "a.py:7"),
        Finding("most imported", "os by 2 files, re by 1 file"),
        Finding("longest function", "C.f, 99 lines, of 10 functions", "c.py:3"),
        Finding("most copied", "6 lines in 3 places, from 'import os'", "d.py:1"),
    ]


def test_of_nothing_the_findings_are_five_all_the_same() -> None:
    totals = [
        LinesTotals(0, 0, 0, "", {}, []),
        ImportsTotals(0, []),
        SymbolsTotals(0, 0, "", 0, ""),
        DuplicatesTotals(0, 0, "", ""),
    ]
    assert [each.text for each in findings({str(each): each for each in totals})] == [
        "no comment marks any",
        "0 characters of 0 lines",
        "no import at all",
        "no function at all",
        "no block of 6 lines stands twice",
    ]


# -- the views --------------------------------------------------------------------


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def shown(view: PlainView | RichView) -> None:
    view.say("[calm]: one publisher")
    view.second(SAMPLE)
    view.second(SAMPLE)
    view.close()
    view.table(Table("t", ["collector", "failed"], [["lines", "1,234"], ["x", "0"]]))


def test_plain_lines_are_aligned_under_one_heading() -> None:
    stream = io.StringIO()
    shown(PlainView(stream))
    row = "   2.0     burst     123,456     61,000    5,000       12         17"
    assert stream.getvalue().splitlines() == [
        "[calm]: one publisher",
        "second     phase      events   events/s   queued  waiting  consumers"
        "   failed       lag",
        f"{row}        3     21 ms",
        f"{row}        3     21 ms",
        "",
        "collector  failed",
        "lines       1,234",
        "x               0",
    ]


def test_what_is_not_a_terminal_gets_plain_lines() -> None:
    assert isinstance(open_view(io.StringIO()), PlainView)


def test_a_terminal_that_cannot_move_gets_plain_lines(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TERM", "dumb")
    assert isinstance(open_view(Terminal()), PlainView)


def test_without_rich_a_terminal_gets_plain_lines(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert isinstance(open_view(Terminal()), PlainView)


def on_terminal(monkeypatch: pytest.MonkeyPatch, **environment: str) -> str:
    pytest.importorskip("rich")
    for name in ("NO_COLOR", "FORCE_COLOR", "COLORTERM"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "100")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    stream = Terminal()
    view = open_view(stream)
    assert isinstance(view, RichView)
    shown(view)
    return stream.getvalue()


RED = "\x1b[31m"


def test_a_terminal_gets_a_live_table_in_colour(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    output = on_terminal(monkeypatch)
    assert "[calm]: one publisher" in output
    assert "123,456" in output
    assert "1,234" in output
    assert RED in output
    assert "\x1b[?25h" in output  # the cursor is back


def test_no_color_is_honoured(monkeypatch: pytest.MonkeyPatch) -> None:
    output = on_terminal(monkeypatch, NO_COLOR="1")
    assert "123,456" in output
    assert RED not in output
