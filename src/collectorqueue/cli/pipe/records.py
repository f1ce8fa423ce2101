"""One line in, one line out: the records of `pipe`, and what can be wrong with them.

Rules of residence: bytes to payload, event to bytes. Nothing here waits.
"""

from __future__ import annotations

from typing import Any

import msgspec

from collectorqueue import CollectorEvent, Error, Payload, Result
from collectorqueue._native.accounts import encodable
from collectorqueue.cli.words import describe
from collectorqueue.errors import ConfigError

__all__ = ["InputLine", "MalformedLine", "OutputLine", "decode", "encode"]

Names = str | list[str] | None


class InputLine(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a line of input says. A misspelt name would make a broadcast of it."""

    value: Any
    keys: Names = None
    topics: Names = None
    priority: int | None = None
    ordering_key: str | int | None = None
    delay: float | None = None
    ttl: float | None = None


class OutputLine(msgspec.Struct, frozen=True):
    """What became of the event that a line of input was.

    A result is `{"collector": key, "ok": value}` or
    `{"collector": key, "error": text}`; the key is null where no collector answered.
    """

    line: int
    outcome: str
    results: list[dict[str, Any]]


class MalformedLine(ValueError):
    """A line that cannot become a payload; the message says why."""


_decoder = msgspec.json.Decoder(InputLine)
_encoder = msgspec.json.Encoder()


def decode(line: bytes) -> Payload[Any]:
    """The payload that a line describes. Raises MalformedLine."""
    try:
        said = _decoder.decode(line)
        return Payload(**msgspec.structs.asdict(said))
    # Wrong as JSON or as a record; not UTF-8; nested too deep; wrong as a payload.
    except (
        msgspec.MsgspecError, UnicodeDecodeError, RecursionError, ConfigError,
    ) as error:  # fmt: skip
        raise MalformedLine(str(error)) from error


def encode(number: int, event: CollectorEvent) -> tuple[bytes, bool]:
    """The line for an event that has ended, and whether all of it is well.

    A value that JSON cannot express becomes an error text in its place.
    """
    outcome, results = event.outcome, event.get_result()
    assert outcome is not None, "the event has ended"
    assert results is not None, "so it has results"
    shown = [_shown(key, result) for key, result in results.items()]
    line = OutputLine(number, outcome, [each for each, _ in shown])
    is_well = outcome == "ok" and all(well for _, well in shown)
    return _encoder.encode(line) + b"\n", is_well


def _shown(key: str | None, result: Result) -> tuple[dict[str, Any], bool]:
    collector = None if key is None else encodable(key)
    if isinstance(result, Error):
        return {"collector": collector, "error": describe(result.err)}, False
    try:
        value = msgspec.Raw(_encoder.encode(result.value))
    except Exception as error:  # encoding runs into objects of the user's own
        text = f"the value cannot be written as JSON: {describe(error)}"
        return {"collector": collector, "error": text}, False
    return {"collector": collector, "ok": value}, True
