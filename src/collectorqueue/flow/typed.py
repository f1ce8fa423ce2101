"""Typed payloads: values made what a collector asks for, and checked, by msgspec.

Rules of residence: one value and its type. When it is done, and that it is done once for an
event whose collectors ask for the same, is decided by the compiled core.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from collectorqueue._native.payload import Payload
from collectorqueue.errors import ConfigError, PayloadInvalid
from collectorqueue.flow.collector import Collector

__all__ = ["Converters"]

Convert = Callable[[Payload[Any]], Payload[Any]]

BYTES = (bytes, bytearray, memoryview)


class Converters:
    """What makes the payloads of one queue what its collectors ask for; one a type."""

    def __init__(self) -> None:
        self._made: dict[object, Convert] = {}

    def of(self, collector: Collector) -> Convert | None:
        """The one that a collector needs; the same for all that ask for the same.

        Raises ConfigError for a type that msgspec cannot make.
        """
        kind = collector.payload_type
        if kind is None:
            return None
        try:
            hash(kind)
        except TypeError:
            return converter(collector)
        asked = (kind, collector.encoding, collector.dec_hook)
        if asked not in self._made:
            self._made[asked] = converter(collector)
        return self._made[asked]


def converter(collector: Collector) -> Convert:
    """From a payload to one whose value is of the collector's type."""
    kind, hook = collector.payload_type, collector.dec_hook
    decoder: Any
    try:
        if collector.encoding == "json":
            decoder = msgspec.json.Decoder(kind, dec_hook=hook)
        else:
            decoder = msgspec.msgpack.Decoder(kind, dec_hook=hook)
    except TypeError as error:
        raise ConfigError(
            f"collector {collector.key!r}: payload_type {kind!r} cannot be decoded to: {error}"
        ) from error
    encoded = (*BYTES, str) if collector.encoding == "json" else BYTES
    takes_text = isinstance(kind, type) and issubclass(kind, (str, *BYTES))
    is_class = isinstance(kind, type)

    def convert(payload: Payload[Any]) -> Payload[Any]:
        value = payload.value
        if is_class and type(value) is kind:
            return payload
        try:
            if isinstance(value, encoded) and not takes_text:
                made = decoder.decode(value)
            else:
                made = msgspec.convert(value, kind, dec_hook=hook)
        except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
            raise invalid(collector, value, error) from None
        return payload.with_value(made)

    return convert


def invalid(collector: Collector, value: object, error: Exception) -> PayloadInvalid:
    """What is wrong with a value, and where in it."""
    name = getattr(collector.payload_type, "__name__", repr(collector.payload_type))
    why = str(error)
    if issubclass(type(error), RecursionError):
        why = "it is nested too deeply"
    return PayloadInvalid(
        f"a {type(value).__name__} is no {name}, for collector {collector.key!r}: {why}"
    )
