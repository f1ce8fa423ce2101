"""The soak, in short: it runs, its sum closes, it can fail and says so."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from typing import Any

import pytest

from benchmarks.soak import residue
from benchmarks.soak.__main__ import main
from benchmarks.soak.book import Book
from benchmarks.soak.command import conclude
from benchmarks.soak.residue import slope
from benchmarks.soak.soaking import watched
from collectorqueue import CollectorQueue, Ledger
from tests.support import both_loops, virtual

SHORT = ["--minutes", "0.03"]


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.mark.slow
@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
def test_a_short_soak_holds(loop: str, tmp_path: Path) -> None:
    out = tmp_path / "soak.jsonl"
    assert main([*SHORT, "--seed", "7", "--loop", loop, "--json", str(out)]) == 0
    setting, *done, verdict = lines(out)
    assert setting["setting"]["seed"] == verdict["seed"] == 7
    assert verdict["verdict"] == "holds"
    assert verdict["closes"]
    assert verdict["ledger"]["accepted"] > 0
    runs = [each for each in done if "run" in each]
    assert len(runs) == verdict["ledger"]["starts"]
    faults = [each for each in done if "fault" in each]
    assert faults
    assert len(faults) == sum(verdict["faults"].values())


@pytest.mark.slow
def test_a_soak_that_fails_says_what_and_how_to_repeat_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def forgetful(book: Book, key: str, number: int) -> None:
        book.begins += [(key, number)] * 4  # as if it had begun so often

    monkeypatch.setattr(Book, "note_begin", forgetful)
    assert main([*SHORT, "--seed", "11"]) == 1
    written = capsys.readouterr().out
    assert "began too often" in written
    assert "repeat with: python -m benchmarks.soak --minutes 0.03 --seed 11" in written
    assert '"verdict": "failed"' in written


def test_a_seed_that_was_not_given_is_told(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert conclude("kills", ["--count", "3"], 42, ["one is lost"]) == 1
    assert capsys.readouterr().out == (
        "FAILED: one is lost\n"
        "repeat with: python -m benchmarks.soak kills --count 3 --seed 42\n"
    )
    assert conclude("kills", [], 42, []) == 0


@both_loops
async def test_what_is_left_over_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(residue, "PATIENCE_S", 0.0)
    baseline = residue.Residue()
    assert await baseline.beyond() == []
    task = asyncio.create_task(asyncio.sleep(10), name="forgotten")
    with open(os.devnull):
        tasks, files = await baseline.beyond()
    assert tasks.startswith("left over tasks: ")
    assert "forgotten" in tasks
    assert files.startswith("left over files: ")
    assert os.devnull in files
    task.cancel()


@virtual
async def test_a_sum_that_does_not_close_is_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with CollectorQueue() as queue:
        assert await watched(queue, 0.01) == []
        wrong = Ledger(accepted=3, ok=2)
        monkeypatch.setattr(CollectorQueue, "ledger", wrong)
        assert await watched(queue, 0.01) == [f"the sum did not close: {wrong}"]
        monkeypatch.undo()


def test_the_slope_of_memory_is_bytes_a_second() -> None:
    assert slope([(0.0, 100), (1.0, 110), (2.0, 120)]) == pytest.approx(10.0)
    assert slope([(0.0, 100), (1.0, 100)]) == 0.0
    assert slope([]) == slope([(0.0, 1)]) == 0.0
