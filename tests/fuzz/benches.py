"""A worker's side of the border: frames whose events make no sense.

Such a frame has a good head: only a program that is broken itself would send it. The worker
ends for it, or runs what it can; it does not crash, and what it reads is within the frame.
"""

from __future__ import annotations

import mmap
import random
import struct
from types import TracebackType
from typing import Any, Self

import msgspec

from collectorqueue import Payload
from collectorqueue._native.page import Page, bytes_for
from collectorqueue._native.workbench import Tool, Workbench
from collectorqueue.workers.encoding import Encoding
from tests.fuzz.mutation import mutated
from tests.fuzz.rounds import Fuzzer, Verdict, Violation

__all__ = ["BenchFuzzer", "Events"]

STORE_BYTES = 4096
# An event in a frame, as wire.pxd has it: length, address_length, offset, priority,
# collector, form, mode.
ITEM = struct.Struct("<IIQiHBB")
PLACES = 1024
MOST_EVENTS = 64  # more than there can be in one of these frames
CLAIMS_AT = 4096
STORED, TUPLE, PRIORITISED = 16, 64, 128
ODD_NUMBERS = (0, 1, STORE_BYTES, 2**31 - 1, 2**32 - 1)
ODD_OFFSETS = (0, STORE_BYTES, 2**32, 2**63, 2**64 - 1, 2**64 - STORE_BYTES)
ADDRESSES = (b"", b"key", b"\xff\xfe", msgspec.msgpack.encode(["a", "b"]))


class Events(msgspec.Struct):
    """The body of a frame, and how many events it is said to have."""

    count: int
    body: bytes


class BenchFuzzer(Fuzzer):
    """A workbench that gets such frames, one after the other."""

    def __enter__(self) -> Self:
        self._memory = mmap.mmap(-1, bytes_for(STORE_BYTES))
        page = Page(self._memory, fresh=True)
        self._whole: list[bytes] = []
        self._bench = Workbench(
            page, ring_bell=lambda: None, send_whole=self._whole.append,
            begin_task=lambda *_: None, pack=msgspec.msgpack.encode,
            unpack=msgspec.msgpack.decode,
        )  # fmt: skip
        for takes in (Any, list[int]):
            encoding = Encoding(takes)
            self._bench.tools.append(
                Tool(
                    look_at, None, with_ctx=False, is_async=False,
                    decode=encoding.decode, encode_into=encoding.encode_into,
                    explain=encoding.explain,
                )
            )  # fmt: skip
        self._next = 1
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        del self._bench, self._memory

    def make(self, chance: random.Random) -> Events:
        count = chance.randint(1, 4)
        body = b"".join(event(chance) for _ in range(count))
        if chance.random() < 0.5:
            body = mutated(body, chance)
        return Events(chance.choice((count, count, 0, count + 1, 2**16 - 1)), body)

    def check(self, given: Events) -> Verdict:
        for sequence in range(self._next, self._next + MOST_EVENTS):
            place = CLAIMS_AT + 8 * (sequence % PLACES)
            struct.pack_into("<Q", self._memory, place, sequence << 2)  # it was sent
        before, first = self._bench.events, self._next
        self._next += MOST_EVENTS
        self._whole.clear()
        try:
            self._bench.run(first, given.count, given.body)
        except ValueError:
            return Verdict.REFUSED
        ran = self._bench.events - before
        if ran != given.count:
            raise Violation(f"it ran {ran} events of {given.count}, and said nothing")
        return Verdict.EQUAL


def event(chance: random.Random) -> bytes:
    """An event as a worker reads it; nearly every number in it may be wrong."""
    address = chance.choice(ADDRESSES)
    value = chance.choice((b"", b"\x93\x01\x02\x03", b"\xc1", chance.randbytes(30)))
    length, address_length, offset = len(value), len(address), 0
    form = chance.choice((0, 1, 2))
    if chance.random() < 0.3:
        form = chance.choice((form | STORED, form | STORED, 3, 255))
        offset = chance.choice(ODD_OFFSETS)
        length = chance.choice((length, length, *ODD_NUMBERS))
    elif chance.random() < 0.1:
        length = chance.choice(ODD_NUMBERS)
    elif chance.random() < 0.1:
        address_length = chance.choice(ODD_NUMBERS)
    head = ITEM.pack(
        length, address_length, offset, chance.choice((0, 5, -(2**31))),
        chance.choice((0, 1, 1, 0, 2, 65535) if chance.random() < 0.2 else (0, 1)),
        form, chance.choice((0, 1, 2, 3, 1 | TUPLE, 2 | TUPLE, 3 | PRIORITISED, 255)),
    )  # fmt: skip
    return head + address + value


def look_at(payload: Payload[Any]) -> Any:
    """All that there is to be seen of it."""
    return [
        payload.value,
        payload.keys,
        payload.topics,
        payload.priority,
        payload.delivery,
    ]
