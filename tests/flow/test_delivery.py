"""Who gets a payload: by key, by topic, or all of them; and how its event ends."""

from __future__ import annotations

import enum
from typing import Any

import pytest

from collectorqueue import (
    Collector,
    CollectorQueue,
    Delivery,
    Error,
    Ok,
    Outcome,
    Overflow,
    Payload,
    QueueType,
)
from collectorqueue.errors import UnknownKey, Unrouted
from collectorqueue.testing import TestQueue
from tests.support import assert_closes, both_loops, naughty_strings


class Shop(enum.StrEnum):
    MAIL = "mail"
    PAID = "order.paid"


def queue_of(**topics: Any) -> TestQueue:
    """A queue of collectors that return their key."""

    def collector(key: str) -> Collector:
        async def called(payload: Payload[Any]) -> str:
            return key

        return Collector(key, called, topics=topics[key])

    return TestQueue(list(map(collector, topics)))


@both_loops
async def test_a_broadcast_reaches_every_collector_once_in_registration_order() -> None:
    async with queue_of(c=None, a="t", b=None) as queue:
        event = await queue.publisher.send(7)
        results = await event
    assert event.outcome is Outcome.OK
    assert results.keys() == ("c", "a", "b")
    assert results == [Ok("c"), Ok("a"), Ok("b")]
    assert queue.collected == {"c": [7], "a": [7], "b": [7]}


@both_loops
async def test_a_key_reaches_its_collector_only() -> None:
    async with queue_of(a=None, b=None) as queue:
        results = await queue.publisher.request(7, keys="b")
    assert results.items() == [("b", Ok("b"))]
    assert queue.collected == {"b": [7]}


@both_loops
async def test_several_keys_reach_each_collector_once_in_registration_order() -> None:
    async with queue_of(a=None, b=None, c=None) as queue:
        results = await queue.publisher.request(7, keys=["c", "a", "c", "a"])
    assert results.keys() == ("a", "c")
    assert queue.collected == {"a": [7], "c": [7]}


@both_loops
async def test_a_topic_reaches_all_who_listen_to_it_exactly() -> None:
    async with queue_of(a="t", b=["t", "u"], c=["T", "t.x"]) as queue:
        results = await queue.publisher.request(7, topics="t")
    assert results.keys() == ("a", "b")
    assert queue.collected == {"a": [7], "b": [7]}


@both_loops
async def test_a_collector_of_several_matching_topics_is_called_once() -> None:
    async with queue_of(a=["t", "u"], b="u") as queue:
        results = await queue.publisher.request(7, topics=["u", "t", "u"])
    assert results.keys() == ("a", "b")
    assert queue.collected == {"a": [7], "b": [7]}


@both_loops
async def test_a_bare_str_is_one_key_or_topic_on_both_sides() -> None:
    async with queue_of(mail="order", m=None, a="o") as queue:
        await queue.publisher.request(7, keys="mail")
        await queue.publisher.request(7, topics="order")
    queue.assert_collected("mail", 7, 7)
    assert list(queue.collected) == ["mail"]


@both_loops
async def test_members_of_a_str_enum_work_as_keys_and_topics() -> None:
    queue = CollectorQueue(
        [Collector(Shop.MAIL, lambda payload: "sent", topics=Shop.PAID)]
    )
    async with queue:
        for results in (
            await queue.publisher.request(7, keys=Shop.MAIL),
            await queue.publisher.request(7, keys="mail"),
            await queue.publisher.request(7, topics=[Shop.PAID]),
            await queue.publisher.request(7, topics="order.paid"),
        ):
            assert results == [Ok("sent")]
            assert results["mail"] == results[Shop.MAIL] == Ok("sent")


@both_loops
async def test_all_collectors_of_an_event_see_the_same_payload() -> None:
    seen = []
    queue = CollectorQueue()
    for key in "abc":
        queue.collector(key)(seen.append)
    payload = Payload(7)
    async with queue:
        await queue.publisher.send(payload)
        await queue.publisher.wait()
    assert len(seen) == 3
    assert all(each is payload for each in seen)


@pytest.mark.parametrize(
    ("kind", "texts"),
    [
        (Delivery, {"broadcast", "key", "topic"}),
        (Outcome, {"ok", "failed", "unrouted", "dropped", "aborted"}),
        (QueueType, {"fifo", "lifo", "priority"}),
        (Overflow, {"wait", "reject", "drop_oldest", "drop_incoming"}),
    ],
)
def test_enums_are_strings(kind: type[enum.StrEnum], texts: set[str]) -> None:
    assert set(kind) == texts
    for member in kind:
        assert isinstance(member, str)
        assert kind(str(member)) is member
        assert f"{member}" == member.value


# -- nobody there -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ({"keys": "x"}, "no collector has the key 'x'"),
        ({"keys": ["x", "y"]}, "no collector has the key ('x', 'y')"),
        ({"topics": "x"}, "no collector listens to the topic 'x'"),
    ],
)
@both_loops
async def test_an_event_that_matches_nothing_ends_unrouted(
    names: dict[str, Any], message: str
) -> None:
    async with queue_of(a="t") as queue:
        with queue.expecting(Unrouted):
            event = await queue.publisher.send(7, **names)
            (result,) = await event
            assert event.outcome is Outcome.UNROUTED
            assert isinstance(result, Error)
            assert type(result.err) is Unrouted
            assert str(result.err) == message
            assert queue.ledger.unrouted == 1
            assert_closes(queue)
    assert queue.collected == {}


@both_loops
async def test_a_broadcast_without_any_collector_is_unrouted() -> None:
    async with CollectorQueue() as queue:
        event = await queue.publisher.send(7)
        (result,) = await event
        assert event.outcome is Outcome.UNROUTED
        assert str(result.err) == "there is no collector"


@both_loops
async def test_an_unknown_key_among_known_ones_is_an_error_in_the_list() -> None:
    async with queue_of(a=None, b=None) as queue:
        with queue.expecting(UnknownKey):
            event = await queue.publisher.send(7, keys=["x", "b", "a", "y"])
            results = await event
            assert event.outcome is Outcome.FAILED
            assert results.keys() == ("a", "b", "x", "y")
            assert queue.collected == {"a": [7], "b": [7]}
            assert [result.ok() for result in results] == [True, True, False, False]
            assert type(results["x"].err) is UnknownKey
            assert results["x"].err.key == "x"
            assert str(results["x"].err) == "no collector 'x'"
            assert_closes(queue)


@both_loops
async def test_one_known_key_and_one_unknown_settle_once() -> None:
    async with queue_of(a=None) as queue:
        with queue.expecting(UnknownKey):
            event = await queue.publisher.send(7, keys=["a", "x"])
            assert (await event).keys() == ("a", "x")
            ledger = queue.ledger
            assert (ledger.accepted, ledger.failed) == (1, 1)


@both_loops
async def test_with_on_unrouted_error_a_send_that_matches_nothing_raises() -> None:
    queue = CollectorQueue([Collector("a", lambda payload: 1)], on_unrouted="error")
    async with queue:
        sends = (
            lambda: queue.publisher.send(7, keys="x"),
            lambda: queue.publisher.send(7, topics="x"),
            lambda: queue.publisher.request(7, keys="x"),
            lambda: queue.publisher.send_many([Payload(7, keys="x")]),
            lambda: queue.publisher.send(7, keys=["x", "y"]),
        )
        for send in sends:
            with pytest.raises(Unrouted):
                await send()
        with pytest.raises(Unrouted) as caught:
            queue.publisher.send_nowait(7, keys="x")
        assert str(caught.value) == "no collector has the key 'x'"
        assert queue.ledger.accepted == 0
        assert (await queue.publisher.request(7, keys="a")) == [Ok(1)]


@both_loops
async def test_with_on_unrouted_error_one_unknown_key_is_still_a_result() -> None:
    queue = CollectorQueue([Collector("a", lambda payload: 1)], on_unrouted="error")
    async with queue:
        results = await queue.publisher.request(7, keys=["a", "x"])
        assert results["a"] == Ok(1)
        assert type(results["x"].err) is UnknownKey


@both_loops
async def test_a_payload_refused_as_unrouted_can_be_sent_again_elsewhere() -> None:
    queue = CollectorQueue([Collector("a", lambda payload: 1)], on_unrouted="error")
    payload = Payload(7, keys="x")
    async with queue:
        with pytest.raises(Unrouted):
            await queue.publisher.send(payload)
        payload.set_delivery("key", keys="a")
        assert await queue.publisher.request(payload) == [Ok(1)]


@both_loops
async def test_naughty_strings_deliver_like_any_other() -> None:
    strings = [text for text in dict.fromkeys(naughty_strings()) if text]
    queue = CollectorQueue(capacity=2000)
    for text in strings:
        queue.collector(text, topics=[text, "every"])(lambda payload: payload.value)
    async with queue:
        events = []
        for text in strings:
            events.append(await queue.publisher.send(text, keys=text))
            events.append(await queue.publisher.send(text, topics=text))
        for event in events:
            results = await event
            assert results.items() == [(event.payload.value, Ok(event.payload.value))]
        assert len(await queue.publisher.request(7, topics="every")) == len(strings)


@both_loops
async def test_an_empty_topic_is_a_topic_like_any_other() -> None:
    async with CollectorQueue([Collector("a", lambda payload: 1, topics="")]) as queue:
        assert await queue.publisher.request(7, topics="") == [Ok(1)]


class Shy(str):
    def __hash__(self) -> int:
        raise ValueError("no hash")

    def __eq__(self, other: object) -> bool:
        raise ValueError("not equal, nor unequal")


@both_loops
async def test_a_name_is_text_whatever_its_class_makes_of_it() -> None:
    collectors = [Collector("a", lambda payload: 1, topics=Shy("x")),
                  Collector(Shy("b"), lambda payload: 2)]  # fmt: skip
    async with CollectorQueue(collectors, max_consumers=1) as queue:
        send = queue.publisher.request
        for results in (
            await send(0, topics=Shy("x")),
            await send(0, topics=[Shy("x"), "y"]),
            await send(0, keys=Shy("a")),
        ):
            assert results.first() == Ok(1)
        assert len(await send(0, keys=[Shy("a"), Shy("b")])) == 2
        payload = Payload(0, topics=Shy("x"))
        assert payload.topics == ("x",) and type(payload.topics[0]) is str
        assert list(queue.collectors) == ["a", "b"]
        assert queue.load.busy == 0
    assert_closes(queue)
