"""Payload: whom a value is for, inferred or said, and every way to say it wrongly."""

from __future__ import annotations

import enum
import gc
import types
import weakref
from typing import Any

import pytest

from collectorqueue import CollectorQueue, Delivery, Payload
from collectorqueue.errors import CollectorQueueError, ConfigError, PayloadSealed
from tests.support import both_loops, naughty_strings


class Shop(enum.StrEnum):
    MAIL = "mail"
    AUDIT = "audit"


def raised(kind: type[BaseException], make: Any) -> str:
    """The message that `make()` raises exactly a `kind` with."""
    with pytest.raises(kind) as caught:
        make()
    assert type(caught.value) is kind
    return str(caught.value)


# -- inference --------------------------------------------------------------------


def test_a_payload_without_names_is_a_broadcast() -> None:
    payload = Payload(7)
    assert payload.value == 7
    assert payload.delivery is Delivery.BROADCAST
    assert payload.keys == ()
    assert payload.topics == ()
    assert payload.priority is None
    assert payload.ttl is None


def test_keys_imply_the_key_delivery() -> None:
    payload = Payload(7, keys=["mail", "audit"])
    assert payload.delivery is Delivery.KEY
    assert payload.keys == ("mail", "audit")
    assert payload.topics == ()


def test_topics_imply_the_topic_delivery() -> None:
    payload = Payload(7, topics=["order.paid", "order"])
    assert payload.delivery is Delivery.TOPIC
    assert payload.topics == ("order.paid", "order")
    assert payload.keys == ()


def test_a_bare_str_is_one_key_or_one_topic_and_never_its_letters() -> None:
    assert Payload(7, keys="mail").keys == ("mail",)
    assert Payload(7, topics="mail").topics == ("mail",)


@pytest.mark.parametrize(
    "names", [["a", "b"], ("a", "b"), {"a": 1, "b": 2}, iter("ab")]
)
def test_names_are_taken_from_any_iterable(names: Any) -> None:
    assert Payload(7, keys=names).keys == ("a", "b")


def test_the_sequence_of_names_is_copied() -> None:
    names = ["a", "b"]
    payload = Payload(7, topics=names)
    names.append("c")
    assert payload.topics == ("a", "b")


def test_members_of_a_str_enum_are_keys_and_topics() -> None:
    assert Payload(7, keys=Shop.MAIL).keys == ("mail",)
    assert Payload(7, topics=list(Shop)).topics == ("mail", "audit")
    assert Payload(7, keys=Shop.MAIL).delivery is Delivery.KEY


@pytest.mark.parametrize("delivery", [Delivery.KEY, "key"])
def test_with_a_delivery_the_names_of_the_other_kind_are_left_out(
    delivery: Any,
) -> None:
    payload = Payload(7, delivery, keys=["a"], topics=["t"])
    assert payload.delivery is Delivery.KEY
    assert payload.keys == ("a",)
    assert payload.topics == ()


def test_arguments_go_by_position_as_in_the_contract() -> None:
    payload = Payload(7, Delivery.TOPIC, None, ["t"], 3)
    assert (payload.delivery, payload.topics, payload.priority) == ("topic", ("t",), 3)


@pytest.mark.parametrize("delivery", list(Delivery))
def test_a_delivery_is_a_str(delivery: Delivery) -> None:
    names = {} if delivery == "broadcast" else {f"{delivery}s": "a"}
    assert Payload(7, str(delivery), **names).delivery is delivery  # type: ignore[arg-type]
    assert isinstance(delivery, str)


def test_payload_subscripts_to_a_generic_alias() -> None:
    alias = Payload[int]
    assert isinstance(alias, types.GenericAlias)
    assert alias(7).value == 7
    assert alias.__origin__ is Payload


@pytest.mark.parametrize(
    ("payload", "text"),
    [
        (Payload(7), "Payload(7)"),
        (Payload("x", keys="a"), "Payload('x', keys='a')"),
        (Payload("x", keys=["a", "b"]), "Payload('x', keys=('a', 'b'))"),
        (Payload([1], topics="t", priority=3), "Payload([1], topics='t', priority=3)"),
        (Payload(None, ttl=2), "Payload(None, ttl=2.0)"),
    ],
)
def test_repr_shows_what_was_given(payload: Payload[Any], text: str) -> None:
    assert repr(payload) == text


# -- bad input --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "message", "make"),
    [
        (
            ConfigError,
            "a payload with both keys and topics needs a delivery, got "
            "keys='a', topics='t'",
            lambda: Payload(7, keys="a", topics="t"),
        ),
        (
            ConfigError,
            "delivery must be one of 'broadcast', 'key', 'topic', got 'kye'",
            lambda: Payload(7, "kye", keys="a"),
        ),
        (
            ConfigError,
            "delivery must be one of 'broadcast', 'key', 'topic', got 1",
            lambda: Payload(7, 1, keys="a"),
        ),
        (
            ConfigError,
            "this delivery needs keys, got none",
            lambda: Payload(7, "key"),
        ),
        (
            ConfigError,
            "this delivery needs topics, got none",
            lambda: Payload(7, "topic", keys="a"),
        ),
        (
            ConfigError,
            "keys must name at least one, got []",
            lambda: Payload(7, keys=[]),
        ),
        (
            ConfigError,
            "topics must name at least one, got ()",
            lambda: Payload(7, topics=()),
        ),
        (
            TypeError,
            "keys must be a str or several, got 7",
            lambda: Payload(7, keys=7),
        ),
        (
            TypeError,
            "topics must be str, got b'a'",
            lambda: Payload(7, topics=["t", b"a"]),
        ),
        (
            TypeError,
            "keys must be str, got 97",
            lambda: Payload(7, keys=b"a"),
        ),
        (
            ConfigError,
            "a key must not be empty, got ''",
            lambda: Payload(7, keys=""),
        ),
        (
            ConfigError,
            "a key must not be empty, got ['a', '']",
            lambda: Payload(7, keys=["a", ""]),
        ),
        (
            ConfigError,
            "a broadcast payload takes no keys and no topics, got "
            "keys='a', topics=None",
            lambda: Payload(7, "broadcast", keys="a"),
        ),
        (
            TypeError,
            "priority must be an int, got '1'",
            lambda: Payload(7, priority="1"),
        ),
        (
            TypeError,
            "priority must be an int, got True",
            lambda: Payload(7, priority=True),
        ),
        (
            TypeError,
            "priority must be an int, got 1.0",
            lambda: Payload(7, priority=1.0),
        ),
        (
            ConfigError,
            "priority must be between -2**31 and 2**31 - 1, got 2147483648",
            lambda: Payload(7, priority=2**31),
        ),
        (
            ConfigError,
            "priority must be between -2**31 and 2**31 - 1, got -2147483649",
            lambda: Payload(7, priority=-(2**31) - 1),
        ),
        (
            TypeError,
            "ttl must be a number of seconds, got '1'",
            lambda: Payload(7, ttl="1"),
        ),
        (
            TypeError,
            "ttl must be a number of seconds, got True",
            lambda: Payload(7, ttl=True),
        ),
        (
            ConfigError,
            "ttl must be above 0 and at most 1e9 seconds, got 0",
            lambda: Payload(7, ttl=0),
        ),
        (
            ConfigError,
            "ttl must be above 0 and at most 1e9 seconds, got nan",
            lambda: Payload(7, ttl=float("nan")),
        ),
        (
            ConfigError,
            "ttl must be above 0 and at most 1e9 seconds, got inf",
            lambda: Payload(7, ttl=float("inf")),
        ),
        (
            ConfigError,
            "ttl must be above 0 and at most 1e9 seconds, got -0.5",
            lambda: Payload(7, ttl=-0.5),
        ),
    ],
)
def test_bad_input_raises_naming_value_and_rule(
    kind: type[BaseException], message: str, make: Any
) -> None:
    assert raised(kind, make) == message


@pytest.mark.parametrize("option", ["colour"])
def test_an_option_that_is_not_built_is_refused(option: str) -> None:
    with pytest.raises(TypeError, match=option):
        Payload(7, **{option: 1})


def test_a_config_error_is_a_value_error_and_ours() -> None:
    assert issubclass(ConfigError, ValueError)
    assert issubclass(ConfigError, CollectorQueueError)


def test_a_payload_needs_a_value() -> None:
    with pytest.raises(TypeError):
        Payload()  # type: ignore[call-arg]


@pytest.mark.parametrize(
    "name", ["value", "delivery", "keys", "topics", "priority", "ttl"]
)
def test_no_field_can_be_assigned(name: str) -> None:
    with pytest.raises(AttributeError):
        setattr(Payload(7), name, None)


def test_a_bad_set_delivery_leaves_the_payload_as_it_was() -> None:
    payload = Payload(7, keys="a")
    for bad in (("topic",), ("key", []), ("nowhere", "x"), ("key", 7)):
        with pytest.raises((TypeError, ConfigError)):
            payload.set_delivery(*bad)
        assert payload.delivery is Delivery.KEY
        assert payload.keys == ("a",)


# -- changing ---------------------------------------------------------------------


def test_delivery_and_priority_can_be_set_until_it_is_sent() -> None:
    payload = Payload(7)
    payload.set_delivery(Delivery.KEY, keys=["a"])
    assert payload.keys == ("a",)
    payload.set_delivery("topic", topics="t")
    assert (payload.keys, payload.topics) == ((), ("t",))
    payload.set_delivery(Delivery.BROADCAST)
    assert (payload.delivery, payload.keys, payload.topics) == ("broadcast", (), ())
    payload.set_priority(-5)
    assert payload.priority == -5


@both_loops
async def test_a_sent_payload_cannot_be_changed() -> None:
    payload = Payload(7)
    message = "a payload cannot be changed after it was sent"
    async with CollectorQueue() as queue:
        await queue.publisher.send(payload)
        assert (
            raised(PayloadSealed, lambda: payload.set_delivery("key", "a")) == message
        )
        assert raised(PayloadSealed, lambda: payload.set_priority(1)) == message
    assert raised(PayloadSealed, lambda: payload.set_priority(1)) == message


@both_loops
async def test_a_payload_whose_send_was_refused_can_still_be_changed() -> None:
    payload = Payload(7)
    queue = CollectorQueue(overflow="reject")
    with pytest.raises(CollectorQueueError):
        await queue.publisher.send(payload)
    payload.set_priority(3)
    async with queue:
        await queue.publisher.send(payload)


@both_loops
async def test_one_payload_can_be_sent_more_than_once() -> None:
    seen = []
    queue = CollectorQueue()
    queue.collector("see")(lambda payload: seen.append(payload))
    payload = Payload(7)
    async with queue:
        first = await queue.publisher.send(payload)
        second = await queue.publisher.send(payload)
        await queue.publisher.wait()
    assert first.id != second.id
    assert seen == [payload, payload]


# -- memory -----------------------------------------------------------------------


def test_the_garbage_collector_sees_a_cycle_through_a_payload() -> None:
    class Node:
        payload: Payload[Any]

    node = Node()
    node.payload = Payload(node)
    gone = weakref.ref(node)
    del node
    gc.collect()
    assert gone() is None


def test_payloads_of_plain_values_are_kept_out_of_the_garbage_collector() -> None:
    assert not gc.is_tracked(Payload(7, topics="t"))
    assert gc.is_tracked(Payload([7]))


def test_a_name_of_a_str_subclass_that_refers_back_is_collected() -> None:
    class Name(str):
        payload: Payload[Any]

    name = Name("a")
    payload = Payload(7)
    assert not gc.is_tracked(payload)
    payload.set_delivery("key", keys=name)
    name.payload = payload
    gone = weakref.ref(name)
    del name, payload
    gc.collect()
    assert gone() is None


def test_naughty_strings_are_topics_and_keys_as_they_are() -> None:
    for text in naughty_strings():
        assert Payload(text, topics=text).topics == (text,)
        if text:
            assert Payload(text, keys=text).keys == (text,)
            assert Payload(text, keys=[text, "x"]).keys == (text, "x")
            assert repr(Payload(text, keys=text))
