"""The parts that puppets play: how a worker can go wrong that has been given events.

Rules of residence: one function a way, from what it was given and the round's dice to bytes
on the border. A part tells what its worker may be believed in: an answer, by the number of
an event that it was given. What else it writes must not come of any event.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Callable
from typing import Any

import msgspec

from collectorqueue._native.wire import KIND_RESULT, pack_frame
from collectorqueue.workers.messages import Ended, LogLine, Ready
from tests.fuzz.mutation import mutated
from tests.fuzz.processors import FINISHED
from tests.fuzz.puppets import Frame, Puppet

__all__ = ["LIE", "PARTS", "Play"]

Play = Callable[[Puppet, Frame, random.Random], dict[int, Any]]

LIE = "what no collector has returned"

# The page, as page.pxd has it.
BEGUN_AT, RING_AT, RING_BYTES, CLAIMS_AT = 12_288, 20_480, 1_048_576, 4096
WRITTEN_AT = 64
COLLECTOR_AT = 20  # of an event in a frame, as wire.pxd has it
PACKED, RAW, NOTHING, FAILURE = range(4)


def answer(puppet: Puppet, sequence: int, value: Any) -> None:
    """A good result, in the ring."""
    puppet.bench.finish(sequence, puppet.bench.tools[0], value, 0)


def result(puppet: Puppet, sequence: int, kind: int, body: bytes, **other: int) -> None:
    """A result whole on the socket, in a good frame."""
    length = other.get("length", len(body))
    run_ns, flags = other.get("run_ns", 0), other.get("flags", 0)
    head = FINISHED.pack(length, 0, sequence, run_ns, 0, kind, flags)
    puppet.line.send_whole(head + body)


def some(frame: Frame, chance: random.Random) -> int:
    """The number of an event of the frame."""
    first, count, _ = frame
    return first + chance.randrange(count)


def run_some(puppet: Puppet, frame: Frame, chance: random.Random) -> None:
    """Run the first events of a frame, and begin the next."""
    first, count, body = frame
    done = chance.randrange(count)
    puppet.run((first, done, body))
    puppet.bench.claim(first + done)


def is_batch(frame: Frame) -> bool:
    """Whether its first event is for the second collector."""
    return bool(frame[2][COLLECTOR_AT])


def stranger(frame: Frame, chance: random.Random) -> int:
    """A number that no event has that the worker was given."""
    first, _, _ = frame
    return chance.choice((0, first + 100, first + 1024, 2**62 - 1))


def honest(puppet: Puppet, frame: Frame, chance: random.Random) -> dict[int, Any]:
    puppet.run(frame)
    return {}


def dies(puppet: Puppet, frame: Frame, chance: random.Random) -> dict[int, Any]:
    """After some of its events."""
    run_some(puppet, frame, chance)
    puppet.die()
    return {}


def answers_strangers(
    puppet: Puppet, frame: Frame, chance: random.Random
) -> dict[int, Any]:
    """For events that it was not given, in the ring and on the socket."""
    answer(puppet, stranger(frame, chance), LIE)
    result(puppet, stranger(frame, chance), RAW, LIE.encode())
    puppet.run(frame)
    answer(puppet, stranger(frame, chance), LIE)
    puppet.line.ring()
    return {}


def answers_twice(
    puppet: Puppet, frame: Frame, chance: random.Random
) -> dict[int, Any]:
    """The first answer stands."""
    puppet.rings = False
    puppet.run(frame)
    puppet.rings = True
    answer(puppet, some(frame, chance), LIE)
    puppet.line.ring()
    return {}


def answers_unbegun(
    puppet: Puppet, frame: Frame, chance: random.Random
) -> dict[int, Any]:
    """What it was given and has not run: it is believed, once."""
    sequence = some(frame, chance)
    answer(puppet, sequence, LIE)
    puppet.line.ring()
    return {sequence: LIE}


def garbles_ring(puppet: Puppet, frame: Frame, chance: random.Random) -> dict[int, Any]:
    """Changes bytes of results that were not taken in yet."""
    puppet.rings = False
    start = written(puppet)
    puppet.run(frame)
    puppet.rings = True
    for _ in range(chance.choice((1, 1, 4))):
        at = RING_AT + chance.randrange(start, written(puppet)) % RING_BYTES
        puppet.memory[at] ^= 1 << chance.randrange(8)
    puppet.line.ring()
    return {}


def garbles_ends(puppet: Puppet, frame: Frame, chance: random.Random) -> dict[int, Any]:
    """Says that the ring was written up to somewhere else."""
    puppet.rings = False
    start = written(puppet)
    puppet.run(frame)
    puppet.rings = True
    end = chance.choice((0, start + 8, written(puppet) + 8, 2**20, 2**63, 2**64 - 8, 7))
    struct.pack_into("<Q", puppet.memory, WRITTEN_AT, end)
    puppet.line.ring()
    return {}


def scribbles(puppet: Puppet, frame: Frame, chance: random.Random) -> dict[int, Any]:
    """Over what it has claimed, and when it began."""
    for _ in range(chance.randint(1, 20)):
        at = chance.randrange(CLAIMS_AT, RING_AT)
        puppet.memory[at : at + 8] = chance.choice((bytes(8), b"\xff" * 8, b"12345678"))
    puppet.run(frame)
    return {}


def sends_garbage(
    puppet: Puppet, frame: Frame, chance: random.Random
) -> dict[int, Any]:
    """Bytes that are no frames, or were some."""
    good = bytes(
        pack_frame(KIND_RESULT, chance.randbytes(chance.choice((0, 40, 4096))), 1)
    )
    bad = chance.choice(
        (mutated(good, chance), chance.randbytes(chance.randint(1, 300)))
    )
    run_some(puppet, frame, chance)
    puppet.socket.send(bad)
    return {}


def sends_nonsense(
    puppet: Puppet, frame: Frame, chance: random.Random
) -> dict[int, Any]:
    """Good frames and results that mean nothing."""
    sequence = some(frame, chance)
    values: tuple[Any, ...] = (
        None,
        5,
        "text",
        [],
        [1, 2, 3, 4],
        ["a", None, 3, {}],
        {1: 2},
        [[7]],
        [[]],
        [None],
        [[1, 2, 3, 4, 5, 6]],
        [[0]],
    )
    body = chance.choice(
        (msgspec.msgpack.encode(chance.choice(values)), b"", b"\xc1", b"\x91" * 5000,
         b"\xdd\xff\xff\xff\xff", b"\xdb\xff\xff\xff\xff", chance.randbytes(20))
    )  # fmt: skip
    match chance.randrange(5):
        case 0:
            result(puppet, sequence, FAILURE, body)
        case 1 if is_batch(frame):
            result(puppet, sequence, PACKED, body)
        case 2:
            result(puppet, sequence, chance.choice((4, 255, 2**31)), body)
        case 3:
            result(
                puppet,
                sequence,
                RAW,
                body,
                length=len(body) + chance.choice((1, 2**31)),
            )
        case _:
            puppet.line.send_whole(chance.randbytes(chance.randrange(FINISHED.size)))
    run_some(puppet, frame, chance)
    return {}


def counts_oddly(puppet: Puppet, frame: Frame, chance: random.Random) -> dict[int, Any]:
    """Answers as it should, with times and flags that cannot be."""
    sequence = some(frame, chance)
    odd = chance.choice((-1, -(2**63), 2**63 - 1, 2**40))
    result(
        puppet, sequence, RAW, LIE.encode(), run_ns=odd, flags=chance.choice((0, 255))
    )
    return {sequence: LIE.encode()}


def says_odd_things(
    puppet: Puppet, frame: Frame, chance: random.Random
) -> dict[int, Any]:
    """Good messages, at the wrong time or about nothing."""
    line = LogLine(
        name=chance.choice(("", "a..b", "collectorqueue")), text="{}%s%d\x00",
        level=chance.choice((-5, 0, 30)), line=-(2**62), file="",
        created=chance.choice((0.0, 1e300, float("inf"), float("nan"))), function=None,
        thread=None, trace=None,
    )  # fmt: skip
    for _ in range(chance.randint(1, 3)):
        puppet.line.tell(
            chance.choice((Ready(), Ready("odd"), Ended([("a", "b")]), line))
        )
    puppet.run(frame)
    return {}


def written(puppet: Puppet) -> int:
    """Up to where its ring is written."""
    (at,) = struct.unpack_from("<Q", puppet.memory, WRITTEN_AT)
    return int(at)


PARTS: dict[str, Play] = {
    play.__name__: play
    for play in (
        honest, dies, answers_strangers, answers_twice, answers_unbegun, garbles_ring,
        garbles_ends, scribbles, sends_garbage, sends_nonsense, counts_oddly,
        says_odd_things,
    )
}  # fmt: skip
