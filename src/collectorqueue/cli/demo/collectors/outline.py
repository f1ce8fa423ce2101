"""`outline`: what every file defines, imports and is made of. Runs in worker processes.

Trees and tokens are what takes the demo's time; in a thread they keep the loop waiting for
the interpreter. A function at the top of a module is all that it takes to move them.
"""

from __future__ import annotations

import warnings

import msgspec

from collectorqueue import Error, Payload
from collectorqueue.cli.demo.events import Outlined, SourceFile
from collectorqueue.cli.demo.syntax import Unparsed, count_tokens, parse

__all__ = ["Source", "as_source", "outline"]


class Source(msgspec.Struct, frozen=True):
    """What of a file goes to a worker; no name: it is not a file."""

    name: str = ""
    data: bytes = b""


def as_source(value: object) -> Source:
    """The encoder's hook, for what it does not know."""
    if isinstance(value, SourceFile):
        return Source(value.text.name, value.text.data)
    raise TypeError(f"outline takes a SourceFile, got {type(value).__name__}")


def outline(payload: Payload[Source]) -> Outlined | Error | None:
    """Outline one file; a file that does not parse is an `Error`."""
    source = payload.value
    if not source.name:
        return None  # the scan is finished: the totals are not kept here
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # they are those of the sources that are parsed
        syntax = parse(source.data)
    if isinstance(syntax, Unparsed):
        return Error(f"{source.name} does not parse: {syntax.reason}")
    return Outlined(
        source.name, syntax.symbols, syntax.imports, count_tokens(source.data)
    )
