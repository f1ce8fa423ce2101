"""A copy of the package of this tree, as committed, compiled for being counted."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from benchmarks.harness.machine import ROOT

__all__ = ["built"]

# Functions keep their names, and are as they are written: a profile moves them about.
SETTINGS = {"CQ_SYMBOLS": "1", "CQ_PGO": "0"}


def built(folder: Path, flags: str = "", commit: str = "HEAD") -> Path:
    """Where the package has been put that this commit makes with these flags of C."""
    folder.mkdir()
    source = folder / "source"
    subprocess.run(["git", "clone", "-q", str(ROOT), str(source)], check=True)
    subprocess.run(["git", "checkout", "-q", commit], cwd=source, check=True)
    target = folder / "target"
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target",
         str(target), str(source)],
        check=True, env=os.environ | SETTINGS | {"CFLAGS": flags},
    )  # fmt: skip
    return target
