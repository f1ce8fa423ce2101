"""The page is made of what the suites write: numbers, charts, and where we lose."""

from __future__ import annotations

import json
import re
import sys
import xml.etree.ElementTree as ElementTree
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from benchmarks.drawing.axis import Axis, short
from benchmarks.drawing.svg import standalone
from benchmarks.page import __main__ as command
from benchmarks.page.html import page
from benchmarks.page.reasons import UNEXPLAINED, reason_for
from benchmarks.page.results import read
from benchmarks.page.wins import wins

RUN: dict[str, Any] = {
    "started": "2026-01-01T00:00:00+00:00",
    "loop": "uvloop",
    "repeats": 3,
    "events": 1000,
    "machine": {
        "cpu": "a processor <fast>",
        "cores": 4,
        "usable_cores": 4,
        "system": "Linux",
        "architecture": "x86_64",
    },
    "versions": {"python": "CPython 3.13.0", "blinker": "1.9"},
    "commit": "0123456789abcdef",
    "changed": False,
    "load_average_before": [0.1, 0.1, 0.1],
    "load_average_after": [0.1, 0.1, 0.1],
    "seconds": 120,
}
OURS = "collectorqueue"
VOID = {"meta"}


def entry(label: str, rival: str, *samples: float, **more: Any) -> dict[str, Any]:
    found: dict[str, Any] = {"label": label, "rival": rival, "events": 1000} | more
    if samples:
        ordered = sorted(samples)
        middle = ordered[len(ordered) // 2]
        low, high = ordered[0], ordered[-1]
        found |= {"median": middle, "min": low, "max": high}
        found |= {"spread": (high - low) / middle}
    return found


def case(name: str, unit: str, more: bool, *entries: Any) -> dict[str, Any]:
    return {
        "name": name,
        "title": f"the case {name}",
        "unit": unit,
        "more_is_better": more,
        "entries": list(entries),
    }


QUEUE = case(
    "round-trip",
    "us/event",
    False,
    entry("collectorqueue send", OURS, 2.0, 2.1, 2.2),
    entry("collectorqueue request", OURS, 3.0, 3.1, 3.2),
    entry("blinker send_async", "blinker", 0.9, 1.0, 1.1),
    entry("create_task", "create_task", 2.4, 2.5, 2.6),
    entry("event-collector send", "event-collector", 9.0, 9.5, 9.9),
    entry("pyee emit", "pyee", lacks="emit gives nothing back"),
    entry("taskiq create_task", "taskiq", errors=["it broke"], samples=[None]),
)
GROWTH = case(
    "collectors",
    "us/event",
    False,
    entry("collectorqueue, 1", OURS, 1.0, 1.1, 1.2),
    entry("collectorqueue, 10", OURS, 1.0, 1.1, 1.2),
    entry("blinker, 1", "blinker", 0.5, 0.6, 0.7),
    entry("blinker, 10", "blinker", 5.0, 6.0, 7.0),
)
FIGURE = {
    "case": "round-trip",
    "entry": "collectorqueue send",
    "against": "event-collector send",
    "target": "<= 0.3",
    "median": 0.22,
    "min": 0.2,
    "max": 0.24,
    "repeats": 3,
    "holds": True,
}


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """Of two suites."""
    queue, growth = tmp_path / "queue.json", tmp_path / "growth.json"
    one = {"command": "python -m benchmarks", "cases": [QUEUE], "figures": [FIGURE]}
    other = {"command": "python -m benchmarks.growth", "cases": [GROWTH], "figures": []}
    queue.write_text(json.dumps(RUN | one))
    growth.write_text(json.dumps(RUN | other))
    return [queue, growth]


class Nesting(HTMLParser):
    """Raises where an end does not fit its beginning."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        if tag not in VOID and tag != "br":
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: Any) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_command_makes_one_page_that_needs_nothing_else(
    files: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "out"
    names = [str(each) for each in files]
    monkeypatch.setattr(sys, "argv", ["page", str(target), "--from", *names])
    assert command.main() == 0
    text = (target / "index.html").read_text()
    nesting = Nesting()
    nesting.feed(text)
    nesting.close()
    assert not nesting.open
    addresses = re.findall(r'(?:src|href)="|url\(|@import|<script', text)
    assert not addresses
    assert set(re.findall(r"https?://[^\s\"]+", text)) == {"http://www.w3.org/2000/svg"}


def test_every_number_and_what_is_left_out_stands_on_it(files: list[Path]) -> None:
    text = page(read(files))
    for words in (
        "a processor &lt;fast&gt;",
        "0123456789abcdef",
        "blinker 1.9",
        "blinker send_async",
        "pyee emit (emit gives nothing back)",
        "taskiq create_task (FAILED: it broke)",
        "With samples that failed: benchmarks.",
        "python -m benchmarks --events 1000 --repeats 3 --loop uvloop",
        "collectorqueue send / event-collector send",
        "9.500",
    ):
        assert words in text, words


def test_its_charts_are_drawings_of_their_own(files: list[Path]) -> None:
    drawings = re.findall(r"<svg.*?</svg>", page(read(files)), re.DOTALL)
    assert len(drawings) == 2
    for each in drawings:
        ElementTree.fromstring(each)
        ElementTree.fromstring(standalone(each))
        numbers = [float(x) for x in re.findall(r' (?:x|cx)="([-\d.]+)"', each)]
        assert all(0 <= number <= 900 for number in numbers)


def test_a_rival_wins_where_its_median_is_better_than_one_of_ours(
    files: list[Path],
) -> None:
    found = wins(read(files))
    told = [
        (win.case.name, win.name, len(win.meetings), win.meetings[0].beaten)
        for win in found
    ]
    assert told == [
        ("round-trip", "blinker send_async", 1, 2),
        ("round-trip", "create_task", 1, 1),
        ("collectors", "blinker", 1, 1),
    ]
    blinker, task, _ = found
    assert blinker.meetings[0].ratio == pytest.approx(2.1)
    assert not blinker.meetings[0].overlaps
    assert task.meetings[0].ratio == pytest.approx(2.1 / 2.5)


def test_a_reason_is_the_one_for_the_case_if_there_is_one() -> None:
    assert reason_for("blinker", "fan-out") != reason_for("blinker", "round-trip")
    assert reason_for("event-collector", "burst") == UNEXPLAINED


def test_a_doubtful_run_is_called_so(files: list[Path]) -> None:
    busy = json.loads(files[0].read_text())
    busy |= {"load_average_before": [7.5, 7.5, 7.5], "repeats": 1}
    files[0].write_text(json.dumps(busy))
    text = page(read(files))
    assert "busy when these began: benchmarks (load average 7.5 on 4 cores)" in text
    assert "Fewer than 3 repeats: benchmarks (1)" in text


def test_a_file_that_no_suite_wrote_is_refused(tmp_path: Path) -> None:
    other = tmp_path / "other.json"
    other.write_text("{}")
    with pytest.raises(ValueError, match="is not a file that a suite wrote"):
        read([other])


@pytest.mark.parametrize(
    ("values", "log", "written"),
    [
        ([1, 100_000], True, ["1", "10", "100", "1000", "10k", "100k"]),
        ([2, 60], True, ["2", "5", "10", "20", "50"]),
        ([3, 7], True, ["3", "4", "5", "6"]),
        ([0, 900], False, ["0", "200", "400", "600", "800"]),
    ],
)
def test_an_axis_has_round_values_along_it(
    values: list[float], log: bool, written: list[str]
) -> None:
    axis = Axis(values, 0, 100, log=log)
    assert [short(each) for each in axis.ticks] == written
    assert all(-1e-9 <= axis.at(each) <= 100 + 1e-9 for each in axis.ticks)


@pytest.mark.parametrize(
    ("value", "words"),
    [(0, "0"), (0.000364, "0.000364"), (0.3, "0.3"), (22.04, "22"), (250, "250"),
     (1296, "1296"), (36_000, "36k"), (2_500_000, "2.5M")],
)  # fmt: skip
def test_a_value_is_short(value: float, words: str) -> None:
    assert short(value) == words
