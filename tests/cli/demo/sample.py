"""Source texts for the demo's tests."""

from __future__ import annotations

from collectorqueue import Payload
from collectorqueue.cli.demo.events import SourceFile, SourceLine
from collectorqueue.cli.demo.sources import SourceText, text_lines

__all__ = ["file_of", "lines_of", "text_of"]


def text_of(name: str, source: str) -> SourceText:
    data = source.encode()
    return SourceText(name, data, text_lines(data))


def file_of(name: str, source: str) -> Payload[SourceFile]:
    return Payload(SourceFile(text_of(name, source)))


def lines_of(name: str, source: str) -> list[Payload[SourceLine]]:
    text = text_of(name, source)
    numbers = range(1, len(text.lines) + 1)
    return [Payload(SourceLine(text, number)) for number in numbers]
