"""The index: what is written, where, and how it is searched."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from collectorqueue.cli.demo.index import IndexWriter, check_writable, default_path
from collectorqueue.cli.demo.search import Answer, answer_lines, find
from collectorqueue.cli.demo.syntax import Symbol
from collectorqueue.cli.errors import CommandError
from tests.cli.demo.sample import text_of

SOURCE = "def 100%_sure():\n    return 'naïve'\n\n# a\\b\n"


@pytest.fixture
def index(tmp_path: Path) -> Path:
    path = tmp_path / "index.sqlite"
    writer = IndexWriter(path, root="the tree")
    writer.add_file(text_of("a.py", SOURCE))
    writer.add_file(text_of("sub/b.py", "x = 1\nSURE = 2"))
    writer.add_symbols("a.py", [Symbol("sure", "function", 1, 2)])
    writer.close()
    return path


def rows(path: Path, query: str) -> list[tuple[Any, ...]]:
    with contextlib.closing(sqlite3.connect(path)) as database:
        return database.execute(query).fetchall()


# -- writing ----------------------------------------------------------------------


def test_every_line_is_stored_with_its_number(index: Path) -> None:
    assert rows(index, "SELECT * FROM lines ORDER BY file, number") == [
        (1, 1, "def 100%_sure():"),
        (1, 2, "    return 'naïve'"),
        (1, 3, ""),
        (1, 4, "# a\\b"),
        (2, 1, "x = 1"),
        (2, 2, "SURE = 2"),
    ]


def test_files_and_symbols_are_stored(index: Path) -> None:
    assert rows(index, "SELECT * FROM files") == [
        (1, "a.py", len(SOURCE.encode()), 4),
        (2, "sub/b.py", 14, 2),
    ]
    assert rows(index, "SELECT * FROM symbols") == [(1, "sure", "function", 1, 2)]


def test_the_index_appears_only_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "index.sqlite"
    writer = IndexWriter(path, root="")
    writer.add_file(text_of("a.py", "x\n" * 50_000))
    assert not path.exists()
    writer.close()
    assert [each.name for each in tmp_path.iterdir()] == ["index.sqlite"]
    assert rows(path, "SELECT count(*) FROM lines") == [(50_000,)]


def test_a_new_index_replaces_an_old_one(index: Path) -> None:
    check_writable(index)
    IndexWriter(index, root="").close()
    assert rows(index, "SELECT count(*) FROM files") == [(0,)]


def test_a_file_of_somebody_else_is_not_written_over(tmp_path: Path) -> None:
    path = tmp_path / "precious.txt"
    path.write_text("precious")
    with pytest.raises(CommandError) as caught:
        check_writable(path)
    assert str(caught.value) == (
        f"--out must be a new file or an index, got {str(path)!r} "
        "(file is not a database)"
    )


def test_a_database_of_somebody_else_is_not_written_over(tmp_path: Path) -> None:
    path = tmp_path / "precious.sqlite"
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE precious (x)")
    with pytest.raises(CommandError) as caught:
        check_writable(path)
    assert str(caught.value) == (
        f"--out must be a new file or an index, got {str(path)!r}"
    )


def test_an_empty_file_may_be_written_over(tmp_path: Path) -> None:
    (tmp_path / "made_by_mktemp").touch()
    check_writable(tmp_path / "made_by_mktemp")


def test_the_folder_must_be_there(tmp_path: Path) -> None:
    path = tmp_path / "no" / "index.sqlite"
    with pytest.raises(CommandError) as caught:
        check_writable(path)
    assert str(caught.value) == (
        f"--out must be in a folder that exists, got {str(path)!r}"
    )


def test_the_default_is_in_the_cache_folder_of_the_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert default_path() == tmp_path / "cache" / "collectorqueue" / "demo.sqlite"


def test_without_a_cache_folder_the_default_is_in_a_temporary_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    monkeypatch.setenv("HOME", str(tmp_path / "file"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    assert default_path().is_relative_to(tmp_path / "temporary")


# -- searching --------------------------------------------------------------------


def test_text_is_found_in_lines_and_in_names_whatever_the_case(index: Path) -> None:
    answer = find("SURE", index)
    assert (answer.definitions, answer.lines) == (1, 2)
    assert [(each.file, each.line, each.name) for each in answer.first_definitions] == [
        ("a.py", 1, "sure")
    ]
    assert [(each.file, each.line) for each in answer.first_lines] == [
        ("a.py", 1),
        ("sub/b.py", 2),
    ]


@pytest.mark.parametrize("text", ["0%_s", "a\\b", "%", "_"])
def test_no_character_is_special(index: Path, text: str) -> None:
    assert find(text, index).lines == 1


def test_all_are_counted_and_the_first_are_shown(tmp_path: Path) -> None:
    path = tmp_path / "index.sqlite"
    writer = IndexWriter(path, root="the tree")
    writer.add_file(text_of("a.py", f"x{'y' * 500}\n" * 30))
    writer.close()
    answer = find("x", path, shown=2)
    assert answer.lines == 30
    assert answer_lines(answer) == [
        f"'x' in the tree, indexed {answer.made} ({path})",
        "",
        "0 definitions",
        "",
        "30 lines, the first 2",
        f"  a.py:1  x{'y' * 159}",
        f"  a.py:2  x{'y' * 159}",
    ]


def test_without_an_index_it_says_how_to_make_one(tmp_path: Path) -> None:
    path = tmp_path / "none.sqlite"
    with pytest.raises(CommandError) as caught:
        find("x", path)
    assert str(caught.value) == (
        f"no index at {str(path)!r}: run `collectorqueue demo` first, "
        "or name its file with --out FILE"
    )


def test_a_text_is_needed(index: Path) -> None:
    with pytest.raises(CommandError) as caught:
        find("", index)
    assert str(caught.value) == "--find needs a text to look for, got ''"


def test_what_is_not_an_index_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("x" * 5000)
    with pytest.raises(CommandError, match="not an index, got"):
        find("x", tmp_path / "text")


def test_an_answer_is_a_record(index: Path) -> None:
    assert isinstance(find("naïve", index), Answer)
