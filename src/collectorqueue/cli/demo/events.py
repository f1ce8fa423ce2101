"""What travels through the demo's queue: one record a kind, and the topics they go by.

    Found -> reader      SourceFile -> source.file       SourceLine -> source.line
                         Outlined -> source.outline      ScanFinished -> everyone
"""

from __future__ import annotations

from typing import Final, final

import msgspec

from collectorqueue.cli.demo.sources import SourceText
from collectorqueue.cli.demo.syntax import PARSING, Symbol, Syntax, Unparsed, parse

__all__ = [
    "FILES",
    "LINES",
    "OUTLINES",
    "Outlined",
    "ScanFinished",
    "SourceFile",
    "SourceLine",
]

FILES: Final = "source.file"
LINES: Final = "source.line"
OUTLINES: Final = "source.outline"


@final
class SourceFile:
    """A file and its syntax, which the first collector to ask for it works out.

    Collectors share it from several threads.
    """

    __slots__ = ("_syntax", "text")

    def __init__(self, text: SourceText) -> None:
        self.text = text
        self._syntax: Syntax | Unparsed | None = None

    def syntax(self) -> Syntax | Unparsed:
        """What it defines and imports, or why it does not parse."""
        with PARSING:
            if self._syntax is None:
                self._syntax = parse(self.text.data)
            return self._syntax


class SourceLine(msgspec.Struct, frozen=True, gc=False):
    """One line of a file, by number (from 1). A million of them: no work for the gc."""

    text: SourceText
    number: int


class Outlined(msgspec.Struct, frozen=True):
    """The symbols of one file, on their way to the index."""

    name: str
    symbols: list[Symbol]


class ScanFinished(msgspec.Struct, frozen=True):
    """Nothing more will come: every collector answers with its totals."""
