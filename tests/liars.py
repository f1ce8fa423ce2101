"""Exceptions that lie about themselves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

__all__ = ["LIARS"]


class Named(type):
    @property
    def __name__(cls) -> str:  # type: ignore[override]
        raise RuntimeError("no name")


class BadName(Exception, metaclass=Named):
    pass


class BadClass(Exception):
    @property
    def __class__(self) -> Any:
        raise RuntimeError("no class")

    @__class__.setter
    def __class__(self, kind: Any) -> None:
        raise RuntimeError("no class")


class BadGroup(ExceptionGroup[Exception]):
    @property
    def exceptions(self) -> Any:
        raise RuntimeError("nothing inside")


class ReadOnlyCause(Exception):
    @property
    def __cause__(self) -> None:
        return None


class EndlessCause(Exception):
    @property
    def __cause__(self) -> Any:
        return EndlessCause()

    @__cause__.setter
    def __cause__(self, cause: object) -> None:
        pass


class EndlessGroup(ExceptionGroup[Exception]):
    @property
    def exceptions(self) -> Any:
        return (EndlessGroup("again", [ValueError()]),)


# Made in a test only: nobody else can stand to look at some of them.
LIARS: dict[str, Callable[[], BaseException]] = {
    "BadName": BadName,
    "BadClass": BadClass,
    "BadGroup": lambda: BadGroup("g", [ValueError()]),
    "ReadOnlyCause": ReadOnlyCause,
    "EndlessCause": EndlessCause,
    "EndlessGroup": lambda: EndlessGroup("g", [ValueError()]),
}
