"""`imports`: which modules the files import."""

from __future__ import annotations

import threading
from collections import Counter

import msgspec

from collectorqueue import Payload
from collectorqueue.cli.demo.events import ScanFinished, SourceFile
from collectorqueue.cli.demo.ranking import most
from collectorqueue.cli.demo.syntax import Unparsed

__all__ = ["Imports", "ImportsTotals"]


class ImportsTotals(msgspec.Struct, frozen=True):
    """How far the imports reach."""

    modules: int
    most_imported: list[tuple[str, int]]  # module and the files that import it


class Imports:
    """Counts, for each top-level module, the files that import it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._files: Counter[str] = Counter()

    def collect(
        self, payload: Payload[SourceFile | ScanFinished]
    ) -> set[str] | ImportsTotals:
        """Answer with the modules that one file imports.

        None for a file that does not parse: `outline` is the one to report it.
        """
        value = payload.value
        if isinstance(value, ScanFinished):
            return self.totals()
        syntax = value.syntax()
        if isinstance(syntax, Unparsed):
            return set()
        with self._lock:
            self._files.update(syntax.imports)
        return syntax.imports

    def totals(self) -> ImportsTotals:
        """So far."""
        return ImportsTotals(len(self._files), most(self._files, 5))
