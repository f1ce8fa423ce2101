"""Who comes first: ties are broken by name and line, so that equal runs find the same.

Events of a queue end in no fixed order, so "the first one seen" would be luck.
"""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["Longest", "most"]


def most(counts: Mapping[str, int], number: int) -> list[tuple[str, int]]:
    """The names with the highest counts, at most `number` of them."""
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:number]


class Longest:
    """The longest thing seen, and where it is.

        longest.offer(120, "a.py", 7)    # whether it is the longest so far
        longest.length, longest.place
    """

    __slots__ = ("_file", "_line", "length")

    def __init__(self) -> None:
        self.length = 0
        self._file = ""
        self._line = 0

    @property
    def place(self) -> str:
        """As file:line; empty until there was something longer than nothing."""
        return f"{self._file}:{self._line}" if self.length else ""

    def offer(self, length: int, file: str, line: int) -> bool:
        """Take it if it is longer, or as long and further up."""
        if length < self.length or not length:
            return False
        if length == self.length and (file, line) > (self._file, self._line):
            return False
        self.length, self._file, self._line = length, file, line
        return True
