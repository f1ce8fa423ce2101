"""`outline`: the functions and classes of every file, and the longest function."""

from __future__ import annotations

import threading

import msgspec

from collectorqueue import Error, Payload
from collectorqueue.cli.demo.events import ScanFinished, SourceFile
from collectorqueue.cli.demo.ranking import Longest
from collectorqueue.cli.demo.syntax import Symbol, Unparsed

__all__ = ["Outline", "OutlineTotals"]


class OutlineTotals(msgspec.Struct, frozen=True):
    """What the files define."""

    functions: int
    classes: int
    longest: str
    longest_lines: int
    longest_at: str


class Outline:
    """Answers a file with its symbols; a file that does not parse with an `Error`."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._functions = 0
        self._classes = 0
        self._longest = Longest()
        self._longest_name = ""

    def collect(
        self, payload: Payload[SourceFile | ScanFinished]
    ) -> list[Symbol] | Error | OutlineTotals:
        """Outline one file."""
        value = payload.value
        if isinstance(value, ScanFinished):
            return self.totals()
        syntax = value.syntax()
        if isinstance(syntax, Unparsed):
            return Error(f"{value.text.name} does not parse: {syntax.reason}")
        with self._lock:
            for symbol in syntax.symbols:
                self._count(symbol, value.text.name)
        return syntax.symbols

    def totals(self) -> OutlineTotals:
        """So far."""
        return OutlineTotals(
            functions=self._functions,
            classes=self._classes,
            longest=self._longest_name,
            longest_lines=self._longest.length,
            longest_at=self._longest.place,
        )

    def _count(self, symbol: Symbol, file: str) -> None:
        if symbol.kind == "class":
            self._classes += 1
            return
        self._functions += 1
        if self._longest.offer(symbol.length, file, symbol.line):
            self._longest_name = symbol.name
