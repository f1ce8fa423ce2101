"""Where the house stands: its files, its modules, and a clean way to run its Python."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src"
CEXT = ROOT / "cext"
PACKAGE = SOURCE / "collectorqueue"
NATIVE = CEXT / "collectorqueue" / "_native"


def python_files() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def cython_files() -> list[Path]:
    return sorted([*CEXT.rglob("*.pyx"), *CEXT.rglob("*.pxd")])


def known_files() -> list[Path] | None:
    """What git knows of the tree, or would take; None: it is no checkout."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode:
        return None
    files = (ROOT / line for line in listed.stdout.splitlines())
    return [file for file in files if file.is_file()]


def module_name(file: Path) -> str:
    """`collectorqueue.flow.pool` for its file; a .pyx and its .pxd have one name."""
    base = CEXT if file.is_relative_to(CEXT) else SOURCE
    parts = file.relative_to(base).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def has_test(test: str) -> bool:
    """Whether `tests/FILE::NAME` is there: a test that a table or a patch names."""
    name, _, function = test.partition("::")
    file = ROOT / name
    if not function.startswith("test_") or not file.is_file():
        return False
    tree = ast.parse(file.read_text(encoding="utf-8"))
    return any(
        isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name == function
        for node in tree.body
    )


def run_python(
    *arguments: str, cwd: Path = ROOT, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Runs this interpreter apart from the test run; the caller looks at the result."""
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
