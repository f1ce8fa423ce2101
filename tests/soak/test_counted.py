"""The counted proofs, in short: each holds, and each can fail and says so."""

from __future__ import annotations

import json
from typing import Any

import pytest

from benchmarks.soak import exits, kills, ledger, waiters
from benchmarks.soak.__main__ import main
from collectorqueue import Ledger

SMALL = {
    "ledger": ["ledger", "--events", "20000", "--seed", "7"],
    "exits": ["exits", "--count", "8", "--seed", "7"],
    "kills": ["kills", "--count", "12", "--seed", "7"],
    "waiters": ["waiters", "--count", "3000", "--cancels", "500", "--repeats", "1"],
}


def printed(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    """The lines that were written, but for the setting."""
    _, *lines = capsys.readouterr().out.splitlines()
    return [json.loads(line) for line in lines]


@pytest.fixture
def any_stall(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that runs tests has other things to do, too."""
    monkeypatch.setattr(waiters, "STALL_S", 5.0)
    monkeypatch.setattr(exits, "LATE_S", 5.0)


@pytest.mark.slow
@pytest.mark.usefixtures("any_stall")
@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
@pytest.mark.parametrize("command", SMALL)
def test_it_holds(command: str, loop: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*SMALL[command], "--loop", loop]) == 0
    found = printed(capsys)
    match command:
        case "ledger":
            ends = ("ok", "failed", "unrouted", "dropped", "aborted")
            (line,) = found
            assert line["accepted"] == sum(line[end] for end in ends) >= 20_000
        case "exits":
            kinds = ["fifo", "lifo", "priority"]
            assert [line["queue_type"] for line in found] == kinds
            assert all(line["exits"] == 8 and line["events"] for line in found)
        case "kills":
            (line,) = found
            assert line["kills"] == 12
            assert line["ok"] + line["lost_with_their_worker"] == line["events"]
        case "waiters":
            assert [line["waiters"] for line in found] == [3000, 3000, 500]


def assert_fails(
    command: str, with_text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    words = " ".join(SMALL[command])
    if "--seed" not in words:
        words += " --seed 5"
    assert main(words.split()) == 1
    written = capsys.readouterr().out
    assert with_text in written
    assert f"repeat with: python -m benchmarks.soak {words}\n" in written


@pytest.mark.slow
def test_a_ledger_that_is_not_exact_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(ledger.Target, "counted", lambda self: Ledger(accepted=1, ok=1))
    assert_fails("ledger", "counted were Ledger(accepted=1, ok=1", capsys)


@pytest.mark.slow
def test_an_event_that_the_ledger_command_sees_begin_twice_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(ledger.MOST, "inline", 0)
    assert_fails("ledger", "of 'inline' began 1 times", capsys)


@pytest.mark.slow
def test_a_close_that_is_late_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(exits, "LATE_S", -100.0)
    assert_fails("exits", "s after its deadline, ", capsys)


@pytest.mark.slow
def test_a_run_in_a_worker_that_was_doubled_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    begun = kills.begun_in_workers
    monkeypatch.setattr(kills, "begun_in_workers", lambda notes: begun(notes) * 5)
    assert_fails("kills", "began too often", capsys)


@pytest.mark.slow
def test_waiters_that_are_woken_too_late_are_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(waiters, "STALL_S", 0.0)
    assert_fails("waiters", "one event: stall_s", capsys)


def test_figures_are_judged_beside_what_bare_futures_take() -> None:
    bounds = {"seconds": 1.0, "stall_s": 0.05}
    floor = {"seconds": 0.3, "stall_s": 0.3}
    assert waiters.exceeded({"seconds": 0.9, "stall_s": 0.04}, floor, bounds) == []
    assert waiters.exceeded({"seconds": 1.1, "stall_s": 0.06}, floor, bounds) == [
        "seconds 1.100 is more than 1.000",
        "stall_s 0.060 is more than 0.050",
    ]
    slow = {"seconds": 0.8, "stall_s": 0.3}
    assert waiters.exceeded({"seconds": 1.5, "stall_s": 0.0}, slow, bounds) == []
    assert waiters.exceeded({"seconds": 1.7, "stall_s": 0.0}, slow, bounds) == [
        "seconds 1.700 is more than 1.600"
    ]
