"""What the worker processes run: one handler for each kind of payload.

Rules of residence: functions of a module, so that each rival can import them. They
take the bare value and answer with about 100 bytes. Work is an empty loop that turns as
often as the value says: counted and not timed, so that all rivals do the same.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from collectorqueue import Payload

__all__ = [
    "HANDLERS",
    "blob",
    "of_payload_blob",
    "of_payload_record",
    "of_payload_rows",
    "record",
    "rows",
    "spin",
]

Answer = dict[str, Any]


def spin(rounds: int) -> None:
    """Keep the processor busy."""
    for _ in range(rounds):
        pass


def record(value: dict[str, Any]) -> Answer:
    """For a dict of 100 bytes."""
    spin(value["rounds"])
    return {"id": value["id"], "name": value["name"], "note": value["note"], "ok": True}


def rows(value: dict[str, Any]) -> Answer:
    """For a dict of 10 KB."""
    lines = value["rows"]
    return {"id": value["id"], "lines": len(lines), "last": lines[-1]}


def blob(value: bytes) -> Answer:
    """For bytes: a number in front, and an end that shows they came whole."""
    number = int.from_bytes(value[:8], "big")
    return {"id": number, "bytes": len(value), "end": value[-32:].hex()}


def of_payload_record(payload: Payload[dict[str, Any]]) -> Answer:
    """For collectorqueue, whose handlers take payloads."""
    return record(payload.value)


def of_payload_rows(payload: Payload[dict[str, Any]]) -> Answer:
    """For collectorqueue, whose handlers take payloads."""
    return rows(payload.value)


def of_payload_blob(payload: Payload[bytes]) -> Answer:
    """For collectorqueue, whose handlers take payloads."""
    return blob(payload.value)


HANDLERS: dict[str, tuple[Callable[[Any], Answer], Callable[[Any], Answer]]] = {
    "record": (record, of_payload_record),
    "rows": (rows, of_payload_rows),
    "blob": (blob, of_payload_blob),
}
"""By kind of payload: for the bare value, and for a payload."""
