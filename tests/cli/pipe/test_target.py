"""`module:queue`: what is found, and what is said of what is not."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from collectorqueue import CollectorQueue
from collectorqueue.cli.errors import CommandError
from collectorqueue.cli.pipe.target import load

MODULE = """
from collectorqueue import CollectorQueue
queue = CollectorQueue()
number = 7
def make():
    return CollectorQueue(capacity=7)
def fail():
    raise ValueError("no luck")
def leave():
    raise SystemExit(3)
class Holder:
    inner = CollectorQueue(capacity=8)
"""

Writer = Callable[[str, str], None]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Writer]:
    """Modules in the current folder, forgotten afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", sys.path[:])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    before = set(sys.modules)

    def write(name: str, text: str) -> None:
        (tmp_path / f"{name}.py").write_text(text)

    write("pipe_target", MODULE)
    yield write
    for name in set(sys.modules) - before:
        del sys.modules[name]


def refusal(path: str) -> str:
    with pytest.raises(CommandError) as caught:
        load(path)
    return str(caught.value)


@pytest.mark.usefixtures("write")
def test_a_queue_is_found_in_the_current_folder() -> None:
    assert isinstance(load("pipe_target:queue"), CollectorQueue)
    assert load("pipe_target:queue") is load("pipe_target:queue")


@pytest.mark.usefixtures("write")
def test_a_function_makes_it() -> None:
    assert load("pipe_target:make") is not load("pipe_target:make")


@pytest.mark.usefixtures("write")
def test_it_may_stand_inside_something() -> None:
    assert isinstance(load("pipe_target:Holder.inner"), CollectorQueue)


@pytest.mark.usefixtures("write")
@pytest.mark.parametrize("path", ["", "a", "a:", ":a", "pipe_target.queue"])
def test_the_path_needs_a_module_and_a_name(path: str) -> None:
    assert refusal(path) == f"the queue must be named as module:queue, got {path!r}"


@pytest.mark.usefixtures("write")
@pytest.mark.parametrize("name", ["pipe_no_module", "pipe_no_package.module"])
def test_a_module_that_is_not_there_is_named(name: str, tmp_path: Path) -> None:
    assert refusal(f"{name}:queue") == (
        f"no module {name!r}; looked in {str(tmp_path)!r} and on sys.path"
    )


@pytest.mark.usefixtures("write")
def test_a_name_that_is_not_there_is_answered_with_those_that_are() -> None:
    assert refusal("pipe_target:quue") == (
        "no 'quue' in 'pipe_target'; queues in it: 'queue'"
    )
    assert refusal("json:queue") == "no 'queue' in 'json'; queues in it: none"


@pytest.mark.usefixtures("write")
def test_what_is_no_queue_is_shown() -> None:
    assert refusal("pipe_target:number") == (
        "'pipe_target:number' must be a CollectorQueue or a function that makes one, "
        "got 7"
    )


@pytest.mark.usefixtures("write")
@pytest.mark.parametrize(
    ("name", "raised"),
    [("fail", "ValueError: no luck"), ("leave", "SystemExit: 3")],
)
def test_a_function_that_raises_is_named_with_its_line(name: str, raised: str) -> None:
    line = MODULE.split("\n").index(f"def {name}():") + 2
    assert refusal(f"pipe_target:{name}") == (
        f"calling 'pipe_target:{name}' raised {raised} (pipe_target.py:{line})"
    )


def test_a_module_that_raises_is_named_with_its_line(write: Writer) -> None:
    write("pipe_raises", "x = 1\ny = 1 / 0\n")
    assert refusal("pipe_raises:queue") == (
        "importing 'pipe_raises' raised ZeroDivisionError: division by zero "
        "(pipe_raises.py:2)"
    )


def test_a_module_that_imports_what_is_not_there_is_not_itself_missing(
    write: Writer,
) -> None:
    write("pipe_imports", "import pipe_nowhere\n")
    assert refusal("pipe_imports:queue") == (
        "importing 'pipe_imports' raised ModuleNotFoundError: "
        "No module named 'pipe_nowhere' (pipe_imports.py:1)"
    )
