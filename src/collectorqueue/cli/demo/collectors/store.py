"""`store`: writes files, lines and symbols to the index. In a thread, in batches."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec

from collectorqueue import Context, Payload
from collectorqueue.cli.demo.events import Outlined, ScanFinished, SourceFile
from collectorqueue.cli.demo.index import IndexWriter

__all__ = ["Store", "StoreTotals"]


class StoreTotals(msgspec.Struct, frozen=True):
    """What the index holds."""

    files: int
    lines: int
    symbols: int


class Store:
    """Owns the index from the queue's start to its close."""

    def __init__(self, path: Path, root: str) -> None:
        self._path = path
        self._root = root
        self._lock = threading.Lock()
        self._writer: IndexWriter | None = None
        self._totals = StoreTotals(0, 0, 0)

    @contextlib.asynccontextmanager
    async def lifecycle(self, _: Context) -> AsyncIterator[None]:
        """Opens the index, and puts it in its place when all is written."""
        self._writer = IndexWriter(self._path, self._root)
        try:
            yield
        finally:
            with self._lock:
                self._writer.close()
                self._writer = None

    def collect(
        self, payload: Payload[SourceFile | Outlined | ScanFinished]
    ) -> StoreTotals | None:
        """Store one file, or the symbols of one file."""
        value = payload.value
        with self._lock:  # one connection, several threads
            if isinstance(value, ScanFinished):
                return self.totals()
            if self._writer is not None:  # else it was abandoned: nobody waits for it
                self._write(self._writer, value)
        return None

    def totals(self) -> StoreTotals:
        """So far."""
        return self._totals

    def _write(self, writer: IndexWriter, value: SourceFile | Outlined) -> None:
        files, lines, symbols = msgspec.structs.astuple(self._totals)
        if isinstance(value, Outlined):
            writer.add_symbols(value.name, value.symbols)
            symbols += len(value.symbols)
        else:
            writer.add_file(value.text)
            files += 1
            lines += len(value.text.lines)
        self._totals = StoreTotals(files, lines, symbols)
