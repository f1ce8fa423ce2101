"""Which module imports which, read from .py, .pyx and .pxd files, none of them run."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.house.checkout import module_name

# `from a.b cimport c, d`, `from a import (`, `cimport a.b as c`, `import a, b`
CYTHON_IMPORT = re.compile(
    r"^(?P<indent>[ \t]*)"
    r"(?:from[ \t]+(?P<source>[\w.]+)[ \t]+c?import\b[ \t]*(?P<names>\([^)]*\)|[^\n#]*)"
    r"|c?import[ \t]+(?P<modules>[\w., \t]+))",
    re.MULTILINE,
)


@dataclass(frozen=True, slots=True)
class Import:
    imported: str
    names: tuple[str, ...]
    line: int
    in_function: bool

    def targets(self, modules: set[str]) -> set[str]:
        """The modules it reaches: `from room import module` means the module."""
        inner = {f"{self.imported}.{name}" for name in self.names} & modules
        return inner or ({self.imported} & modules)


def imports_of(file: Path) -> list[Import]:
    text = file.read_text(encoding="utf-8")
    read = _python_imports if file.suffix == ".py" else _cython_imports
    return list(read(text))


def import_graph(files: list[Path]) -> dict[str, set[str]]:
    """Module -> the modules among these that it imports; .pyx and .pxd count as one."""
    modules = {module_name(file) for file in files}
    graph: dict[str, set[str]] = {name: set() for name in modules}
    for file in files:
        name = module_name(file)
        for each in imports_of(file):
            graph[name] |= each.targets(modules) - {name}
    return graph


def cython_closure(source: Path) -> set[Path]:
    """The files whose change must rebuild this .pyx: itself, every .pxd it reaches."""
    root = source.parents[2]  # the folder that holds collectorqueue/_native/
    found: set[Path] = set()
    waiting = [source, source.with_suffix(".pxd")]
    while waiting:
        file = waiting.pop()
        if file in found or not file.exists():
            continue
        found.add(file)
        for each in imports_of(file):
            inner = (f"{each.imported}.{name}" for name in each.names)
            for module in (each.imported, *inner):
                waiting.append(root / f"{module.replace('.', '/')}.pxd")
    return found


def without_strings(text: str) -> str:
    """The text with triple-quoted strings emptied, its line numbers kept."""
    return re.sub(
        r'"""(.*?)"""', lambda match: "\n" * match[1].count("\n"), text, flags=re.DOTALL
    )


def _python_imports(text: str) -> Iterator[Import]:
    def visit(node: ast.AST, in_function: bool) -> Iterator[Import]:
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(alias.name, (), node.lineno, in_function)
        elif isinstance(node, ast.ImportFrom):
            source = "." * node.level + (node.module or "")
            names = tuple(alias.name for alias in node.names)
            yield Import(source, names, node.lineno, in_function)
        functions = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
        for child in ast.iter_child_nodes(node):
            yield from visit(child, in_function or isinstance(node, functions))

    yield from visit(ast.parse(text), in_function=False)


def _cython_imports(text: str) -> Iterator[Import]:
    text = without_strings(text)
    for match in CYTHON_IMPORT.finditer(text):
        line = text.count("\n", 0, match.start()) + 1
        indented = bool(match["indent"])
        if match["source"]:
            names = re.sub(r"#[^\n]*|[()]", "", match["names"]).split(",")
            bare = tuple(name.split()[0] for name in names if name.strip())
            yield Import(match["source"], bare, line, indented)
            continue
        for module in match["modules"].split(","):
            yield Import(module.split()[0], (), line, indented)
