"""The demo's input: which files there are, and what one of them holds.

Rules of residence: paths and bytes in, records out. Nothing here knows of the queue.
"""

from __future__ import annotations

import contextlib
import io
import os
import sysconfig
import tokenize
from collections.abc import Iterator
from pathlib import Path

import msgspec

__all__ = [
    "NOT_STANDARD",
    "Found",
    "SourceText",
    "count_lines",
    "discover",
    "read",
    "standard_library",
    "text_lines",
]

# Of the standard library only: installed packages are not part of it.
NOT_STANDARD = frozenset({"site-packages", "__pycache__"})


class Found(msgspec.Struct, frozen=True):
    """A file that is there, not yet read."""

    path: str
    name: str  # relative to where the search began, and always printable
    size_bytes: int


class SourceText(msgspec.Struct, frozen=True):
    """A file that was read: its bytes, and the same as text, line by line."""

    name: str
    data: bytes
    lines: list[str]


def standard_library() -> Path:
    """The folder of the running interpreter's standard library."""
    return Path(sysconfig.get_path("stdlib"))


def discover(root: Path, skip: frozenset[str] = frozenset()) -> list[Found]:
    """Every regular `*.py` file under `root`, in the order of their names.

    `root` may also be one file. No symlink is followed below it. Folders named in
    `skip` are left out, and so is a folder that may not be listed.
    """
    if root.is_file():
        return [Found(str(root), _printable(root.name), root.stat().st_size)]
    return sorted(_walk(str(root), "", skip), key=lambda found: found.name)


def read(found: Found) -> SourceText:
    """Read one file. Raises OSError when it cannot be read."""
    data = Path(found.path).read_bytes()
    return SourceText(found.name, data, text_lines(data))


def count_lines(data: bytes) -> int:
    """Newline bytes, plus one for a last line that has none."""
    return data.count(b"\n") + (not data.endswith(b"\n") and bool(data))


def text_lines(data: bytes) -> list[str]:
    """As many lines as `count_lines` says, whatever the bytes are.

    Decoded as the file declares (PEP 263); where that fails, what is not UTF-8 shows as
    a backslash escape, so that a broken file can still be searched.
    """
    lines = _split(_decoded(data))
    if len(lines) != count_lines(data):  # a codec that makes or eats newlines
        lines = _split(data.decode("utf-8", "backslashreplace"))
    return lines


def _walk(folder: str, prefix: str, skip: frozenset[str]) -> Iterator[Found]:
    try:
        with os.scandir(folder) as listing:
            entries = list(listing)
    except OSError:
        return
    for entry in entries:
        name = prefix + entry.name
        if entry.is_dir(follow_symlinks=False):
            if entry.name not in skip:
                yield from _walk(entry.path, f"{name}/", skip)
        elif name.endswith(".py") and entry.is_file(follow_symlinks=False):
            with contextlib.suppress(FileNotFoundError):  # gone since it was listed
                size_bytes = entry.stat(follow_symlinks=False).st_size
                yield Found(entry.path, _printable(name), size_bytes)


def _printable(name: str) -> str:
    """A file name as valid Unicode: other bytes in it become backslash escapes."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def _decoded(data: bytes) -> str:
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
        text = data.decode(encoding)
        text.encode()  # some codecs (utf-7) give lone surrogates, which nothing stores
    except (SyntaxError, LookupError, ValueError):
        return data.decode("utf-8", "backslashreplace")
    return text


def _split(text: str) -> list[str]:
    lines = text.split("\n")
    if not lines[-1]:
        lines.pop()
    if "\r" in text:
        return [line.removesuffix("\r") for line in lines]
    return lines
