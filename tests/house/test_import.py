"""Importing the package is cheap, quiet and complete."""

from __future__ import annotations

import json
import sys

import pytest

import collectorqueue
from tests.house.checkout import module_name, python_files, run_python

# Cython's own names for what its modules share.
CYTHON = ("_cython_", "cython_runtime")
EXTRAS = ("rich", "winloop", "pytest", "hypothesis", "anyio", "event_collector")


def loaded(statement: str) -> set[str]:
    """The top-level packages in a fresh interpreter's `sys.modules` after this."""
    answer = run_python(
        "-c", f"{statement}\nimport json, sys\nprint(json.dumps(list(sys.modules)))"
    )
    assert answer.returncode == 0, answer.stderr
    return {name.partition(".")[0] for name in json.loads(answer.stdout)}


def test_the_base_import_pulls_in_msgspec_and_nothing_else() -> None:
    """No extra, and no loop but asyncio's: uvloop comes when something runs."""
    came = loaded("import collectorqueue") - loaded("import msgspec")
    foreign = {
        name for name in came - sys.stdlib_module_names if not name.startswith(CYTHON)
    }
    assert foreign == {"collectorqueue"}


@pytest.mark.slow
@pytest.mark.parametrize("module", [module_name(file) for file in python_files()])
def test_a_module_imports_alone_silently_and_without_extras(module: str) -> None:
    if module.endswith("__main__"):
        pytest.skip("importing it runs the program")
    absent = dict.fromkeys(EXTRAS)
    answer = run_python(
        *("-W", "error", "-c"),
        f"import sys; sys.modules.update({absent!r}); import {module}",
    )
    assert (answer.returncode, answer.stdout, answer.stderr) == (0, "", "")


def test_every_public_name_is_there() -> None:
    missing = [n for n in collectorqueue.__all__ if not hasattr(collectorqueue, n)]
    assert not missing
    assert len(set(collectorqueue.__all__)) == len(collectorqueue.__all__)


def test_public_names_know_where_they_are_imported_from() -> None:
    """`pickle`, Sphinx and tracebacks find a class by its `__module__`."""
    for name in collectorqueue.__all__:
        public = getattr(collectorqueue, name)
        if isinstance(public, type):
            module = sys.modules[public.__module__]
            assert getattr(module, public.__qualname__) is public
