"""A copy of the tree in which faults are tried, and nothing else is touched.

Rules of residence: copying, building, running tests, putting back. What a run of tests
says about a mutant is decided by the command.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import msgspec

from tests.mutants.patch import Patch

__all__ = ["DoesNotBuild", "Run", "Scratch"]

# What is not copied: history, caches, and what only the linker reads.
LEFT_OUT = (
    ".git", ".venv*", "__pycache__", "*.pyc", ".*_cache", ".hypothesis", "temp.*", "dist",
)  # fmt: skip
# What a mutant changes: by its patch, by translating it, by compiling that.
CHANGED = ("cext", "src", "build")
FAILED = re.compile(r"^(?:FAILED|ERROR) (\S+?)(?:\[.*)?(?: - .*)?$", re.MULTILINE)


class DoesNotBuild(Exception):
    """A mutant that no compiler takes is none."""


class Run(msgspec.Struct, frozen=True):
    """How one run of tests ended."""

    code: int | None
    """pytest's exit code; negative: the signal that it died of; None: it took too long."""
    failed: str
    """The first test that failed; "" if none did."""
    output: str
    seconds: float


class Scratch:
    """One copy of a tree, as it was made or with one fault in it."""

    def __init__(self, root: Path, folder: Path) -> None:
        self.tree = folder / "tree"
        self._clean = folder / "clean"
        shutil.copytree(root, self.tree, ignore=shutil.ignore_patterns(*LEFT_OUT))
        self.build()
        for part in CHANGED:
            shutil.copytree(self.tree / part, self._clean / part)

    def build(self) -> None:
        """Compile what has changed. Raises DoesNotBuild."""
        done = subprocess.run(
            [sys.executable, "setup.py", "-q", "build_ext", "--inplace"],
            cwd=self.tree, capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            raise DoesNotBuild(f"{done.stdout}\n{done.stderr}"[-2000:])

    def put_in(self, patch: Patch) -> None:
        """Have this fault. Raises DoesNotFit, DoesNotBuild."""
        for file, text in patch.faulty_files(self.tree).items():
            file.write_text(text, encoding="utf-8")
        if patch.is_compiled:
            self.build()

    def put_back(self) -> None:
        """Be as it was: files come back with their times, so that nothing is built again."""
        for part in CHANGED:
            for clean in (self._clean / part).rglob("*"):
                file = self.tree / clean.relative_to(self._clean)
                if clean.is_file() and stamp(file) != stamp(clean):
                    shutil.copy2(clean, file)

    def test(self, *arguments: str, seconds: float) -> Run:
        """Run pytest there until the first failure, or for so long."""
        begun = time.monotonic()
        with subprocess.Popen(
            [
                sys.executable, "-m", "pytest", "-x", "-q", "-rfE", "--tb=short",
                "-p", "no:cacheprovider", *arguments,
            ],
            cwd=self.tree,
            env={
                **os.environ,
                "PYTHONPATH": str(self.tree / "src"),
                "PYTHONDONTWRITEBYTECODE": "1",
            },
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
        ) as process:  # fmt: skip
            try:
                output, _ = process.communicate(timeout=seconds)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                output, _ = process.communicate()
                return Run(None, "", output, time.monotonic() - begun)
        failed = FAILED.search(output)
        return Run(
            process.returncode,
            failed[1] if failed else "",
            output,
            time.monotonic() - begun,
        )


def stamp(file: Path) -> tuple[int, int] | None:
    """What tells that a file was written since; None: it is not there."""
    if not file.exists():
        return None
    status = file.stat()
    return status.st_mtime_ns, status.st_size
