"""The examples in the README and in the guides run as they stand there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.house.checkout import ROOT

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
PROGRAM = re.compile(r"^```python\n(?P<text>.*?^collectorqueue\.run\(.*?)^```", re.M | re.S)
SAID = re.compile(r"\s*It prints `(?P<said>[^`]+)`\.")
REMARK = re.compile(r"print\(.*\) +# (?P<said>\S.*)$", re.M)


def programs(page: Path) -> list[tuple[str, str | None]]:
    """Those blocks that are whole programs, and what the text says that they print."""
    text = page.read_text(encoding="utf-8")
    found = []
    for match in PROGRAM.finditer(text):
        said = SAID.match(text, match.end())
        found.append((match["text"].rpartition("```python\n")[2], said and said["said"]))
    return found


CASES = [
    pytest.param(text, said, id=f"{page.stem}-{at}")
    for page in PAGES
    for at, (text, said) in enumerate(programs(page))
]


def test_there_are_such() -> None:
    assert len(CASES) > 10


@pytest.mark.parametrize(("text", "said"), CASES)
def test_it_runs_and_prints_what_it_says(text: str, said: str | None, tmp_path: Path) -> None:
    program = tmp_path / "example.py"
    program.write_text(text, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", program],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=tmp_path,
        env=os.environ | {"PYTHONASYNCIODEBUG": "0"},
    )
    assert done.returncode == 0, done.stderr
    if said is not None:
        assert done.stdout.strip() == said
    for remark in REMARK.finditer(text):
        assert remark["said"] in done.stdout
