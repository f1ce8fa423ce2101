"""Workers that die within a frame, at any of its bytes, in both directions.

What came in part is nothing: an event whose answer was cut is lost with its worker, and an
event that was cut on its way was never begun, so that another worker runs it.
"""

from __future__ import annotations

import functools
import random
from typing import Any

import msgspec

from collectorqueue._native.wire import KIND_RESULT, pack_frame
from tests.fuzz.border import BorderFuzzer
from tests.fuzz.processors import FINISHED
from tests.fuzz.puppets import Frame, Puppet
from tests.fuzz.rounds import Verdict, Violation
from tests.fuzz.streams import HEAD_BYTES

__all__ = ["ANSWER_BYTES", "SENT_BYTES", "Cut", "CutFuzzer"]

BODY = bytes(range(250)) * 16
RAW = 1
EVENT_BYTES = 24 + len("same")  # what stands before its value
SENT_BYTES = HEAD_BYTES + EVENT_BYTES + len(BODY)
ANSWER_BYTES = HEAD_BYTES + FINISHED.size + len(BODY)


class Cut(msgspec.Struct):
    """Of the frame with the event, or with its answer, these first bytes."""

    of_answer: bool
    count: int


class CutFuzzer(BorderFuzzer):
    """A worker that dies in each round."""

    def make(self, chance: random.Random) -> Cut:  # type: ignore[override]
        of_answer = chance.random() < 0.5
        return Cut(
            of_answer, chance.randint(0, ANSWER_BYTES if of_answer else SENT_BYTES)
        )

    def check(self, given: Cut) -> Verdict:  # type: ignore[override]
        if not given.of_answer:
            self.stage.reads = given.count
            verdict = self.run(self.show([BODY], "same", {}))
            is_whole = given.count == SENT_BYTES
            if (
                self.stage.read is not None
            ) != is_whole or verdict is not Verdict.EQUAL:
                raise Violation(f"it came out as {self.stage.read!r:.200}: {verdict}")
            return verdict
        believed: dict[int, Any] = {}
        self.stage.part = functools.partial(answer_in_part, given.count, believed)
        verdict = self.run(self.show([None], "same", believed))
        if (verdict is Verdict.EQUAL) != (given.count == ANSWER_BYTES):
            raise Violation(f"an answer in part is {verdict}")
        return verdict


def answer_in_part(
    count: int, believed: dict[int, Any], puppet: Puppet, frame: Frame
) -> None:
    first, _, _ = frame
    puppet.bench.claim(first)
    head = FINISHED.pack(len(BODY), 0, first, 0, 0, RAW, 0)
    puppet.socket.send(pack_frame(KIND_RESULT, head + BODY, 1)[:count])
    if count == ANSWER_BYTES:
        believed[first] = BODY
    puppet.die()
