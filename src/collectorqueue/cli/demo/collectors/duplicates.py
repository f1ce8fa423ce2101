"""`duplicates`: blocks of code that stand in more than one place.

A block is a run of `BLOCK` lines, known by its hash. Each line event looks at the block
that ends at its line, so the order in which lines arrive does not matter. One block in
`SAMPLE` is looked at, chosen by what is in it, so that all copies of a block are, or
none: a copied passage some lines longer than `BLOCK` is found all the same.
Source: Schleimer, Wilkerson and Aiken, "Winnowing", SIGMOD 2003 (there: 0 mod p).
"""

from __future__ import annotations

import msgspec

from collectorqueue import Payload
from collectorqueue.cli.demo.events import ScanFinished, SourceLine

__all__ = ["Duplicates", "DuplicatesTotals"]

BLOCK = 6  # lines: shorter runs repeat by custom, not by copying
SAMPLE = 4
LETTERS = 160  # in a block, without its indent: keeps rows of brackets and data out
LIMIT = 200_000  # blocks, some 30 MB; over it, the least copied are forgotten


class Block(msgspec.Struct, gc=False):
    """A run of lines: how often it was seen, and where it stands first."""

    name: str
    line: int
    copies: int = 1
    begins: str = ""


class DuplicatesTotals(msgspec.Struct, frozen=True):
    """What was copied, and how often."""

    copied_blocks: int
    most_copies: int
    most_copied_at: str
    most_copied_begins: str


class Duplicates:
    """Counts copies on the loop, in bounded memory (lossy counting)."""

    def __init__(self, limit: int = LIMIT) -> None:
        self._limit = limit
        self._blocks: dict[int, Block] = {}

    def collect(
        self, payload: Payload[SourceLine | ScanFinished]
    ) -> DuplicatesTotals | None:
        """Look at the block that ends at this line."""
        value = payload.value
        if isinstance(value, ScanFinished):
            return self.totals()
        text, last = value.text, value.number
        # Its last line's length is all that chooses: cheap, and the same in every run.
        if last >= BLOCK and len(text.lines[last - 1]) % SAMPLE == 1:
            self._look(text.name, last - BLOCK + 1, text.lines[last - BLOCK : last])
        return None

    def totals(self) -> DuplicatesTotals:
        """So far."""
        copied = [block for block in self._blocks.values() if block.copies > 1]
        copied.sort(key=lambda block: (-block.copies, block.name, block.line))
        most = copied[0] if copied else Block("", 0, 0)
        return DuplicatesTotals(
            copied_blocks=len(copied),
            most_copies=most.copies,
            most_copied_at=f"{most.name}:{most.line}" if copied else "",
            most_copied_begins=most.begins,
        )

    def _look(self, name: str, line: int, lines: list[str]) -> None:
        key = hash(tuple(lines))
        block = self._blocks.get(key)
        if block is None:
            if sum(map(len, map(str.strip, lines))) >= LETTERS:
                self._blocks[key] = Block(name, line)
                self._forget()
            return
        block.copies += 1
        block.begins = block.begins or next(filter(None, map(str.strip, lines)))
        if (name, line) < (block.name, block.line):
            block.name, block.line = name, line

    def _forget(self) -> None:
        """Over the limit, drop the least copied blocks until half of it is free."""
        if len(self._blocks) <= self._limit:
            return
        copies = 1
        while len(self._blocks) > self._limit // 2:
            self._blocks = {
                key: block
                for key, block in self._blocks.items()
                if block.copies > copies
            }
            copies += 1
