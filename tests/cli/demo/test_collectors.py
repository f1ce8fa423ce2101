"""What each of the demo's collectors makes of its events."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import pytest

from collectorqueue import Error, Payload
from collectorqueue.cli.demo.collectors.duplicates import Duplicates, DuplicatesTotals
from collectorqueue.cli.demo.collectors.imports import Imports, ImportsTotals
from collectorqueue.cli.demo.collectors.lines import Lines, LinesTotals
from collectorqueue.cli.demo.collectors.outline import Source, as_source, outline
from collectorqueue.cli.demo.collectors.reader import Reader, ReaderTotals
from collectorqueue.cli.demo.collectors.rehearsal import Rehearsal
from collectorqueue.cli.demo.collectors.symbols import Symbols, SymbolsTotals
from collectorqueue.cli.demo.events import Outlined, ScanFinished, SourceLine
from collectorqueue.cli.demo.sources import SourceText, discover
from tests.cli.demo.sample import file_of, lines_of

FINISHED = Payload(ScanFinished())


def lines_totals(payloads: Iterable[Payload[SourceLine]]) -> LinesTotals:
    lines = Lines()
    for payload in payloads:
        assert lines.collect(payload) is None
    totals = lines.collect(FINISHED)
    assert totals == lines.totals()
    return lines.totals()


def duplicates_totals(
    payloads: Iterable[Payload[SourceLine]], **options: int
) -> DuplicatesTotals:
    duplicates = Duplicates(**options)
    for payload in payloads:
        assert duplicates.collect(payload) is None
    assert duplicates.collect(FINISHED) == duplicates.totals()
    return duplicates.totals()


# -- reader -----------------------------------------------------------------------


def test_the_reader_answers_with_bytes_and_lines(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_bytes(b"x = 1\ny")
    reader = Reader()
    text = reader.collect(Payload(discover(tmp_path)[0]))
    assert isinstance(text, SourceText)
    assert (text.name, text.data, text.lines) == ("a.py", b"x = 1\ny", ["x = 1", "y"])
    assert reader.collect(FINISHED) == ReaderTotals(files=1, bytes=7)


def test_a_file_that_cannot_be_read_raises_with_its_path(tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    path.touch()
    (found,) = discover(tmp_path)
    path.unlink()
    with pytest.raises(FileNotFoundError, match=r"a\.py"):
        Reader().collect(Payload(found))


# -- lines ------------------------------------------------------------------------


def test_lines_counts_blank_lines_marks_and_the_longest_line() -> None:
    source = "x = 1\n\n   \n# TODO: a\ny = 2  # FIXME and TODO\n'TODO'\n# autoTODOs\n"
    assert lines_totals(lines_of("a.py", source)) == LinesTotals(
        lines=7,
        blank=2,
        longest=23,
        longest_at="a.py:5",
        marks={"FIXME": 1, "TODO": 1},
        marked_files=[("a.py", 2)],
    )


def test_of_no_lines_there_is_no_longest() -> None:
    assert lines_totals([]).longest_at == ""


def test_what_lines_finds_does_not_depend_on_the_order_of_events() -> None:
    payloads = [
        payload
        for name in ("b.py", "a.py", "c.py", "d.py")
        for payload in lines_of(name, "# TODO x\n\nyy\n# XXX  y\n")
    ]
    shuffled = payloads[:]
    random.Random(7).shuffle(shuffled)
    assert lines_totals(shuffled) == lines_totals(payloads)
    assert lines_totals(payloads).longest_at == "a.py:1"
    assert [name for name, _ in lines_totals(payloads).marked_files] == [
        "a.py", "b.py", "c.py",
    ]  # fmt: skip


# -- outline ----------------------------------------------------------------------


def outlined(name: str, source: str) -> Payload[Outlined]:
    result = outline(Payload(as_source(file_of(name, source).value)))
    assert isinstance(result, Outlined)
    return Payload(result)


def test_outline_tells_what_a_file_defines_imports_and_is_made_of() -> None:
    found = outlined("b.py", "import os, re\ndef g(): pass  # why\nclass C:\n  1\n").value
    assert [symbol.name for symbol in found.symbols] == ["g", "C"]
    assert found.imports == {"os", "re"}
    assert (found.tokens["comment"], found.tokens["number"]) == (1, 1)


def test_outline_answers_a_broken_file_with_one_error_that_names_it() -> None:
    result = outline(Payload(as_source(file_of("a/b.py", "x = (\n").value)))
    assert result == Error("a/b.py does not parse: line 1: '(' was never closed")


def test_outline_has_no_totals_of_its_own() -> None:
    assert outline(Payload(Source())) is None


def test_only_a_file_crosses_to_a_worker() -> None:
    with pytest.raises(TypeError, match="outline takes a SourceFile, got int"):
        as_source(1)


# -- imports ----------------------------------------------------------------------


def test_imports_counts_each_module_once_a_file() -> None:
    imports = Imports()
    imports.collect(outlined("a.py", "import os\nimport os.path, re\n"))
    imports.collect(outlined("b.py", "from os import path\n"))
    assert imports.collect(FINISHED) == ImportsTotals(2, [("os", 2), ("re", 1)])


# -- symbols ----------------------------------------------------------------------


def test_symbols_counts_functions_and_classes_and_finds_the_longest() -> None:
    symbols = Symbols()
    symbols.collect(outlined("a.py", "class A:\n    def f(self):\n        pass\n"))
    symbols.collect(outlined("b.py", "def g(): pass\ndef h():\n  1\n  2 # two\n"))
    totals = symbols.collect(FINISHED)
    assert isinstance(totals, SymbolsTotals) and totals == symbols.totals()
    assert (totals.functions, totals.classes, totals.comments) == (3, 1, 1)
    assert (totals.longest, totals.longest_lines, totals.longest_at) == ("h", 3, "b.py:2")
    assert totals.tokens > 40


def test_of_functions_of_one_length_the_first_by_name_is_the_longest() -> None:
    symbols = Symbols()
    for name in ("c.py", "a.py", "b.py"):
        symbols.collect(outlined(name, "\ndef f(): pass\n"))
    assert symbols.totals().longest_at == "a.py:2"


# -- duplicates -------------------------------------------------------------------

# Line after line one character longer: one of four blocks that end in it is looked at.
BLOCK = "".join(f"    value = compute_the_value({'x' * n})\n" for n in range(9))


def test_a_block_that_stands_twice_is_found() -> None:
    payloads = [*lines_of("a.py", "first\n" + BLOCK), *lines_of("b.py", BLOCK)]
    totals = duplicates_totals(payloads)
    assert totals.most_copies == 2
    assert totals.most_copied_at.startswith("a.py:")
    assert totals.most_copied_begins.startswith("value = ")


def test_what_stands_once_is_no_duplicate() -> None:
    assert duplicates_totals(lines_of("a.py", BLOCK)) == DuplicatesTotals(0, 0, "", "")


def test_short_lines_make_no_block() -> None:
    payloads = [*lines_of("a.py", "}\n" * 100), *lines_of("b.py", "}\n" * 100)]
    assert duplicates_totals(payloads).copied_blocks == 0


def test_what_duplicates_finds_does_not_depend_on_the_order_of_events() -> None:
    payloads = [
        payload
        for name in ("b.py", "a.py", "c.py")
        for payload in lines_of(name, BLOCK * 2 + name + "\n" + BLOCK)
    ]
    shuffled = payloads[:]
    random.Random(7).shuffle(shuffled)
    assert duplicates_totals(shuffled) == duplicates_totals(payloads)


def test_over_the_limit_the_least_copied_blocks_are_forgotten() -> None:
    """Memory is bounded, and what is copied often is still there."""
    often = [each for n in range(5) for each in lines_of(f"{n}.py", BLOCK)]
    once = lines_of(
        "long.py", "".join(f"{'x' * (30 + n % 7)} = {n:06}\n" for n in range(500))
    )
    duplicates = Duplicates(limit=20)
    for payload in [*often, *once]:
        duplicates.collect(payload)
        assert len(duplicates._blocks) <= 20
    assert duplicates.totals().most_copies == 5


# -- the failures on purpose ------------------------------------------------------


def test_one_of_a_hundred_events_fails_while_it_is_on_and_after_its_work() -> None:
    worked: list[Payload] = []
    rehearsal = Rehearsal(worked.append)
    payload = Payload("a line")
    before = Counter(type(rehearsal.collect(payload)) for _ in range(300))
    rehearsal.is_on = True
    during = Counter(type(rehearsal.collect(payload)) for _ in range(300))
    assert before == {type(None): 300}
    assert during == {type(None): 297, Error: 3}
    assert len(worked) == 600


def test_the_broadcast_never_fails_on_purpose() -> None:
    rehearsal = Rehearsal(lambda payload: "totals")
    rehearsal.is_on = True
    assert {rehearsal.collect(FINISHED) for _ in range(300)} == {"totals"}
