"""The linter finds nothing; what it cannot read is at least no wider."""

from __future__ import annotations

import subprocess
import sys
import tomllib

from tests.house.checkout import ROOT, cython_files


def test_the_linter_finds_nothing() -> None:
    found = subprocess.run(
        [sys.executable, "-m", "ruff", "check", "--no-cache", "--output-format=concise", "."],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, found.stdout + found.stderr


def test_cython_is_no_wider_than_python() -> None:
    with open(ROOT / "pyproject.toml", "rb") as file:
        width = tomllib.load(file)["tool"]["ruff"]["line-length"]
    wide = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in cython_files()
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if len(line) > width
    ]
    assert not wide
