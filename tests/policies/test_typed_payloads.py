"""payload_type: values are what a collector asks for, or the event fails and says where."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec
import pytest

from collectorqueue import (
    Batch,
    Collector,
    CollectorQueue,
    Error,
    Ok,
    Payload,
    ResultList,
    Retry,
)
from collectorqueue.errors import ConfigError, PayloadInvalid
from tests.support import both_loops, virtual


class Order(msgspec.Struct):
    id: int
    items: list[str] = []


@dataclass
class Point:
    x: int
    y: int = 0


async def value(payload: Payload[Any]) -> Any:
    return payload.value


@pytest.mark.parametrize(
    ("options", "sent", "got"),
    [
        ({"payload_type": Order}, b'{"id": 7}', Order(7)),
        ({"payload_type": Order}, '{"id": 7}', Order(7)),
        ({"payload_type": Order}, bytearray(b'{"id": 7}'), Order(7)),
        ({"payload_type": Order}, {"id": 7, "items": ["a"]}, Order(7, ["a"])),
        ({"payload_type": Order, "encoding": "msgpack"},
         msgspec.msgpack.encode({"id": 7}), Order(7)),
        ({"payload_type": Order, "encoding": "msgpack"}, {"id": 7}, Order(7)),
        ({"payload_type": Point}, {"x": 1}, Point(1)),
        ({"payload_type": list[int]}, b"[1, 2]", [1, 2]),
        ({"payload_type": int}, 5, 5),
        ({"payload_type": str}, "text", "text"),
        ({"payload_type": bytes}, b"\xff", b"\xff"),
        ({"payload_type": int | None}, None, None),
    ],
)  # fmt: skip
@virtual
async def test_values_are_made_that_type(options: Any, sent: Any, got: Any) -> None:
    async with CollectorQueue([Collector("value", value, **options)]) as queue:
        assert await (await queue.publisher.send(sent)) == [Ok(got)]


@virtual
async def test_what_is_of_the_type_already_stays_the_same_object() -> None:
    order = Order(7)
    async with CollectorQueue([Collector("value", value, payload_type=Order)]) as queue:
        (result,) = await (await queue.publisher.send(order))
        assert result.value is order


@pytest.mark.parametrize(
    ("sent", "text"),
    [
        (b'{"id": "x"}', "Expected `int`, got `str` - at `$.id`"),
        (b'{"id": 1, "items": [1]}', "Expected `str`, got `int` - at `$.items[0]`"),
        (b"{", "Input data was truncated"),
        (b'{"id": 1, "items": ["\xff"]}', "utf-8"),
        (b'{"x": ' + b"[" * 100_000, "nested too deeply"),
        ({"id": None}, "Expected `int`, got `null` - at `$.id`"),
        (object(), "got `object`"),
        (3, "Expected `object`, got `int`"),
    ],
)
@virtual
async def test_a_bad_payload_is_an_error_that_says_where(sent: Any, text: str) -> None:
    calls = []

    async def handle(payload: Payload[Order]) -> None:
        calls.append(payload)

    collector = Collector("handle", handle, payload_type=Order, retry=Retry(backoff=0))
    async with CollectorQueue([collector]) as queue:
        (error,) = await (await queue.publisher.send(sent))
        assert isinstance(error, Error)
        assert type(error.err) is PayloadInvalid
        assert "is no Order, for collector 'handle'" in str(error.err)
        assert text in str(error.err)
        assert error.attempts == 1
    assert calls == []


@virtual
async def test_it_is_decoded_once_for_all_that_share_the_type() -> None:
    decoded = []

    def hook(kind: type, given: Any) -> Any:
        decoded.append(given)
        return complex(given)

    collectors = [
        Collector(key, value, payload_type=list[complex], dec_hook=hook) for key in "abc"
    ]
    collectors.append(Collector("raw", value))
    async with CollectorQueue(collectors) as queue:
        results = await (await queue.publisher.send(b'["1j"]'))
        assert results["a"].value is results["b"].value is results["c"].value
        assert results["a"] == Ok([1j])
        assert results["raw"] == Ok(b'["1j"]')
    assert decoded == ["1j"]


@virtual
async def test_it_can_be_checked_when_it_is_sent() -> None:
    collectors = [
        Collector("strict", value, payload_type=Order, validate="send", topics="orders"),
        Collector("raw", value),
    ]
    async with CollectorQueue(collectors) as queue:
        for send in (queue.publisher.send, queue.publisher.request):
            with pytest.raises(PayloadInvalid, match=r"at `\$.id`"):
                await send(b'{"id": "x"}', topics="orders")
        with pytest.raises(PayloadInvalid):
            queue.publisher.send_nowait(b"{", topics="orders")
        assert queue.ledger.accepted == 0
        assert await (await queue.publisher.send(b"{", keys="raw")) == [Ok(b"{")]
        assert await queue.publisher.call("strict", b'{"id": 1}') == Order(1)


@both_loops
async def test_from_threads_and_in_threads_too() -> None:
    import asyncio

    def handle(payload: Payload[Order]) -> int:
        return payload.value.id

    collector = Collector(
        "handle", handle, payload_type=Order, validate="send", runs_in="thread"
    )
    async with CollectorQueue([collector]) as queue:
        with pytest.raises(PayloadInvalid):
            await asyncio.to_thread(queue.publisher.send_threadsafe, b"{}")
        await asyncio.to_thread(queue.publisher.send_threadsafe, b'{"id": 4}')
        asked = queue.publisher.request_threadsafe(b'{"id": 5}')
        assert await asyncio.wrap_future(asked) == [Ok(5)]


@virtual
async def test_one_of_a_batch_that_does_not_fit_fails_alone() -> None:
    async def handle(payloads: list[Payload[Order]]) -> list[int]:
        return [payload.value.id for payload in payloads]

    collector = Collector("handle", handle, payload_type=Order, batch=Batch(size=3))
    async with CollectorQueue([collector]) as queue:
        events = [
            await queue.publisher.send(sent) for sent in ({"id": 1}, {"id": "x"}, {"id": 3})
        ]
        results = [(await event).first() for event in events]
        assert results[0] == Ok(1)
        assert isinstance(results[1], Error)
        assert results[2] == Ok(3)


@virtual
async def test_the_payload_keeps_all_else() -> None:
    seen: list[Payload[Any]] = []

    async def handle(payload: Payload[Order]) -> None:
        seen.append(payload)

    collector = Collector("handle", handle, payload_type=Order, topics=["a", "b"])
    async with CollectorQueue([collector]) as queue:
        await (
            await queue.publisher.send(
                {"id": 1}, topics=["a", "b"], priority=3, ordering_key="k", ttl=9
            )
        )
    (payload,) = seen
    assert payload.topics == ("a", "b")
    assert (payload.priority, payload.ordering_key, payload.ttl) == (3, "k", 9)


@virtual
async def test_call_returns_the_value_of_a_typed_collector() -> None:
    async def price(payload: Payload[Order]) -> float:
        return payload.value.id * 1.5

    collector = Collector("price", price, payload_type=Order)
    async with CollectorQueue([collector]) as queue:
        answer: float = await queue.publisher.call(collector, Order(4))
        assert answer == 6.0
        results: ResultList = await queue.publisher.request(Order(4))
        assert results.first() == Ok(6.0)


def test_what_cannot_be_decoded_to_is_refused() -> None:
    with pytest.raises(ConfigError, match="encoding must be 'json' or 'msgpack', got 'xml'"):
        Collector("a", value, payload_type=Order, encoding="xml")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="validate must be 'run' or 'send', got 'no'"):
        Collector("a", value, payload_type=Order, validate="no")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="validate='send' needs a payload_type"):
        Collector("a", value, validate="send")


@virtual
async def test_a_type_that_msgspec_refuses_is_refused_at_the_start() -> None:
    collector = Collector("a", value, payload_type=int | list[int] | set[int])
    with pytest.raises(ConfigError, match=r"collector 'a': payload_type .* cannot be decoded"):
        await CollectorQueue([collector]).start()
