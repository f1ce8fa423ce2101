"""Importing the package is cheap, quiet and complete."""

from __future__ import annotations

import json
import sys
from typing import Any

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


# Each in a child of one interpreter that has imported the package, as Python does before
# any module of it.
EACH_ALONE = """
import json, os, sys, tempfile, traceback
sys.modules.update(dict.fromkeys({extras!r}))
import collectorqueue
found = {{}}
for module in {modules!r}:
    with tempfile.TemporaryFile() as said:
        child = os.fork()
        if not child:
            os.dup2(said.fileno(), 1)
            os.dup2(said.fileno(), 2)
            code = 1
            try:
                __import__(module)
                code = 0
            except BaseException:
                traceback.print_exc()
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
        _, status = os.waitpid(child, 0)
        said.seek(0)
        found[module] = status, said.read().decode()
print(json.dumps(found))
"""
# Importing a __main__ runs the program.
MODULES = [name for name in map(module_name, python_files()) if "__main__" not in name]


@pytest.fixture(scope="module")
def imported() -> dict[str, list[Any]]:
    """What became of each module, imported alone and without extras: status, output."""
    program = EACH_ALONE.format(extras=EXTRAS, modules=MODULES)
    answer = run_python("-W", "error", "-c", program)
    assert answer.returncode == 0, answer.stderr
    found: dict[str, list[Any]] = json.loads(answer.stdout)
    return found


@pytest.mark.parametrize("module", MODULES)
def test_a_module_imports_alone_silently_and_without_extras(
    module: str, imported: dict[str, list[Any]]
) -> None:
    assert imported[module] == [0, ""]


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


def test_all_errors_are_named_as_public() -> None:
    from collectorqueue import errors

    there = {
        name
        for name, each in vars(errors).items()
        if isinstance(each, type) and issubclass(each, BaseException)
    }
    assert set(errors.__all__) == there
