"""Lines in and lines out: what is understood, what is malformed, what is written."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectorqueue import CollectorQueue, Delivery, Error, Payload
from collectorqueue.cli.pipe.records import MalformedLine, decode, encode
from tests.support import run_virtual

# -- in ---------------------------------------------------------------------------


def test_topics_keys_and_priority_are_those_of_the_payload() -> None:
    payload = decode(b'{"value": [1, null], "topics": ["a", "b"], "priority": -3}')
    assert payload.value == [1, None]
    assert (payload.delivery, payload.topics) == (Delivery.TOPIC, ("a", "b"))
    assert payload.priority == -3
    assert decode(b'{"value": 1, "keys": "k"}').keys == ("k",)


def test_neither_keys_nor_topics_is_a_broadcast() -> None:
    payload = decode(b'{"value": {}}')
    assert (payload.delivery, payload.priority) == (Delivery.BROADCAST, None)


def test_ordering_key_delay_and_ttl_are_those_of_the_payload() -> None:
    payload = decode(b'{"value": 1, "ordering_key": "k", "delay": 1.5, "ttl": 60}')
    assert (payload.ordering_key, payload.delay, payload.ttl) == ("k", 1.5, 60)


def test_a_line_may_end_in_a_carriage_return() -> None:
    assert decode(b'{"value": 1}\r').value == 1


MALFORMED = {
    "not json": (b"{", "Input data was truncated"),
    "no object": (b"1", "Expected `object`, got `int`"),
    "misspelt": (
        b'{"value": 1, "topic": "a"}',
        "Object contains unknown field `topic`",
    ),
    "no value": (b"{}", "Object missing required field `value`"),
    "wrong type": (
        b'{"value": 1, "priority": "high"}',
        "Expected `int | null`, got `str` - at `$.priority`",
    ),
    "not utf-8": (
        b'{"value": "\xff"}',
        "'utf-8' codec can't decode byte 0xff in position 0: invalid start byte",
    ),
    "too deep": (
        b'{"value": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        "maximum recursion depth exceeded while deserializing an object",
    ),
    "no payload": (
        b'{"value": 1, "keys": []}',
        "keys must name at least one, got []",
    ),
    "two deliveries": (
        b'{"value": 1, "keys": "a", "topics": "b"}',
        "a payload with both keys and topics needs a delivery, "
        "got keys='a', topics='b'",
    ),
}


@pytest.mark.parametrize(("line", "reason"), MALFORMED.values(), ids=MALFORMED)
def test_a_malformed_line_says_why(line: bytes, reason: str) -> None:
    with pytest.raises(MalformedLine) as caught:
        decode(line)
    assert str(caught.value) == reason


@given(st.binary(max_size=60))
def test_no_bytes_raise_anything_else(line: bytes) -> None:
    for each in (line, b'{"value":' + line + b"}"):
        with contextlib.suppress(MalformedLine):
            assert isinstance(decode(each), Payload)


# -- out --------------------------------------------------------------------------


def written(
    *handlers: Callable[[Payload[Any]], Any], topics: str | None = None
) -> tuple[dict[str, Any], bool]:
    """What is written for an event that these handlers have collected."""

    async def collected() -> tuple[bytes, bool]:
        queue = CollectorQueue()
        for number, handler in enumerate(handlers):
            queue.collector(f"c{number}")(handler)
        async with queue:
            event = await queue.publisher.send(None, topics=topics)
            await event
            return encode(7, event)

    line, is_well = run_virtual(collected())
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    return json.loads(line), is_well


def fails_with(error: BaseException) -> Callable[[Payload[Any]], Any]:
    def handler(payload: Payload[Any]) -> None:
        raise error

    return handler


def returns(value: object) -> Callable[[Payload[Any]], Any]:
    return lambda payload: value


def error_of(line: dict[str, Any]) -> str:
    (result,) = line["results"]
    text: str = result["error"]
    return text


def test_results_are_labelled_in_registration_order() -> None:
    assert written(returns({"a": [1.5, "é"]}), returns(None)) == (
        {
            "line": 7,
            "outcome": "ok",
            "results": [
                {"collector": "c0", "ok": {"a": [1.5, "é"]}},
                {"collector": "c1", "ok": None},
            ],
        },
        True,
    )


def test_a_failure_is_its_type_and_text() -> None:
    line, is_well = written(returns(1), fails_with(ValueError("no")))
    assert (line["outcome"], is_well) == ("failed", False)
    assert line["results"] == [
        {"collector": "c0", "ok": 1},
        {"collector": "c1", "error": "ValueError: no"},
    ]


def test_an_error_given_as_text_is_that_text() -> None:
    line, _ = written(returns(Error("out of stock")))
    assert error_of(line) == "out of stock"


def test_where_no_collector_answered_the_key_is_null() -> None:
    line, is_well = written(topics="nobody")
    assert (line["outcome"], is_well) == ("unrouted", False)
    assert line["results"] == [
        {
            "collector": None,
            "error": "Unrouted: no collector listens to the topic 'nobody'",
        }
    ]


class Hostile(Exception):
    def __str__(self) -> str:
        raise RuntimeError("not shown")


def test_an_exception_that_cannot_be_shown_is_its_type() -> None:
    assert error_of(written(fails_with(Hostile()))[0]) == "Hostile"


def test_a_text_that_is_not_unicode_is_escaped() -> None:
    assert error_of(written(fails_with(ValueError("\ud800")))[0]) == (
        "ValueError: \\ud800"
    )


CYCLE: list[Any] = []
CYCLE.append(CYCLE)


@pytest.mark.parametrize(
    "value", [object(), "\ud800", {(1, 2): 3}, CYCLE, {1: object()}],
    ids=["object", "surrogate", "key", "cycle", "inside"],
)  # fmt: skip
def test_a_value_that_json_cannot_express_becomes_an_error_text(value: object) -> None:
    line, is_well = written(returns(1), returns(value))
    assert (line["outcome"], is_well) == ("ok", False)
    first, second = line["results"]
    assert first == {"collector": "c0", "ok": 1}
    assert second["error"].startswith("the value cannot be written as JSON: ")
