"""What the guides show runs as it is, and warns of nothing."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.house.checkout import ROOT

PROGRAM = re.compile(r"```python\n(.*?)```", re.DOTALL)


def programs() -> list[tuple[str, str]]:
    """The whole programs among what is shown: those that run something themselves."""
    return [
        (page.name, found)
        for page in sorted((ROOT / "docs").glob("*.md"))
        for found in PROGRAM.findall(page.read_text(encoding="utf-8"))
        if "collectorqueue.run(" in found
    ]


@pytest.mark.parametrize(("page", "program"), programs())
def test_a_program_of_a_guide_runs(page: str, program: str, tmp_path: Path) -> None:
    file = tmp_path / "example.py"
    file.write_text(program, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", str(file)],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "Warning" not in done.stderr
