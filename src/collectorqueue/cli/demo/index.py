"""The index: one SQLite file with every line and symbol of a source tree.

Rules of residence: all SQL of the demo is here. Nothing here knows of the queue.

    about(root, made, python)                     one row
    files(id, name, bytes, lines)
    lines(file, number, text)                     in order: a file can be read back
    symbols(file, name, kind, line, last_line)
"""

from __future__ import annotations

import contextlib
import os
import platform
import sqlite3
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from collectorqueue.cli.demo.sources import SourceText
from collectorqueue.cli.demo.syntax import Symbol
from collectorqueue.cli.errors import CommandError

__all__ = ["IndexWriter", "check_writable", "default_path", "open_index"]

APPLICATION_ID = 0x43515831  # "CQX1": what makes an SQLite file an index of ours
COMMIT_ROWS = 20_000  # a transaction each: some 45 for the standard library

SCHEMA = f"""
PRAGMA application_id = {APPLICATION_ID};
CREATE TABLE about (root TEXT, made TEXT, python TEXT);
CREATE TABLE files (id INTEGER PRIMARY KEY, name TEXT, bytes INTEGER, lines INTEGER);
CREATE TABLE lines (file INTEGER, number INTEGER, text TEXT,
                    PRIMARY KEY (file, number)) WITHOUT ROWID;
CREATE TABLE symbols (file INTEGER, name TEXT, kind TEXT,
                      line INTEGER, last_line INTEGER);
CREATE INDEX files_by_name ON files (name);
"""


class IndexWriter:
    """Writes an index beside its place and moves it there when closed.

        writer = IndexWriter(Path("demo.sqlite"), root="the tree")
        writer.add_file(text)
        writer.add_symbols(text.name, symbols)
        writer.close()

    An earlier index stays whole until then. Used from several threads, one at a time.
    """

    def __init__(self, path: Path, root: str) -> None:
        self._path = path
        self._partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
        self._partial.unlink(missing_ok=True)
        try:
            self._database = sqlite3.connect(
                self._partial, isolation_level=None, check_same_thread=False
            )
        except sqlite3.Error as error:
            raise CommandError(f"--out cannot be made, got {str(path)!r} ({error})") from error
        # What a crash could spoil here is thrown away anyhow.
        self._database.executescript(
            "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;" + SCHEMA
        )
        self._database.execute("BEGIN")
        self._database.execute(
            "INSERT INTO about VALUES (?, ?, ?)",
            (root, time.strftime("%Y-%m-%d %H:%M:%S"), platform.python_version()),
        )
        self._rows = 0

    def add_file(self, text: SourceText) -> None:
        """Add a file with all its lines."""
        file = self._database.execute(
            "INSERT INTO files (name, bytes, lines) VALUES (?, ?, ?)",
            (text.name, len(text.data), len(text.lines)),
        ).lastrowid
        # One statement a file: the interpreter lock is free all the while.
        self._database.execute(
            "INSERT INTO lines SELECT ?, key + 1, value FROM json_each(?)",
            (file, msgspec.json.encode(text.lines).decode()),
        )
        self._added(len(text.lines))

    def add_symbols(self, name: str, symbols: Sequence[Symbol]) -> None:
        """Add the symbols of a file that was added before."""
        found = self._database.execute("SELECT id FROM files WHERE name = ?", (name,))
        (file,) = found.fetchone()
        self._database.executemany(
            "INSERT INTO symbols VALUES (?, ?, ?, ?, ?)",
            ((file, s.name, s.kind, s.line, s.last_line) for s in symbols),
        )
        self._added(len(symbols))

    def close(self) -> None:
        """Commit, and put the index in its place."""
        self._database.execute("COMMIT")
        self._database.close()
        self._partial.replace(self._path)

    def _added(self, rows: int) -> None:
        self._rows += rows
        if self._rows >= COMMIT_ROWS:
            self._database.execute("COMMIT")
            self._database.execute("BEGIN")
            self._rows = 0


def default_path() -> Path:
    """Where the index is when nobody says: in the user's cache, or a temporary folder.

    Raises CommandError when neither can be written.
    """
    for folder in _cache_folders():
        with contextlib.suppress(OSError):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if os.access(folder, os.W_OK):
                return folder / "demo.sqlite"
    raise CommandError("no folder to write the index to, give one: --out FILE")


def check_writable(path: Path) -> None:
    """Raises CommandError when an index may not be written there.

    A file with something in it must be an index: nobody's own is written over.
    """
    if path.exists() and path.stat().st_size:
        open_index(path, reason="--out must be a new file or an index").close()
    if not path.parent.is_dir():
        raise CommandError(f"--out must be in a folder that exists, got {str(path)!r}")
    if not os.access(path.parent, os.W_OK):
        raise CommandError(f"--out must be in a writable folder, got {str(path)!r}")


def open_index(path: Path, reason: str = "not an index") -> sqlite3.Connection:
    """An index, for reading. Raises CommandError when the file is not one."""
    with contextlib.ExitStack() as stack:
        try:
            database = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
            stack.callback(database.close)
            (application,) = database.execute("PRAGMA application_id").fetchone()
        except sqlite3.Error as error:
            raise CommandError(f"{reason}, got {str(path)!r} ({error})") from error
        if application != APPLICATION_ID:
            raise CommandError(f"{reason}, got {str(path)!r}")
        stack.pop_all()
        return database


def _cache_folders() -> Iterator[Path]:
    cache = os.environ.get("XDG_CACHE_HOME") or os.environ.get("LOCALAPPDATA")
    if cache:
        yield Path(cache) / "collectorqueue"
    with contextlib.suppress(RuntimeError):  # a user without a home
        yield Path.home() / ".cache" / "collectorqueue"
    user = os.getuid() if hasattr(os, "getuid") else "user"
    yield Path(tempfile.gettempdir()) / f"collectorqueue-{user}"
