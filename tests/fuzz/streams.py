"""Frames on the socket: whatever happens to their bytes, only what was sent comes out."""

from __future__ import annotations

import random
import struct
from itertools import pairwise

import msgspec

from collectorqueue._native.wire import (
    KIND_ITEMS,
    KIND_NOTE,
    KIND_RESULT,
    Reader,
    pack_frame,
)
from tests.fuzz.mutation import mutated, rearranged
from tests.fuzz.rounds import Fuzzer, Verdict, Violation

__all__ = ["HEAD_BYTES", "Stream", "StreamFuzzer"]

HEAD_BYTES = 32
LENGTH = struct.Struct("<8xI")  # where a head has the length of its body
KINDS = (KIND_ITEMS, KIND_NOTE, KIND_RESULT)


class Stream(msgspec.Struct):
    """Frames as they were sent, and the bytes that came in, in these pieces."""

    sent: list[tuple[int, bytes]]
    pieces: list[bytes]


class StreamFuzzer(Fuzzer):
    """What comes out are the first of the frames that were sent: unchanged and in order.

    What is not the next of them is refused as soon as its head is there, however long it
    says that it is; so nothing is waited for that was never sent.
    """

    def make(self, chance: random.Random) -> Stream:
        sent = [
            (chance.choice(KINDS), chance.randbytes(chance.choice((0, 1, 7, 40, 4096))))
            for _ in range(chance.randint(1, 6))
        ]
        frames = [
            bytes(pack_frame(kind, body, number))
            for number, (kind, body) in enumerate(sent)
        ]
        if chance.random() < 0.3:
            data = b"".join(rearranged(frames, chance))
        else:
            data = mutated(b"".join(frames), chance)
        cuts = sorted(
            chance.randrange(len(data) + 1) for _ in range(chance.randrange(4))
        )
        return Stream(sent, [data[a:b] for a, b in pairwise([0, *cuts, len(data)])])

    def check(self, given: Stream) -> Verdict:
        reader = Reader()
        found: list[tuple[int, bytes]] = []
        refused = False
        for piece in given.pieces:
            reader.feed(piece)
            try:
                while (frame := reader.next()) is not None:
                    kind, first, count, body = frame
                    found.append((kind, body))
                    if first or count:
                        raise Violation(f"a frame says {first} and {count}")
            except ValueError:
                refused = True
                break
        if found != given.sent[: len(found)]:
            raise Violation("a frame came out that was not sent")
        if not refused:
            self.waits_for_what_was_sent(given, len(found))
        return Verdict.REFUSED if refused else Verdict.EQUAL

    def waits_for_what_was_sent(self, given: Stream, read: int) -> None:
        """What is left is less than a head, or begins with that of the next frame."""
        left = b"".join(given.pieces)
        left = left[sum(HEAD_BYTES + len(body) for _, body in given.sent[:read]) :]
        if len(left) < HEAD_BYTES:
            return
        if read == len(given.sent):
            raise Violation("it waits for more than was sent")
        kind, body = given.sent[read]
        if left[:HEAD_BYTES] != pack_frame(kind, body, read)[:HEAD_BYTES]:
            (length,) = LENGTH.unpack_from(left)
            raise Violation(f"it waits for {length} bytes because of a garbled head")
