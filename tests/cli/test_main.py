"""The command line: what is refused, and what the shell gets."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from collectorqueue.cli import main
from collectorqueue.errors import WorkersFailed


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ([], "the following arguments are required: COMMAND"),
        (["demo", "--seconds", "0"], "above 0 and finite, got '0'"),
        (["demo", "--seconds", "nan"], "above 0 and finite, got 'nan'"),
        (["demo", "--seconds", "inf"], "above 0 and finite, got 'inf'"),
        (["demo", "--max-files", "x"], "above 0 and finite, got 'x'"),
        (["demo", "--max-files", "-1"], "above 0 and finite, got '-1'"),
        (["pipe"], "the following arguments are required: module:queue"),
    ],
)
def test_what_cannot_be_asked_is_refused_with_exit_code_2(
    arguments: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert complaint in capsys.readouterr().err


def test_help_tells_what_the_lines_of_pipe_look_like(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit):
        main(["pipe", "--help"])
    assert '{"value": ..., "topics": "order.paid"}' in capsys.readouterr().out


@pytest.mark.slow
def test_the_commands_need_no_extra() -> None:
    """rich is imported on a terminal only."""
    code = (
        "import sys; sys.modules['rich'] = None; "
        "from collectorqueue.cli import main; main(['demo', '--find', ''])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stderr == (
        "collectorqueue demo: --find needs a text to look for, got ''\n"
    )


@pytest.mark.parametrize(
    "arguments", [["demo", "x" * 300], ["demo", "--find", "x", "--out", "x" * 300]]
)
def test_a_name_that_no_file_can_have_is_refused(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    assert "File name too long" in capsys.readouterr().err


def test_an_index_that_cannot_be_made_is_refused(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "one.py").touch()
    assert main(["demo", str(tmp_path), "--out", "/proc/index.sqlite"]) == 2
    assert "--out cannot be made, got '/proc/index.sqlite'" in capsys.readouterr().err


def test_the_demo_needs_an_output(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    assert main(["demo"]) == 2
    assert "standard output must be open" in capsys.readouterr().err


def test_workers_that_cannot_start_are_told_in_a_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(*_: object) -> None:
        raise WorkersFailed("a worker could not start: no file can be opened any more")

    monkeypatch.setattr("collectorqueue.cli.demo.run", fails)
    assert main(["demo"]) == 2
    told = "collectorqueue demo: a worker could not start: no file can be opened any more\n"
    assert capsys.readouterr().err == told
