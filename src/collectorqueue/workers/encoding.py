"""What a value is on the wire: msgpack, with a collector's own hooks.

Rules of residence: encoders and decoders, and the error that says what cannot be encoded.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec

from collectorqueue._native.workbench import name_of, text_of
from collectorqueue.errors import NotEncodable, PayloadInvalid

__all__ = ["Encoding", "decode_apart", "undecodable"]

Hook = Callable[..., Any] | None

DEEPEST = 64  # levels looked into for what cannot be encoded
WIDEST = 10_000  # items of one level


class Encoding:
    """One collector's encoder and decoder."""

    def __init__(
        self, payload_type: Any = None, enc_hook: Hook = None, dec_hook: Hook = None
    ) -> None:
        self._encoder = msgspec.msgpack.Encoder(enc_hook=enc_hook)
        self.encode_into = self._encoder.encode_into
        kind = Any if payload_type is None else payload_type
        self._kind = getattr(kind, "__name__", repr(kind))
        self._decode = msgspec.msgpack.Decoder(kind, dec_hook=dec_hook).decode
        self.decode = self._decode if payload_type is None else self.decode_checked
        # As they are, where nothing else is asked for.
        self.takes_raw = payload_type in (None, Any, bytes, object)

    def decode_checked(self, data: Any) -> Any:
        """A value of the type that was asked for. Raises PayloadInvalid."""
        try:
            return self._decode(data)
        except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
            raise PayloadInvalid(f"the value is no {self._kind}: {error}") from None

    def explain(self, value: Any, error: BaseException) -> NotEncodable:
        """Which part of a value cannot be encoded, and why; the error is its encoder's.

        Raises nothing, whatever the value does when it is looked at.
        """
        found = "$", value, said(error)
        with contextlib.suppress(BaseException):
            found = self._culprit(*found)
        path, part, why = found
        name = name_of(type(part))
        return NotEncodable(f"a {name} cannot be encoded, at `{path}`: {why}", name, path)

    def _culprit(self, path: str, part: Any, why: str) -> tuple[str, Any, str]:
        """The smallest part that cannot be encoded."""
        for _ in range(DEEPEST):
            for step, inner in _parts(part):
                problem = self._problem(inner)
                if problem is not None:
                    path, part, why = path + step, inner, problem
                    break
            else:
                return path, part, why
        return path, part, f"it is nested deeper than {DEEPEST} levels, or contains itself"

    def _problem(self, value: Any) -> str | None:
        try:
            self._encoder.encode(value)
        except BaseException as error:  # a hook may raise anything
            return said(error)
        return None


def undecodable(error: Exception) -> list[Any]:
    """The failure that it is if what a worker returned cannot be decoded here."""
    text = f"what it returned can be encoded, but not decoded again: {said(error)}"
    return ["collectorqueue.errors.NotEncodable", text, "", None]


def decode_apart(data: bytes) -> list[Any]:
    """A batch's results; those that cannot be decoded are failures. Raises MsgspecError."""
    found: list[Any] = []
    for parts in msgspec.msgpack.decode(data, type=list[list[msgspec.Raw]]):
        try:
            found.append([msgspec.msgpack.decode(part) for part in parts])
        except (msgspec.MsgspecError, TypeError, ValueError, RecursionError) as error:
            found.append([1, *undecodable(error), False])
    return found


def said(error: BaseException) -> str:
    """What an exception says, or else its name."""
    text = text_of(error)
    return text or name_of(type(error))


def _parts(value: Any) -> Iterator[tuple[str, Any]]:
    """What a value is made of, each with its step in a path."""
    if isinstance(value, Mapping):
        items = iter(value.items())
        for _, (key, inner) in zip(range(WIDEST), items, strict=False):
            shown = _shown(key)
            yield f".key({shown})", key
            yield f".{key}" if isinstance(key, str) else f"[{shown}]", inner
    elif isinstance(value, (list, tuple, set, frozenset)):
        for at, inner in zip(range(WIDEST), value, strict=False):
            yield f"[{at}]", inner
    elif isinstance(value, msgspec.Struct):
        for name in value.__struct_fields__:
            yield f".{name}", getattr(value, name)
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        for field in dataclasses.fields(value):
            yield f".{field.name}", getattr(value, field.name, None)


def _shown(key: Any) -> str:
    """A key as text; it may refuse to be shown."""
    try:
        return f"{key!r:.40}"
    except BaseException:
        return f"<a {name_of(type(key))}>"
