"""Sweep: a case whose entries are the same thing at growing sizes, in lines."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from benchmarks.harness.case import Arguments, Case, Entry, Unit

__all__ = ["Line", "Sweep", "line"]

Line = Mapping[int, Entry]
"""An entry for each size."""


@dataclass(frozen=True)
class Sweep:
    """One chart: `grows` names its horizontal axis; `lines` are by name."""

    name: str
    title: str
    grows: str
    unit: Unit
    lines: Mapping[str, Line]
    note: str = ""

    @property
    def case(self) -> Case:
        """All its entries, to be measured in turn."""
        entries = tuple(
            entry for each in self.lines.values() for entry in each.values()
        )
        return Case(self.name, self.title, self.unit, entries, ())


def line(
    name: str,
    rival: str,
    function: str,
    sizes: Iterable[int],
    arguments: Callable[[int], Arguments],
    events: Callable[[int], int],
    *,
    fixed: bool = False,
) -> Line:
    """`rival` at each size, which says what it is given and how often."""
    return {
        size: Entry(
            f"{name}, {size:,}",
            rival,
            function,
            events(size),
            arguments(size),
            fixed,
            step=100,
        )
        for size in sizes
    }
