"""`reader`: loads files. Addressed by key, runs in a thread, does the real I/O."""

from __future__ import annotations

import threading

import msgspec

from collectorqueue import Payload
from collectorqueue.cli.demo.events import ScanFinished
from collectorqueue.cli.demo.sources import Found, SourceText, read

__all__ = ["Reader", "ReaderTotals"]


class ReaderTotals(msgspec.Struct, frozen=True):
    """What was read from disk."""

    files: int
    bytes: int


class Reader:
    """Answers a `Found` with its `SourceText`."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._files = 0
        self._bytes = 0

    def collect(
        self, payload: Payload[Found | ScanFinished]
    ) -> SourceText | ReaderTotals:
        """Read one file. Raises OSError, which names the path."""
        value = payload.value
        if isinstance(value, ScanFinished):
            return self.totals()
        text = read(value)
        with self._lock:
            self._files += 1
            self._bytes += len(text.data)
        return text

    def totals(self) -> ReaderTotals:
        """So far."""
        return ReaderTotals(self._files, self._bytes)
