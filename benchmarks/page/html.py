"""The page as HTML: no network, no script, light or dark as the reader has it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from benchmarks.drawing.svg import STYLE
from benchmarks.harness.tables import short
from benchmarks.page.charts import chart_of, sweep_of
from benchmarks.page.plan import SECTIONS, Section
from benchmarks.page.reasons import reason_for
from benchmarks.page.results import CaseResult, Json, SuiteResult
from benchmarks.page.wins import Win, wins
from benchmarks.rivals.features import COLUMNS, FEATURES

__all__ = ["page"]

LOOK = """
body{margin:0 auto;max-width:1040px;padding:24px 20px 80px;background:var(--paper);
 color:var(--ink);font:15px/1.5 system-ui,sans-serif}
h1{font-size:28px;margin:0 0 4px}
h2{font-size:21px;margin:52px 0 8px}
h3{font-size:16px;margin:30px 0 4px}p{max-width:75ch}a{color:var(--blue)}
.quiet{color:var(--quiet)}
.note{border-left:3px solid var(--vermilion);padding-left:12px}
code,pre{font:13px/1.5 ui-monospace,monospace}
pre{padding:12px;background:var(--grid);overflow-x:auto;border-radius:6px}
svg{width:100%;max-width:920px;height:auto;display:block;margin:10px 0 4px}
.wide{overflow-x:auto}table{border-collapse:collapse;font-size:13px;margin:8px 0}
th,td{padding:4px 10px 4px 0;text-align:left;vertical-align:top}
th{font-weight:600;color:var(--quiet);border-bottom:1px solid var(--quiet)}
td{border-bottom:1px solid var(--grid)}td.number,th.number{text-align:right;
 font-variant-numeric:tabular-nums;white-space:nowrap}tr.ours{font-weight:650}
summary{cursor:pointer;color:var(--quiet);font-size:13px}
"""

FEW_REPEATS = 3
Cell = str
Rows = Sequence[Sequence[Cell]]


def page(suites: Sequence[SuiteResult]) -> str:
    """The whole file."""
    parts = [
        "<h1>collectorqueue: benchmark report</h1>",
        _run(suites),
        "<h2>How to read it</h2>",
        _HOW,
        "<h2>What each rival does</h2>",
        _features(),
    ]
    for section in SECTIONS:
        for suite in suites:
            if suite.command == section.suite.command:
                parts += _section(section, suite)
    parts += ["<h2>Where a rival wins, and why</h2>", *_wins(wins(suites))]
    parts += ["<h2>The figures to reach</h2>", _figures(suites)]
    parts += ["<h2>To repeat it</h2>", *_repeat(suites)]
    body = "\n".join(parts)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width,initial-scale=1">\n'
        "<title>collectorqueue: benchmark report</title>\n"
        f"<style>{STYLE}{LOOK}</style></head>\n<body>\n{body}\n</body></html>\n"
    )


_HOW = """<p>Each sample is a fresh process; the rows of a chart take turns, again
and again. A mark is the median of the samples, the whisker or the band reaches from
the smallest to the largest: where these overlap there is no difference. In charts of
rows ours are <b>bold and blue</b>. Compare what stands in one chart, as ratios; digits
belong to the machine. All ours run with everything on: bounds, results, metrics, the
ledger.</p>"""


def _run(suites: Sequence[SuiteResult]) -> str:
    """Machine, versions, commit; and why the numbers may be worth less."""
    if not suites:
        return "<p>Nothing was run.</p>"
    first = suites[0].run
    where = first["machine"]
    versions = {k: v for suite in suites for k, v in suite.run["versions"].items()}
    told = ", ".join(f"{name} {found}" for name, found in versions.items() if found)
    state = ", with changes" if first["changed"] else ""
    lines = [
        f"{where['cpu']}, {where['usable_cores']} of {where['cores']} cores, "
        f"{where['system']} {where['architecture']}; loop {first['loop']}",
        told,
        f"commit {first['commit']}{state}; begun {first['started']}",
    ]
    rows = "<br>".join(escape(line) for line in lines)
    doubts = "".join(f"<br>{escape(doubt)}" for doubt in _doubts(suites))
    note = f'<p class="note"><b>Indicative only.</b>{doubts}</p>' if doubts else ""
    return f'<p class="quiet">{rows}</p>{note}'


def _doubts(suites: Sequence[SuiteResult]) -> list[str]:
    busy, few, failed = [], [], []
    for suite in suites:
        run, name = suite.run, suite.command.removeprefix("python -m ")
        load, cores = run["load_average_before"], run["machine"]["usable_cores"]
        if load is not None and load[0] > cores / 2:
            busy.append(f"{name} (load average {load[0]:g} on {cores} cores)")
        if run["repeats"] < FEW_REPEATS:
            few.append(f"{name} ({run['repeats']})")
        entries = [entry for case in suite.cases for entry in case.entries]
        if any(entry.why.startswith("FAILED") for entry in entries):
            failed.append(name)
    found = []
    if len({suite.run["commit"] for suite in suites}) > 1:
        found.append("The suites were run at different commits.")
    for what, names in (
        ("The machine was busy when these began: ", busy),
        (f"Fewer than {FEW_REPEATS} repeats: ", few),
        ("With samples that failed: ", failed),
    ):
        if names:
            found.append(what + ", ".join(names) + ".")
    return found


def _features() -> str:
    rows = [(name, *vars(features).values()) for name, features in FEATURES.items()]
    return _table(
        ("", *COLUMNS), rows, ours=[row[0] == "collectorqueue" for row in rows]
    )


def _section(section: Section, suite: SuiteResult) -> list[str]:
    run = suite.run
    largest = f"{run['events']:,} events in {section.suite.sized_by}"
    parts = [
        f"<h2>{escape(section.title)}</h2>",
        f"<p>{escape(section.about)}</p>",
        f'<p class="quiet">{run["repeats"]} repeats; {escape(largest)}, '
        "the others in proportion.</p>",
    ]
    for case in suite.cases:
        parts += [
            f'<h3 id="{escape(case.name)}">{escape(case.name)}</h3>',
            chart_of(case),
        ]
        sweep = sweep_of(case)
        if sweep is not None and sweep.note:
            parts.append(f'<p class="quiet">{escape(sweep.note)}</p>')
        parts += [_numbers(case), _left_out(case)]
    return parts


def _numbers(case: CaseResult) -> str:
    rows = [
        (
            entry.label,
            *map(short, (entry.median or 0.0, entry.low, entry.high)),
            f"{entry.spread:.0%}",
            f"{entry.events:,}",
        )
        for entry in case.measured
    ]
    heads = (f"{case.unit}, {case.better}", "median", "min", "max", "spread", "events")
    ours = [entry.ours for entry in case.measured]
    table = _table(heads, rows, numbers=range(1, 6), ours=ours)
    return f"<details><summary>the numbers</summary>{table}</details>"


def _left_out(case: CaseResult) -> str:
    missing = [entry for entry in case.entries if entry.median is None]
    told = "; ".join(f"{entry.label} ({entry.why})" for entry in missing)
    return f'<p class="quiet">Not here: {escape(told)}.</p>' if told else ""


def _wins(found: Sequence[Win]) -> list[str]:
    if not found:
        return ["<p>Nowhere in what was run.</p>"]
    rows, before = [], ""
    for win in found:
        why = reason_for(win.rival, win.case.name)
        rows.append((win.case.name, win.name, _told(win), "" if why == before else why))
        before = why
    return [
        "<p>Every row of a rival whose median is better than that of some way of ours, "
        "found in the numbers above. A line of a chart is held against ours at each of "
        "its sizes. A reason is written once for the rows below it as well.</p>",
        _table(("case", "rival", "its median, and our best", "why"), rows),
    ]


def _told(win: Win) -> str:
    """In how many ways it is better, or by how much at most."""
    most = max(win.meetings, key=lambda each: each.ratio)
    theirs, ours = short(most.theirs.median or 0.0), short(most.ours.median or 0.0)
    told = f"{theirs} {win.case.unit}, ours {ours}"
    if most.ratio > 1:
        told += f": {most.ratio:.2f} times as good"
        told += ", but the samples overlap" if most.overlaps else ""
    else:
        told += (
            f": better than {most.beaten} of our {most.ways} ways, not than the best"
        )
    if win.sizes:
        told += f"; at {len(win.meetings)} of {win.sizes} sizes, here at its best"
    return told


def _figures(suites: Sequence[SuiteResult]) -> str:
    rows = [_verdict(figure) for suite in suites for figure in suite.figures]
    if not rows:
        return "<p>None were held against what was run.</p>"
    heads = ("case", "figure", "to reach", "median", "min", "max", "")
    return (
        "<p>They are meant for 5 repeats at full size, on CPython 3.13 and uvloop, as "
        "the suites run by themselves; on this page they are indicative.</p>"
        + _table(heads, rows, numbers=range(3, 6))
    )


def _verdict(figure: Json) -> tuple[str, ...]:
    against = f" / {figure['against']}" if figure["against"] else ""
    keys = ("median", "min", "max")
    unmeasured = figure["median"] is None
    numbers = ["" if unmeasured else short(figure[key]) for key in keys]
    holds = {True: "holds", False: "DOES NOT HOLD", None: "not measured"}
    name = f"{figure['entry']}{against}"
    return (figure["case"], name, figure["target"], *numbers, holds[figure["holds"]])


def _repeat(suites: Sequence[SuiteResult]) -> list[str]:
    lines = ['pip install -e ".[bench]"', "python -m benchmarks.page OUT", ""]
    for suite in suites:
        run = suite.run
        sizes = f"--events {run['events']} --repeats {run['repeats']}"
        lines.append(f"{suite.command} {sizes} --loop {run['loop']}")
    seconds = sum(suite.run.get("seconds", 0) for suite in suites)
    return [
        "<p>From the top of the repository, on a machine with nothing else to do. "
        f"This run took {seconds / 60:.0f} minutes.</p>",
        f"<pre>{escape(chr(10).join(lines))}</pre>",
    ]


def _table(
    heads: Sequence[str],
    rows: Rows,
    *,
    numbers: Iterable[int] = (),
    ours: Sequence[bool] = (),
) -> str:
    right = set(numbers)

    def cells(tag: str, row: Sequence[Cell]) -> str:
        kinds = [' class="number"' if at in right else "" for at in range(len(row))]
        return "".join(
            f"<{tag}{kind}>{escape(cell)}</{tag}>"
            for kind, cell in zip(kinds, row, strict=True)
        )

    marked = [' class="ours"' if mark else "" for mark in ours or [False] * len(rows)]
    lines = [
        f"<tr{mark}>{cells('td', row)}</tr>"
        for row, mark in zip(rows, marked, strict=True)
    ]
    body = "\n".join(lines)
    head = f"<tr>{cells('th', heads)}</tr>"
    return f'<div class="wide"><table>{head}\n{body}</table></div>'
