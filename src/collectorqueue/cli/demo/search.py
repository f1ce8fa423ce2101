"""`demo --find TEXT`: asks the index of an earlier run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from collectorqueue._native.accounts import encodable
from collectorqueue.cli.demo.index import open_index
from collectorqueue.cli.errors import CommandError
from collectorqueue.cli.words import counted

__all__ = ["Answer", "Definition", "Line", "answer_lines", "find"]

SHOWN = 20  # of each kind: a screen full
WIDTH = 160  # characters of a line: some have thousands

DEFINITIONS = """
SELECT files.name, symbols.line, symbols.last_line, symbols.kind, symbols.name
FROM symbols JOIN files ON files.id = symbols.file
WHERE symbols.name LIKE :pattern ESCAPE '\\'
ORDER BY length(symbols.name), files.name, symbols.line LIMIT :limit
"""
LINES = """
SELECT files.name, lines.number, lines.text
FROM lines JOIN files ON files.id = lines.file
WHERE lines.text LIKE :pattern ESCAPE '\\'
ORDER BY files.name, lines.number LIMIT :limit
"""
COUNTS = """
SELECT (SELECT count(*) FROM symbols WHERE name LIKE :pattern ESCAPE '\\'),
       (SELECT count(*) FROM lines WHERE text LIKE :pattern ESCAPE '\\')
"""


class Definition(msgspec.Struct, frozen=True):
    """A function or class whose qualified name has the text in it."""

    file: str
    line: int
    last_line: int
    kind: str
    name: str


class Line(msgspec.Struct, frozen=True):
    """A line that has the text in it."""

    file: str
    line: int
    text: str


class Answer(msgspec.Struct, frozen=True):
    """What the index knows of a text: all counted, the first of them shown."""

    text: str
    index: str
    root: str
    made: str
    definitions: int
    lines: int
    first_definitions: list[Definition]
    first_lines: list[Line]


def find(text: str, path: Path, shown: int = SHOWN) -> Answer:
    """Look for a text in lines and in the names of functions and classes.

    Upper and lower case of ASCII letters are one. Raises CommandError when there is no
    index, or no text.
    """
    if not text:
        raise CommandError("--find needs a text to look for, got ''")
    if not path.exists():
        raise CommandError(
            f"no index at {str(path)!r}: run `collectorqueue demo` first, "
            "or name its file with --out FILE"
        )
    database = open_index(path)
    try:
        # What is no UTF-8 was indexed as it is printed.
        asked = {"pattern": _pattern(encodable(text)), "limit": shown}
        root, made = database.execute("SELECT root, made FROM about").fetchone()
        definitions, lines = database.execute(COUNTS, asked).fetchone()
        return Answer(
            text=text,
            index=str(path),
            root=root,
            made=made,
            definitions=definitions,
            lines=lines,
            first_definitions=[
                Definition(*row) for row in database.execute(DEFINITIONS, asked)
            ],
            first_lines=[Line(*row) for row in database.execute(LINES, asked)],
        )
    finally:
        database.close()


def answer_lines(answer: Answer) -> list[str]:
    """The answer as a person reads it."""
    definitions = [
        f"{each.file}:{each.line}  {each.kind} {each.name}"
        for each in answer.first_definitions
    ]
    lines = [
        f"{each.file}:{each.line}  {each.text.strip()[:WIDTH]}"
        for each in answer.first_lines
    ]
    return [
        f"{answer.text!r} in {answer.root}, indexed {answer.made} ({answer.index})",
        *_section("definition", answer.definitions, definitions),
        *_section("line", answer.lines, lines),
    ]


def _pattern(text: str) -> str:
    for special in "\\%_":
        text = text.replace(special, "\\" + special)
    return f"%{text}%"


def _section(noun: str, count: int, shown: Sequence[str]) -> list[str]:
    more = f", the first {len(shown)}" if count > len(shown) else ""
    return ["", counted(count, noun) + more, *(f"  {line}" for line in shown)]
