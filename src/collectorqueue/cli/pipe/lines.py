"""Chunks of bytes to numbered lines, in bounded memory.

Rules of residence: bytes only; nothing here reads, waits or decodes.
"""

from __future__ import annotations

from collections.abc import Iterator

__all__ = ["LineSplitter"]

LIMIT_BYTES = 64 * 1024 * 1024  # of one line: GitHub caps its payloads at 25 MB


class LineSplitter:
    """Cuts a stream into lines; linear in its length, however long the lines are.

        splitter = LineSplitter()
        for chunk in chunks:
            for number, line in splitter.feed(chunk): ...
        for number, line in splitter.finish(): ...

    A line comes without its newline; None stands for one that is over the limit.
    """

    def __init__(self, limit_bytes: int = LIMIT_BYTES) -> None:
        self._limit_bytes = limit_bytes
        self._number = 0
        self._parts: list[bytes] = []  # of the line that has not ended yet
        self._bytes = 0

    def feed(self, chunk: bytes) -> Iterator[tuple[int, bytes | None]]:
        """The lines that end in this chunk."""
        *ends, rest = chunk.split(b"\n")
        for end in ends:
            self._add(end)
            yield self._take()
        self._add(rest)

    def finish(self) -> Iterator[tuple[int, bytes | None]]:
        """The last line, if it has no newline."""
        if self._bytes:
            yield self._take()

    def _add(self, part: bytes) -> None:
        self._bytes += len(part)
        if self._bytes > self._limit_bytes:
            self._parts.clear()
        elif part:
            self._parts.append(part)

    def _take(self) -> tuple[int, bytes | None]:
        line = None if self._bytes > self._limit_bytes else b"".join(self._parts)
        self._parts.clear()
        self._bytes = 0
        self._number += 1
        return self._number, line
