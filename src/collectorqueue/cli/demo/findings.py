"""The findings: five things about the tree that a person cares about."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from collectorqueue.cli.demo.collectors.duplicates import BLOCK, DuplicatesTotals
from collectorqueue.cli.demo.collectors.imports import ImportsTotals
from collectorqueue.cli.demo.collectors.lines import LinesTotals
from collectorqueue.cli.demo.collectors.symbols import SymbolsTotals
from collectorqueue.cli.words import counted

__all__ = ["Finding", "findings"]


class Finding(msgspec.Struct, frozen=True):
    """Something found, and where to look."""

    title: str
    text: str
    place: str = ""  # file:line, or a file


def findings(totals: Mapping[str, object]) -> list[Finding]:
    """What the collectors' totals come to, in words."""
    found: list[Finding] = []
    for each in totals.values():
        match each:
            case SymbolsTotals():
                found.append(_longest_function(each))
            case ImportsTotals():
                found.append(_most_imported(each))
            case DuplicatesTotals():
                found.append(_most_copied(each))
            case LinesTotals():
                found += [_marks(each), _longest_line(each)]
    return found


def _longest_function(totals: SymbolsTotals) -> Finding:
    text = (
        f"{totals.longest}, {counted(totals.longest_lines, 'line')}, "
        f"of {counted(totals.functions, 'function')}"
        if totals.longest
        else "no function at all"
    )
    return Finding("longest function", text, totals.longest_at)


def _most_imported(totals: ImportsTotals) -> Finding:
    named = [f"{name} by {counted(n, 'file')}" for name, n in totals.most_imported]
    return Finding("most imported", ", ".join(named) or "no import at all")


def _most_copied(totals: DuplicatesTotals) -> Finding:
    if not totals.most_copies:
        return Finding("most copied", f"no block of {BLOCK} lines stands twice")
    begins = totals.most_copied_begins
    text = f"{BLOCK} lines in {totals.most_copies} places, from {begins!r}"
    return Finding("most copied", text, totals.most_copied_at)


def _marks(totals: LinesTotals) -> Finding:
    if not totals.marks:
        return Finding("work left to do", "no comment marks any")
    marks = ", ".join(f"{count:,} {mark}" for mark, count in totals.marks.items())
    (name, count), *_ = totals.marked_files
    return Finding("work left to do", f"{marks}; most ({count}) in one file", name)


def _longest_line(totals: LinesTotals) -> Finding:
    text = f"{counted(totals.longest, 'character')} of {counted(totals.lines, 'line')}"
    return Finding("longest line", text, totals.longest_at)
