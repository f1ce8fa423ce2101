"""Work: what is sent, what must come back, and how much of it may be on its way."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import cycle, islice
from typing import Any

from benchmarks.workers.handlers import HANDLERS

__all__ = ["Work", "batches", "blobs_of", "work_of"]

WORKERS = 2
BLOB_BYTES = 1_000_000


@dataclass(frozen=True)
class Work:
    """The items are sent over and over in their order.

    There are so many that no chunk holds one twice: what is written once for two places
    would make it smaller. `in_flight` bounds what is sent and not yet answered, or a
    window more, where a rival sets no bound of its own; `batch` is for rivals that take
    items in batches.
    """

    handler: Callable[[Any], Any]
    payload_handler: Callable[[Any], Any]
    items: list[Any]
    in_flight: int
    batch: int
    workers: int = WORKERS

    def sent(self, count: int) -> Iterator[Any]:
        """The first so many."""
        return islice(cycle(self.items), count)

    def check(self, answers: list[Any], count: int) -> None:
        """Raise AssertionError unless each item has its answer, in the order sent."""
        assert len(answers) == count, f"{len(answers)} answers to {count} items"
        expected = [_answer(item) for item in self.items]
        for at, (answer, right) in enumerate(
            zip(answers, islice(cycle(expected), count), strict=True)
        ):
            assert answer == right, f"{answer!r} for item {at}, expected {right!r}"


def work_of(kind: str, work_us: float, rounds_per_us: float) -> Work:
    """Payloads of a kind, each with so many microseconds of work."""
    handler, payload_handler = HANDLERS[kind]
    make, count, in_flight = KINDS[kind]
    rounds = round(work_us * rounds_per_us)
    items = [make(number, rounds) for number in range(count)]
    # Batches are there to save trips, which long work and large payloads hide anyway;
    # small ones keep the workers equally busy.
    batch = max(1, min(64, in_flight // 16, round(10_000 / max(work_us, 1))))
    return Work(handler, payload_handler, items, in_flight, batch)


def blobs_of(size_bytes: int) -> Work:
    """Bytes of a size, without work; so many at a time that they take 64 MB at most."""
    count = max(8, min(2048, 64 * BLOB_BYTES // size_bytes))
    items = [_bytes(number, size_bytes) for number in range(count)]
    in_flight = min(count, 1024)
    return Work(*HANDLERS["blob"], items, in_flight, max(1, min(64, in_flight // 16)))


def batches(items: Iterator[Any], size: int) -> Iterator[list[Any]]:
    """Cut into lists of that length; the last may be shorter."""
    while batch := list(islice(items, size)):
        yield batch


def _record(number: int, rounds: int) -> dict[str, Any]:
    name, note = f"order-{number:08d}", f"{number:040d}"
    return {"id": number, "rounds": rounds, "name": name, "note": note}


def _rows(number: int, rounds: int) -> dict[str, Any]:
    return {"id": number, "rows": [f"{number:047d},{row:047d}" for row in range(100)]}


def _blob(number: int, rounds: int) -> bytes:
    return _bytes(number, BLOB_BYTES)


def _bytes(number: int, size_bytes: int) -> bytes:
    body = random.Random(number).randbytes(size_bytes - 8)
    return number.to_bytes(8, "big") + body


KINDS: dict[str, tuple[Callable[[int, int], Any], int, int]] = {
    "record": (_record, 2048, 1024),
    "rows": (_rows, 2048, 1024),
    "blob": (_blob, 64, 64),
}
"""How an item is made, how many there are, how many may be in flight."""


def _answer(item: Any) -> dict[str, Any]:
    """What a handler must answer, written down a second time."""
    if isinstance(item, bytes):
        number = int.from_bytes(item[:8], "big")
        return {"id": number, "bytes": len(item), "end": item[-32:].hex()}
    if "rows" in item:
        last = f"{item['id']:047d},{99:047d}"
        return {"id": item["id"], "lines": 100, "last": last}
    return {key: item[key] for key in ("id", "name", "note")} | {"ok": True}
