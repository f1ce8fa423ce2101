"""Syntax: what the demo wants to know of a file's syntax tree.

Rules of residence: trees stay in here. One takes forty times the memory of its text, in
objects that the garbage collector visits again and again; what leaves is a short list.
"""

from __future__ import annotations

import ast
import io
import token
import tokenize
from collections import Counter
from collections.abc import Iterator

import msgspec

__all__ = ["Symbol", "Syntax", "Unparsed", "count_tokens", "parse"]

Named = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
BODIES = ("body", "handlers", "cases", "orelse", "finalbody")


class Symbol(msgspec.Struct, frozen=True):
    """A function or class, with its first and last line."""

    name: str  # qualified: Class.method
    kind: str
    line: int
    last_line: int

    @property
    def length(self) -> int:
        """In lines."""
        return self.last_line - self.line + 1


class Syntax(msgspec.Struct, frozen=True):
    """What one file defines and imports."""

    symbols: list[Symbol]  # nested ones included, in line order
    imports: set[str]  # top-level modules, of absolute imports


class Unparsed(msgspec.Struct, frozen=True):
    """Why a file has no syntax."""

    reason: str


def parse(data: bytes) -> Syntax | Unparsed:
    """The syntax of a file, decoded as it declares (PEP 263), or why there is none."""
    try:
        tree = ast.parse(data)
    except SyntaxError as error:
        return Unparsed(f"line {error.lineno}: {error.msg}")
    # What CPython raises besides: for NUL bytes, and for nesting that is too deep.
    except (ValueError, RecursionError, MemoryError) as error:
        return Unparsed(str(error) or type(error).__name__)
    syntax = Syntax([], set())
    for scope, node in statements(tree):
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                syntax.symbols.append(_symbol(scope, node))
            case ast.Import():
                syntax.imports.update(_package(alias.name) for alias in node.names)
            case ast.ImportFrom(module=str() as module, level=0):
                syntax.imports.add(_package(module))
    syntax.symbols.sort(key=lambda symbol: symbol.line)
    return syntax


def count_tokens(data: bytes) -> dict[str, int]:
    """How many tokens of each kind a file has, as far as it can be read as tokens."""
    kinds: Counter[int] = Counter()
    try:
        for each in tokenize.tokenize(io.BytesIO(data).readline):
            kinds[each.type] += 1
    except (tokenize.TokenError, SyntaxError, ValueError):
        pass  # its syntax was good: the rest is a matter of taste
    return {token.tok_name[kind].lower(): count for kind, count in kinds.items()}


def statements(tree: ast.Module) -> Iterator[tuple[str, ast.AST]]:
    """All that is a statement or holds some, with its scope: `""`, `"Class.method."`.

    What is looked for are statements, so expressions need no visit: they are nine
    tenths of the nodes.
    """
    waiting: list[tuple[str, ast.AST]] = [("", tree)]
    while waiting:
        scope, parent = waiting.pop()
        yield scope, parent
        inner = f"{scope}{parent.name}." if isinstance(parent, Named) else scope
        for body in BODIES:
            waiting += [(inner, node) for node in getattr(parent, body, ())]


def _symbol(
    scope: str, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
) -> Symbol:
    kind = "class" if isinstance(node, ast.ClassDef) else "function"
    return Symbol(scope + node.name, kind, node.lineno, node.end_lineno or node.lineno)


def _package(module: str) -> str:
    return module.partition(".")[0]
