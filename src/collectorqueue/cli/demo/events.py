"""What travels through the demo's queue: one record a kind, and the topics they go by.

    Found -> reader      SourceFile -> source.file       SourceLine -> source.line
                         Outlined -> source.outline      ScanFinished -> everyone
"""

from __future__ import annotations

from typing import Final, final

import msgspec

from collectorqueue.cli.demo.sources import SourceText
from collectorqueue.cli.demo.syntax import Symbol

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
    """A file that was read. What crosses to a worker is its name and its bytes."""

    __slots__ = ("text",)

    def __init__(self, text: SourceText) -> None:
        self.text = text


class SourceLine(msgspec.Struct, frozen=True, gc=False):
    """One line of a file, by number (from 1). A million of them: no work for the gc."""

    text: SourceText
    number: int


class Outlined(msgspec.Struct, frozen=True):
    """What one file defines and imports, and what its text is made of."""

    name: str
    symbols: list[Symbol]
    imports: set[str]
    tokens: dict[str, int]  # how many, by kind


class ScanFinished(msgspec.Struct, frozen=True):
    """Nothing more will come: every collector answers with its totals."""
