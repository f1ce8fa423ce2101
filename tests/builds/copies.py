"""A copy of the tree, built in place with switches of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.house.checkout import ROOT, known_files

__all__ = ["built_copy", "run_pytest"]


def built_copy(folder: Path, switches: dict[str, str]) -> Path:
    """What git knows of the tree, compiled in place for this Python."""
    copy = folder / "main"
    files = known_files()
    if files is None:
        raise SystemExit(f"{ROOT} is not a git checkout")
    for file in files:
        place = copy / file.relative_to(ROOT)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(file, place)
    if (ROOT.parent / "shared").is_dir():
        (folder / "shared").symlink_to(ROOT.parent / "shared")
    subprocess.run(
        [sys.executable, "setup.py", "-q", "build_ext", "--inplace"],
        cwd=copy, check=True, env=os.environ | switches,
        stdout=subprocess.DEVNULL,
    )  # fmt: skip
    return copy


def run_pytest(
    copy: Path, arguments: list[str], before: list[str], variables: dict[str, str]
) -> int:
    """Run the copy's tests with the copy's package; returns pytest's exit code."""
    return subprocess.run(
        [sys.executable, *before, "-m", "pytest", "-q", *arguments],
        cwd=copy,
        env=os.environ | {"PYTHONPATH": str(copy / "src")} | variables,
    ).returncode
