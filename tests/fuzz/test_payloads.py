"""Typed payloads of any bytes, in short; `python -m tests.fuzz payloads` is the long one."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collectorqueue import Collector, CollectorQueue, Error, Ok
from collectorqueue.errors import PayloadInvalid
from tests.fuzz.payloads import KINDS, Document, PayloadFuzzer
from tests.fuzz.processors import same
from tests.fuzz.rounds import play
from tests.support import run_virtual

FUZZER = PayloadFuzzer()
FIXED = settings(derandomize=True, database=None, deadline=None, max_examples=50)
ENCODINGS = st.sampled_from(("json", "msgpack"))
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats()
    | st.text(st.characters(codec="utf-8")),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(st.text(st.characters(codec="utf-8")), inner, max_size=4),
    max_leaves=10,
)  # fmt: skip


@given(ENCODINGS, st.integers(0, len(KINDS) - 1), st.binary(max_size=40))
@FIXED
def test_any_bytes_are_refused_or_of_the_type(
    encoding: str, kind: int, data: bytes
) -> None:
    FUZZER.check(Document(encoding, kind, data))


@pytest.mark.slow
@given(ENCODINGS, st.integers(0, len(KINDS) - 1), VALUES)
@FIXED
def test_any_value_is_refused_or_of_the_type(
    encoding: str, kind: int, value: Any
) -> None:
    packed = getattr(msgspec, encoding).encode(value)
    FUZZER.check(Document(encoding, kind, packed))


def test_sets_are_alike_in_any_order() -> None:
    data = b"[5,37,37,5]"
    FUZZER.check(Document("json", KINDS.index(set[int]), data))
    FUZZER.check(Document("msgpack", KINDS.index(set[int]), b"\x92\x05\x25"))


@pytest.mark.slow
def test_mutated_and_hostile_documents() -> None:
    tally = play(FUZZER, seed=1, rounds=range(2000))
    assert tally.refused > 500 and tally.equal > 300


@pytest.mark.slow
@given(st.lists(st.tuples(ENCODINGS, st.binary(max_size=12)), min_size=1, max_size=20))
@FIXED
def test_an_event_with_bad_bytes_fails_alone(sent: list[tuple[str, bytes]]) -> None:
    async def main() -> None:
        queue = CollectorQueue(
            [
                Collector(encoding, same, payload_type=int, encoding=encoding)
                for encoding in ("json", "msgpack")
            ]
        )
        async with queue:
            events = [await queue.publisher.send(data, keys=to) for to, data in sent]
            events.append(await queue.publisher.send(b"7", keys="json"))
            *bad, good = [(await event).first() for event in events]
        assert good == Ok(7)
        for result in bad:
            match result:
                case Ok(value=int()) | Error(err=PayloadInvalid()):
                    pass
                case _:
                    raise AssertionError(result)

    run_virtual(main())
