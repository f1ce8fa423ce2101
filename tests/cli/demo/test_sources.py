"""The demo's input: which files are found, and how their lines are counted."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectorqueue.cli.demo.sources import (
    NOT_STANDARD,
    count_lines,
    discover,
    read,
    standard_library,
    text_lines,
)


def names(root: Path, skip: frozenset[str] = frozenset()) -> list[str]:
    return [found.name for found in discover(root, skip)]


def write(path: Path, data: bytes = b"") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def test_only_regular_python_files_are_found_in_order_of_name(tmp_path: Path) -> None:
    for name in ("b.py", "a/z.py", "a.txt", "c.pyc", "d.PY", "a/b/c.py"):
        write(tmp_path / name)
    (tmp_path / "folder.py").mkdir()
    os.mkfifo(tmp_path / "pipe.py")
    assert names(tmp_path) == ["a/b/c.py", "a/z.py", "b.py"]


def test_no_symlink_is_followed(tmp_path: Path) -> None:
    real = write(tmp_path / "elsewhere" / "real.py")
    tree = tmp_path / "tree"
    write(tree / "own.py")
    (tree / "file.py").symlink_to(real)
    (tree / "folder").symlink_to(real.parent)
    (tree / "loop").symlink_to(tree)
    assert names(tree) == ["own.py"]


def test_the_given_folder_itself_may_be_a_symlink(tmp_path: Path) -> None:
    write(tmp_path / "tree" / "own.py")
    (tmp_path / "link").symlink_to(tmp_path / "tree")
    assert names(tmp_path / "link") == ["own.py"]


def test_one_file_may_be_given(tmp_path: Path) -> None:
    assert names(write(tmp_path / "one.py")) == ["one.py"]


def test_skipped_folders_are_left_out_at_any_depth(tmp_path: Path) -> None:
    write(tmp_path / "a.py")
    write(tmp_path / "site-packages" / "b.py")
    write(tmp_path / "deep" / "__pycache__" / "c.py")
    assert names(tmp_path, NOT_STANDARD) == ["a.py"]
    assert len(names(tmp_path)) == 3


def test_a_name_that_is_not_utf8_is_shown_with_escapes(tmp_path: Path) -> None:
    try:
        write(Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.py")), b"x = 1\n")
    except OSError:
        pytest.skip("this file system takes only UTF-8 names")
    (found,) = discover(tmp_path)
    assert found.name == "\\xff.py"
    assert read(found).lines == ["x = 1"]


def test_a_folder_that_is_gone_is_empty(tmp_path: Path) -> None:
    assert names(tmp_path / "gone") == []


@pytest.mark.slow
def test_the_standard_library_is_found_as_the_find_command_finds_it() -> None:
    root = standard_library()
    command = (
        r"find . \( -name site-packages -o -name __pycache__ \) -prune "
        r"-o -name '*.py' -type f -print"
    )
    listed = subprocess.run(
        command, shell=True, cwd=root, capture_output=True, text=True, check=True
    )
    independent = {line.removeprefix("./") for line in listed.stdout.splitlines()}
    assert set(names(root, NOT_STANDARD)) == independent
    assert Path(os.__file__).is_relative_to(root)
    assert len(independent) > 100, sys.version


@pytest.mark.parametrize(
    ("data", "count"),
    [
        (b"", 0),
        (b"\n", 1),
        (b"a", 1),
        (b"a\n", 1),
        (b"a\nb", 2),
        (b"\n\n", 2),
        (b"a\r\nb\rc", 2),
        (b"a\x0cb\x85c\xe2\x80\xa8d", 1),
    ],
)
def test_lines_are_newline_bytes_plus_an_unterminated_last_one(
    data: bytes, count: int
) -> None:
    assert count_lines(data) == count
    assert len(text_lines(data)) == count


@given(st.binary(max_size=200))
def test_there_is_a_text_for_every_line_whatever_the_bytes(data: bytes) -> None:
    lines = text_lines(data)
    assert len(lines) == count_lines(data) == len(data.split(b"\n")) - (
        data.endswith(b"\n") or not data
    )
    "".join(lines).encode()  # no lone surrogate, which nothing could store


ENCODED = [
    ("# coding: latin-1\n'é'\n".encode("latin-1"), ["# coding: latin-1", "'é'"]),
    ("\ufeffx = 'é'\n".encode(), ["x = 'é'"]),
    (b"x = 1\r\ny = 2\r\n", ["x = 1", "y = 2"]),
    (b"# coding: uft-8\n\xff\n", ["# coding: uft-8", "\\xff"]),
    (b"x = '\xff'\n", ["x = '\\xff'"]),
    (b"# coding: rot13\nx\n", ["# coding: rot13", "x"]),
    (b"# coding: undefined\nx\n", ["# coding: undefined", "x"]),
    (b"# coding: utf-7\n+2AA-\n", ["# coding: utf-7", "+2AA-"]),
    (b"# coding: unicode_escape\n\\n\n", ["# coding: unicode_escape", "\\n"]),
]


@pytest.mark.parametrize(("data", "lines"), ENCODED)
def test_text_is_decoded_as_declared_and_shown_with_escapes_where_that_fails(
    data: bytes, lines: list[str]
) -> None:
    assert text_lines(data) == lines
