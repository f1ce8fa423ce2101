"""What a program writes with the public names type-checks; what is wrong does not."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

import collectorqueue
from collectorqueue import errors
from tests.house.checkout import run_python

API = Path(__file__).with_name("api.py")


@pytest.mark.parametrize("module", [collectorqueue, errors], ids=lambda m: m.__name__)
def test_every_public_name_is_used(module: object) -> None:
    tree = ast.parse(API.read_text())
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    assert set(getattr(module, "__all__")) - used == set()  # noqa: B009


@pytest.mark.slow
def test_a_program_that_uses_them_passes_mypy_strict() -> None:
    pytest.importorskip("mypy")
    checked = run_python("-m", "mypy", "--strict", str(API))
    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.slow
def test_pyright_agrees() -> None:
    pytest.importorskip("pyright", reason="pyright is not installed")
    checked = run_python("-m", "pyright", "--pythonpath", sys.executable, str(API))
    assert checked.returncode == 0, checked.stdout + checked.stderr
