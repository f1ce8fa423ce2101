"""Typed payloads: bytes from anywhere become what a collector asks for, or are refused.

Rules of residence: the decoders of both sides of the process border. The loop's decode JSON
and msgpack, the worker's msgpack. They agree; what is accepted is of the type that was asked
for, keeps its value when it is sent on, and, for JSON, is what the standard library reads.
"""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable
from typing import Any

import msgspec

from collectorqueue import Collector, Payload
from collectorqueue.errors import PayloadInvalid
from collectorqueue.flow.typed import converter
from collectorqueue.workers.encoding import Encoding
from tests.fuzz.mutation import mutated
from tests.fuzz.rounds import Fuzzer, Verdict, Violation

__all__ = ["KINDS", "Document", "PayloadFuzzer"]


class Order(msgspec.Struct):
    """As a user would write one."""

    id: int
    tags: list[str] = []
    price: float | None = None
    next: Order | None = None


KINDS: tuple[Any, ...] = (
    object, int, float, bool, list[int], tuple[int, str],
    dict[str, int], set[int], int | str | None, list[Any], dict[str, Any], Order,
)  # fmt: skip
DEEP = 100_000
LONG = 2**32 - 1


class Document(msgspec.Struct):
    """Bytes, how they are to be read, and the place of a type in KINDS."""

    encoding: str
    kind: int
    data: bytes


class PayloadFuzzer(Fuzzer):
    """Tries the decoders of the loop and of a worker on the same bytes."""

    def __init__(self) -> None:
        self._in_loop = {
            (encoding, at): converter(
                Collector("typed", accept, payload_type=kind, encoding=encoding)
            )
            for encoding in ("json", "msgpack")
            for at, kind in enumerate(KINDS)
        }
        self._in_worker = [Encoding(kind) for kind in KINDS]

    def make(self, chance: random.Random) -> Document:
        encoding = chance.choice(("json", "msgpack"))
        kind = chance.randrange(len(KINDS))
        match chance.randrange(10):
            case 0:
                data = hostile(encoding, chance)
            case 1:
                data = chance.randbytes(chance.randint(0, 30))
            case at:
                data = packed(encoding, value_for(KINDS[kind], chance))
                if at > 3:
                    data = mutated(data, chance)
        return Document(encoding, kind, data)

    def check(self, given: Document) -> Verdict:
        kind = KINDS[given.kind]
        convert = self._in_loop[given.encoding, given.kind]
        found = attempt(lambda: convert(Payload(given.data)).value)
        if given.encoding == "msgpack":
            there = attempt(lambda: self._in_worker[given.kind].decode(given.data))
            same(found, there, "a worker reads it differently")
        elif found:
            same(
                msgspec.to_builtins(found, order="deterministic"),
                plain_json(given.data, kind), "not its JSON",
            )  # fmt: skip
        if not found:
            return Verdict.REFUSED
        if not has_ext(found):
            plain = msgspec.to_builtins(found[0], builtin_types=(bytes, set))
            msgspec.convert(plain, kind)
        try:
            sent_on = msgspec.msgpack.encode(found[0])
        except OverflowError:  # an integer that no worker can be sent
            return Verdict.EQUAL
        again = self._in_worker[given.kind].decode(sent_on)
        return same(found, (again,), "sent on, it changes")


async def accept(payload: Payload[Any]) -> None: ...


def attempt(decode: Callable[[], Any]) -> tuple[Any, ...]:
    """The value, alone in a tuple; an empty one: it was refused."""
    try:
        return (decode(),)
    except PayloadInvalid:
        return ()


def same(one: Any, other: Any, what: str) -> Verdict:
    """They are alike, in types too; a NaN is like a NaN."""
    if shown(one) != shown(other):
        raise Violation(f"{what}: {one!r:.300} and {other!r:.300}")
    return Verdict.EQUAL


def shown(value: Any) -> str:
    """All of a value: by itself, an Ext shows no more than its address, and of two sets that
    are alike each may have an order of its own."""
    match value:
        case (set() as alone,):
            return repr((set, sorted(alone)))
    return repr(without_ext(value) if has_ext(value) else value)


def has_ext(value: Any) -> bool:
    return "msgspec.msgpack.Ext object" in repr(value)


def without_ext(value: Any) -> Any:
    if isinstance(value, msgspec.msgpack.Ext):
        return ("Ext", value.code, bytes(value.data))
    if isinstance(value, dict):
        return {without_ext(key): without_ext(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple, set)):
        return (type(value), *map(without_ext, value))
    return value


def plain_json(data: bytes, kind: Any) -> tuple[Any, ...]:
    """What the standard library reads, as the type has it."""
    text = data.decode(
        "utf-8", "replace"
    )  # fields that are passed over may be anything
    try:
        value = json.loads(text, parse_constant=lambda _: 1 / 0)
    except (ValueError, RecursionError, ZeroDivisionError) as error:
        raise Violation(f"JSON was accepted that is none: {error}") from error
    return tuple(msgspec.to_builtins((msgspec.convert(value, kind),), order="deterministic"))


def packed(encoding: str, value: Any) -> bytes:
    return getattr(msgspec, encoding).encode(value)  # type: ignore[no-any-return]


def value_for(kind: Any, chance: random.Random) -> Any:
    """A value of this type, often one at the edge of it."""
    number = chance.choice((0, -1, 127, 255, 2**31, 2**53 + 1, -(2**63), 2**64 - 1))
    text = chance.choice(("", "text", "\x00", "é\u2028\U0001f600", "x" * 300))
    if kind is Order:
        inner = Order(number) if chance.random() < 0.5 else None
        return Order(
            number, [text] * chance.randrange(3), chance.choice((None, 0.1)), inner
        )
    values: dict[Any, Any] = {
        int: number, float: chance.choice((0.0, -0.0, 1e308, 5e-324, 0.1)), bool: True,
        list[int]: [number] * 3, tuple[int, str]: (number, text),
        dict[str, int]: {text: number}, set[int]: {number},
    }  # fmt: skip
    return values.get(kind, [number, text, None, {text: [math.pi]}])


def hostile(encoding: str, chance: random.Random) -> bytes:
    """What has broken decoders before."""
    if encoding == "json":
        return chance.choice(
            (b"[" * DEEP, b'{"a":' * DEEP, b'{"next":' * DEEP, b"9" * 5000,
             b"-" + b"1" * 400, b"1e999", b"1e-999", b'"\\ud800"', b'"\\ud800\\udc00"',
             b'"\xed\xa0\x80"', b'{"id":1,"id":2}', b"\xef\xbb\xbf1", b"NaN", b"[1,]",
             b"01", b'"\\u12"', b"\x00", b"1 2", b" 1\n", b"1" + b"0" * 25)
        )  # fmt: skip
    number = chance.choice((LONG, LONG - 1, 2**31, 2**16)).to_bytes(4, "big")
    return chance.choice(
        (b"\x91" * DEEP, b"\x81\xa4next" * DEEP, b"\x81\xa1a" * DEEP, b"\xc1",
         b"\xdd" + number, b"\xdf" + number, b"\xdb" + number, b"\xc6" + number,
         b"\xc9" + number + b"\x01", b"\xdd" + number + b"\x01" * 50,
         b"\xa3\xed\xa0\x80", b"\xd6\xff\xff\xff\xff\xff", b"\xc7\x0c\xff" + b"\xff" * 12,
         b"\x82\xa2id\x01\xa2id\x02", b"\x81\x90\x01", b"\xcb\x7f\xf8" + bytes(6))
    )  # fmt: skip
