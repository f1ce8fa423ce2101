"""Lines for `pipe`, in short; `python -m tests.fuzz lines` is the long one."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collectorqueue.cli.pipe.records import MalformedLine, decode
from tests.fuzz.lines import HOSTILE, LineFuzzer, Text, is_what_json_reads
from tests.fuzz.rounds import play, unlogged
from tests.fuzz.test_payloads import VALUES

FIXED = settings(derandomize=True, database=None, deadline=None, max_examples=80)


@given(
    st.binary(max_size=60) | st.binary(max_size=30).map(lambda end: b'{"value":' + end)
)
@FIXED
def test_any_line_is_refused_or_has_its_value(line: bytes) -> None:
    try:
        value = decode(line).value
    except MalformedLine:
        return
    is_what_json_reads(line, value)


@pytest.mark.slow
@given(VALUES)
@FIXED
def test_a_line_keeps_its_value(value: object) -> None:
    try:
        line = json.dumps({"value": value}, allow_nan=False).encode()
    except ValueError:
        return  # JSON has no such number
    assert repr(decode(line).value) == repr(json.loads(line)["value"])


@pytest.mark.slow
@pytest.mark.parametrize("ordered", [False, True])
def test_hostile_lines_beside_good_ones(ordered: bool) -> None:
    lines = [each + b'\n{"value":1}\n' for each in HOSTILE]
    with unlogged():
        LineFuzzer().check(Text(lines, ordered))


@pytest.mark.slow
def test_mutated_lines() -> None:
    tally = play(LineFuzzer(), seed=1, rounds=range(60))
    assert tally.refused > 30 and tally.equal > 1
