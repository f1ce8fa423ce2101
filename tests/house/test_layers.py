"""Imports go down only.

    cli, testing -> the package's own names -> queue -> flow | admin -> workers
        -> _native -> checks -> errors

Rooms on one line do not see each other; what must cross is handed in by `queue`.
"""

from __future__ import annotations

import sys
from graphlib import CycleError, TopologicalSorter

import pytest

from tests.house.checkout import (
    NATIVE,
    cython_files,
    module_name,
    python_files,
)
from tests.house.imports import import_graph, imports_of

LINES = [
    {"__main__"},
    {"cli", "testing"},
    {"collectorqueue"},
    {"queue"},
    {"flow", "admin"},
    {"workers"},
    {"_native"},
    {"checks"},
    {"errors", "quiet"},
]
# `queue` is one room in several files: what assembles the queue, and what runs it.
PARTS_OF_QUEUE = {
    "options", "registry", "running", "run", "signals", "standing", "workforce",
}  # fmt: skip

# What may be fetched when first needed, and why not sooner.
LATE = {
    "rich": "the cli extra",
    "uvloop": "not on every platform",
    "winloop": "the windows extra",
    "importlib.metadata": "an uninstalled tree has none",
}

FILES = [*python_files(), *cython_files()]


def room_of(module: str) -> str:
    inside = module.split(".")[1:]
    if not inside:
        return "collectorqueue"
    return "queue" if inside[0] in PARTS_OF_QUEUE else inside[0]


def line_of(room: str) -> int:
    return next(at for at, rooms in enumerate(LINES) if room in rooms)


def test_every_module_has_a_room_with_a_place() -> None:
    known = set().union(*LINES)
    rooms = {room_of(module_name(file)) for file in FILES}
    assert rooms <= known, f"name these in LINES: {sorted(rooms - known)}"


def test_imports_go_down_only() -> None:
    graph = import_graph(FILES)
    upward = [
        f"{module} imports {target}"
        for module, targets in sorted(graph.items())
        for target in sorted(targets)
        if room_of(module) != room_of(target)
        and line_of(room_of(module)) >= line_of(room_of(target))
    ]
    assert not upward, "\n".join(upward)


def test_no_import_goes_in_a_circle() -> None:
    try:
        TopologicalSorter(import_graph(FILES)).prepare()
    except CycleError as error:
        pytest.fail(" <- ".join(error.args[1]))


def test_errors_stands_on_the_standard_library_alone() -> None:
    assert import_graph(FILES)["collectorqueue.errors"] == set()


def test_imports_stand_at_the_top_of_the_file() -> None:
    late = [
        f"{file.name}:{each.line}: {each.imported}"
        for file in FILES
        for each in imports_of(file)
        if each.in_function and each.imported not in LATE
        if each.imported.split(".")[0] not in LATE
    ]
    assert not late, "\n".join(late)


def test_imports_name_their_module_in_full() -> None:
    relative = [
        f"{file.name}:{each.line}: {each.imported}"
        for file in FILES
        for each in imports_of(file)
        if each.imported.startswith(".")
    ]
    assert not relative, "\n".join(relative)


def test_the_hot_path_uses_nothing_but_itself_and_the_standard_library() -> None:
    ours = {"collectorqueue", "cython", "cpython", "libc"}
    foreign = [
        f"{file.name}:{each.line}: {each.imported}"
        for file in sorted(NATIVE.iterdir())
        if file.suffix in {".pyx", ".pxd"}
        for each in imports_of(file)
        if each.imported.split(".")[0] not in ours | sys.stdlib_module_names
    ]
    assert not foreign, "\n".join(foreign)


def test_the_hot_path_does_not_log() -> None:
    logging = [
        file.name
        for file in cython_files()
        for each in imports_of(file)
        if each.imported.split(".")[0] == "logging"
    ]
    assert not logging


def test_admin_can_be_taken_out_and_data_still_flows() -> None:
    """No module on the data's way, nor below it, reaches admin by any path."""
    graph = import_graph(FILES)
    reached: set[str] = set()
    waiting = [module for module in graph if room_of(module) in {"flow", "_native"}]
    while waiting:
        module = waiting.pop()
        if module not in reached:
            reached.add(module)
            waiting.extend(graph[module])
    assert not [module for module in reached if room_of(module) == "admin"]
