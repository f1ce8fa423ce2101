"""`imports`: which modules the files import."""

from __future__ import annotations

from collections import Counter

import msgspec

from collectorqueue import Payload
from collectorqueue.cli.demo.events import Outlined, ScanFinished
from collectorqueue.cli.demo.ranking import most

__all__ = ["Imports", "ImportsTotals"]


class ImportsTotals(msgspec.Struct, frozen=True):
    """How far the imports reach."""

    modules: int
    most_imported: list[tuple[str, int]]  # module and the files that import it


class Imports:
    """Counts, for each top-level module, the files that import it."""

    def __init__(self) -> None:
        self._files: Counter[str] = Counter()

    def collect(
        self, payload: Payload[Outlined | ScanFinished]
    ) -> ImportsTotals | None:
        """Count the modules that one file imports."""
        value = payload.value
        if isinstance(value, ScanFinished):
            return self.totals()
        self._files.update(value.imports)
        return None

    def totals(self) -> ImportsTotals:
        """So far."""
        return ImportsTotals(len(self._files), most(self._files, 5))
