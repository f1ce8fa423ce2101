"""`symbols`: the functions and classes of all files, the longest function, the tokens."""

from __future__ import annotations

from collections import Counter

import msgspec

from collectorqueue import Payload
from collectorqueue.cli.demo.events import Outlined, ScanFinished
from collectorqueue.cli.demo.ranking import Longest
from collectorqueue.cli.demo.syntax import Symbol

__all__ = ["Symbols", "SymbolsTotals"]


class SymbolsTotals(msgspec.Struct, frozen=True):
    """What the files define, and are made of."""

    functions: int
    classes: int
    longest: str
    longest_lines: int
    longest_at: str
    tokens: int = 0
    comments: int = 0


class Symbols:
    """Adds the outlines up."""

    def __init__(self) -> None:
        self._functions = 0
        self._classes = 0
        self._longest = Longest()
        self._longest_name = ""
        self._tokens: Counter[str] = Counter()

    def collect(self, payload: Payload[Outlined | ScanFinished]) -> SymbolsTotals | None:
        """Add one file."""
        value = payload.value
        if isinstance(value, ScanFinished):
            return self.totals()
        for symbol in value.symbols:
            self._count(symbol, value.name)
        self._tokens.update(value.tokens)
        return None

    def totals(self) -> SymbolsTotals:
        """So far."""
        return SymbolsTotals(
            functions=self._functions,
            classes=self._classes,
            longest=self._longest_name,
            longest_lines=self._longest.length,
            longest_at=self._longest.place,
            tokens=self._tokens.total(),
            comments=self._tokens["comment"],
        )

    def _count(self, symbol: Symbol, file: str) -> None:
        if symbol.kind == "class":
            self._classes += 1
            return
        self._functions += 1
        if self._longest.offer(symbol.length, file, symbol.line):
            self._longest_name = symbol.name
