"""Mutation: from good bytes to bytes that are nearly good.

Rules of residence: bytes, and parts of them. What they mean is not known here.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

__all__ = ["mutated", "rearranged"]

ODD_BYTES = (0x00, 0x01, 0x7F, 0x80, 0xC1, 0xFF)
LONGEST = 64  # bytes that one mutation touches


def flip(data: bytearray, chance: random.Random) -> None:
    at = chance.randrange(len(data))
    data[at] ^= 1 << chance.randrange(8)


def replace(data: bytearray, chance: random.Random) -> None:
    data[chance.randrange(len(data))] = chance.choice(ODD_BYTES)


def cut_out(data: bytearray, chance: random.Random) -> None:
    at = chance.randrange(len(data))
    del data[at : at + chance.randint(1, LONGEST)]


def cut_off(data: bytearray, chance: random.Random) -> None:
    del data[chance.randrange(len(data)) :]


def insert(data: bytearray, chance: random.Random) -> None:
    at = chance.randrange(len(data) + 1)
    data[at:at] = chance.randbytes(chance.randint(1, LONGEST))


def duplicate(data: bytearray, chance: random.Random) -> None:
    at = chance.randrange(len(data))
    part = data[at : at + chance.randint(1, LONGEST)]
    to = chance.randrange(len(data) + 1)
    data[to:to] = part


def write_number(data: bytearray, chance: random.Random) -> None:
    """Over what may be a length or a count."""
    size = chance.choice((1, 2, 4, 8))
    number = chance.choice((0, 1, 2 ** (8 * size - 1) - 1, 2 ** (8 * size) - 1))
    at = chance.randrange(len(data))
    data[at : at + size] = number.to_bytes(size, chance.choice(("little", "big")))


MUTATIONS: Sequence[Callable[[bytearray, random.Random], None]] = (
    flip, replace, cut_out, cut_off, insert, duplicate, write_number,
)  # fmt: skip


def mutated(good: bytes, chance: random.Random) -> bytes:
    """These bytes, after a few mutations: mostly one."""
    data = bytearray(good)
    for _ in range(chance.choice((1, 1, 1, 2, 3, 8))):
        if not data:
            break
        chance.choice(MUTATIONS)(data, chance)
    return bytes(data)


def rearranged(parts: Sequence[bytes], chance: random.Random) -> list[bytes]:
    """These parts: one left out, sent twice, or sent at another's place."""
    found = list(parts)
    match chance.randrange(3):
        case 0:
            del found[chance.randrange(len(found))]
        case 1:
            again = chance.choice(found)
            found.insert(chance.randrange(len(found) + 1), again)
        case _:
            moved = found.pop(chance.randrange(len(found)))
            found.insert(chance.randrange(len(found) + 1), moved)
    return found
