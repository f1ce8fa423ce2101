"""What is read from a syntax tree."""

from __future__ import annotations

import textwrap
import warnings

import pytest

from collectorqueue.cli.demo.syntax import Symbol, Syntax, Unparsed, parse

SOURCE = """
import os, os.path as p
from a.b import c
from . import sibling
from .d import e

class Outer:
    def method(self):
        import json
        def inner():
            pass

    class Nested:
        async def late(self): pass

if True:
    try:
        def guarded():
            return lambda: 1
    except ImportError:
        import fallback
    finally:
        import cleanup
match 1:
    case 1:
        def in_case(): pass
"""


def parsed(source: str | bytes) -> Syntax:
    data = source if isinstance(source, bytes) else source.encode()
    syntax = parse(data)
    assert isinstance(syntax, Syntax)
    return syntax


def test_every_function_and_class_is_a_symbol_with_its_qualified_name() -> None:
    assert [(each.name, each.kind, each.line) for each in parsed(SOURCE).symbols] == [
        ("Outer", "class", 7),
        ("Outer.method", "function", 8),
        ("Outer.method.inner", "function", 10),
        ("Outer.Nested", "class", 13),
        ("Outer.Nested.late", "function", 14),
        ("guarded", "function", 18),
        ("in_case", "function", 26),
    ]


def test_a_symbol_ends_with_its_last_line() -> None:
    function, _ = parsed("def f():\n    x = [\n    ]\ndef g(): pass\n").symbols
    assert function == Symbol("f", "function", 1, 3)
    assert function.length == 3


def test_absolute_imports_count_by_their_top_level_module_wherever_they_stand() -> None:
    assert parsed(SOURCE).imports == {"os", "a", "json", "fallback", "cleanup"}


def test_source_is_decoded_as_it_declares() -> None:
    assert parsed("# coding: latin-1\ndef é(): pass\n".encode("latin-1")).symbols


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"def f(:\n", "line 1: invalid syntax"),
        (b"x = 1\nclass\n", "line 2: invalid syntax"),
        (b"# coding: uft-8\n", "line 0: unknown encoding: uft-8"),
        (b"(" * 300, "line 1: too many nested parentheses"),
    ],
)
def test_a_file_that_does_not_parse_says_why(data: bytes, reason: str) -> None:
    assert parse(data) == Unparsed(reason)


@pytest.mark.parametrize("data", [b"x = 1\0\n", b"x = '\xff'\n", b"-" * 100_000 + b"1"])
def test_no_bytes_raise(data: bytes) -> None:
    syntax = parse(data)
    assert isinstance(syntax, Unparsed)
    assert syntax.reason


def test_warnings_about_the_source_may_be_ignored_from_outside() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert parsed(textwrap.dedent("x = '\\d' is 1\n")) == Syntax([], set())
