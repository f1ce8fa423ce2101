"""Import paths: how a worker finds the functions and types that a collector is made of.

Rules of residence: names for things, and things for names. Nothing is sent but names, so
what a worker could not find by its name is refused, with the reason and what to do.
"""

from __future__ import annotations

import ast
import contextvars
import importlib
import inspect
import os
import runpy
import sys
import types
import typing
from collections.abc import Iterable, Iterator
from pathlib import Path as FilePath
from typing import Any

import msgspec

from collectorqueue.errors import ConfigError

__all__ = [
    "Main",
    "Path",
    "TypePath",
    "main_for",
    "path_of",
    "refuse_in_import",
    "type_path_of",
]

MAIN = "__main__"
IN_A_MODULE = "define it with `def` at the top level of a module"

IMPORTING_MAIN: contextvars.ContextVar[bool] = contextvars.ContextVar(
    "collectorqueue_importing_main", default=False
)
"""Set in a worker while it imports the program's own file, which must start nothing then."""


class Path(msgspec.Struct, frozen=True):
    """Where something is: a module, and a name in it."""

    module: str
    name: str

    def find(self) -> Any:
        """What is there; imports the module. Raises ImportError or AttributeError."""
        found: Any = importlib.import_module(self.module)
        for part in self.name.split("."):
            found = getattr(found, part)
        return found


class TypePath(msgspec.Struct, frozen=True):
    """A type: by its path, or an origin with arguments; `literals` of a Literal."""

    path: Path | None = None
    origin: Path | None = None
    arguments: tuple[TypePath, ...] = ()
    literals: tuple[str | int | bool | None, ...] = ()

    def paths(self) -> Iterator[Path]:
        """All that it is made of."""
        for path in (self.path, self.origin):
            if path is not None:
                yield path
        for each in self.arguments:
            yield from each.paths()

    def find(self) -> Any:
        """The type."""
        if self.path is not None:
            # The only one whose name is not an attribute's.
            return None if self.path.name == "None" else self.path.find()
        assert self.origin is not None
        if self.literals:
            return typing.Literal[self.literals]
        origin = self.origin.find()
        arguments = tuple(each.find() for each in self.arguments)
        return origin[arguments if len(arguments) != 1 else arguments[0]]


class Main(msgspec.Struct, frozen=True):
    """The program's `__main__`: a module by name, or a file, as the system spells it."""

    module: str | None = None
    file: bytes | None = None

    def load(self) -> None:
        """In a worker: have it in `sys.modules` under its own name."""
        token = IMPORTING_MAIN.set(True)
        try:
            if self.module is not None:
                sys.modules[MAIN] = importlib.import_module(self.module)
                return
            assert self.file is not None
            loaded = types.ModuleType("__mp_main__")
            # The name that multiprocessing gives it, which no guard matches.
            sys.modules["__mp_main__"] = sys.modules[MAIN] = loaded
            file = os.fsdecode(self.file)
            loaded.__dict__.update(runpy.run_path(file, run_name="__mp_main__"))
        finally:
            IMPORTING_MAIN.reset(token)

    @classmethod
    def of_this_program(cls) -> Main:
        """Raises ConfigError where a worker could not load it."""
        main = sys.modules[MAIN]
        spec = getattr(main, "__spec__", None)
        file = getattr(main, "__file__", None)
        module = None if spec is None or spec.name == MAIN else spec.name
        if module is None and (file is None or not FilePath(file).is_file()):
            raise ConfigError(
                "it is defined at a prompt, in a notebook, in `python -c` or in a zip file "
                f"that is run, where a worker cannot import it; {IN_A_MODULE}"
            )
        if file is not None and not _has_guard(file):
            raise ConfigError(
                f"{file} has no `if __name__ == '__main__':`, and a worker that imports it "
                "would run the whole program; put what starts the program under that line"
            )
        if module is not None:
            return cls(module=module)
        assert file is not None
        return cls(file=os.fsencode(FilePath(file).resolve()))


def main_for(paths: Iterable[Iterable[Path]]) -> Main | None:
    """The program's own file, if one of these is in it."""
    if any(path.module == MAIN for several in paths for path in several):
        return Main.of_this_program()
    return None


def refuse_in_import() -> None:
    """Raises ConfigError in a worker that is importing the program's own file."""
    if IMPORTING_MAIN.get():
        raise ConfigError(
            "a worker that imports the program's own file would start the queue again; put "
            "what starts it under `if __name__ == '__main__':`"
        )


def path_of(what: str, thing: Any) -> Path:
    """The import path of a function or class. Raises ConfigError, saying why not."""
    name = getattr(thing, "__qualname__", None)
    module = getattr(thing, "__module__", None)
    if inspect.ismethod(thing) and not inspect.isclass(thing.__self__):
        raise _refused(what, thing, f"it is a method of an object; {IN_A_MODULE}")
    if not isinstance(name, str) or not isinstance(module, str):
        raise _refused(what, thing, f"it is an object without a name; {IN_A_MODULE}")
    if name.rpartition(".")[2] == "<lambda>":
        raise _refused(what, thing, f"a lambda has no name; {IN_A_MODULE}")
    if "<locals>" in name:
        inside = name.split(".<locals>")[0]
        raise _refused(what, thing, f"it is defined inside {inside}(); {IN_A_MODULE}")
    try:
        found = Path(module, name).find()
    except (ImportError, AttributeError) as error:
        raise _refused(what, thing, f"{module}.{name} is not there: {error}") from None
    if found is not thing and found != thing:
        raise _refused(
            what, thing,
            f"{module}.{name} is another object, {found!r}, which a decorator may have put "
            "there; keep the plain function under its own name",
        )  # fmt: skip
    if module == MAIN:
        try:
            Main.of_this_program()
        except ConfigError as error:
            raise _refused(what, thing, str(error)) from None
    return Path(module, name)


def type_path_of(what: str, kind: Any) -> TypePath:
    """The same for a type: a class, one with arguments, a union or a Literal."""
    if kind is None or kind is type(None):
        return TypePath(path=Path("builtins", "None"))
    if kind is Any:
        return TypePath(path=Path("typing", "Any"))
    if kind is Ellipsis:
        return TypePath(path=Path("builtins", "Ellipsis"))
    origin: Any = typing.get_origin(kind)
    if not origin:
        if not inspect.isclass(kind):
            raise _refused(what, kind, "it is neither a class nor made of classes")
        return TypePath(path=path_of(what, kind))
    if origin is typing.Literal:
        return TypePath(origin=Path("typing", "Literal"), literals=typing.get_args(kind))
    if origin in (typing.Union, types.UnionType):
        path = Path("typing", "Union")
    else:
        path = path_of(what, origin)
    arguments = tuple(type_path_of(what, each) for each in typing.get_args(kind))
    return TypePath(origin=path, arguments=arguments)


def _refused(what: str, thing: Any, why: str) -> ConfigError:
    return ConfigError(f"{what} {thing!r} cannot be found by a worker: {why}")


def _has_guard(file: str) -> bool:
    """Whether something in it depends on `__name__`."""
    try:
        tree = ast.parse(FilePath(file).read_bytes())
    except (OSError, SyntaxError, ValueError):
        return True  # it runs, somehow: the worker will say what it finds
    return any(
        isinstance(name, ast.Name) and name.id == "__name__"
        for node in tree.body
        if isinstance(node, ast.If)
        for name in ast.walk(node.test)
    )
