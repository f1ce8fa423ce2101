"""The compiled index: which steps a payload is for, against an obvious model."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collectorqueue import Payload
from collectorqueue._native.plan import Step
from collectorqueue._native.router import Index
from collectorqueue.errors import ConfigError, DuplicateKey
from tests.support import naughty_strings


def step(key: str) -> Step:
    return Step(key, None, None, None)


def index_of(**topics: tuple[str, ...]) -> Index:
    index = Index()
    for key, several in topics.items():
        index.add(step(key), several)
    return index


def test_a_broadcast_is_for_all_in_registration_order() -> None:
    index = index_of(c=(), a=(), b=())
    assert index.find(Payload(0)) == ["c", "a", "b"]


def test_one_key_is_for_its_collector() -> None:
    index = index_of(a=(), b=())
    assert index.find(Payload(0, keys="b")) == ["b"]
    assert index.find(Payload(0, keys="x")) == []


def test_several_keys_are_in_registration_order_each_once() -> None:
    index = index_of(a=(), b=(), c=())
    assert index.find(Payload(0, keys=["c", "a", "c"])) == ["a", "c"]


def test_unknown_keys_come_after_the_known_ones_each_once_in_the_order_given() -> None:
    index = index_of(a=(), b=())
    payload = Payload(0, keys=["x", "b", "y", "x", "a"])
    assert index.find(payload) == ["a", "b", "x", "y"]


def test_unknown_keys_alone_match_nothing() -> None:
    assert index_of(a=()).find(Payload(0, keys=["x", "y"])) == []


def test_a_topic_is_for_all_that_listen_to_it_exactly() -> None:
    index = index_of(a=("t", "u"), b=("u",), c=("T",))
    assert index.find(Payload(0, topics="t")) == ["a"]
    assert index.find(Payload(0, topics="u")) == ["a", "b"]
    assert index.find(Payload(0, topics=["u", "t"])) == ["a", "b"]
    for unknown in ("t ", "*", "t.", "", "#"):
        assert index.find(Payload(0, topics=unknown)) == []


def test_a_route_that_was_used_follows_what_is_added_and_removed() -> None:
    index = index_of(a=("t",), b=("t",))
    for payload in (
        Payload(0),
        Payload(0, topics="t"),
        Payload(0, keys=["a", "b", "c"]),
    ):
        index.find(payload)
    added = step("c")
    index.add(added, ("t",))
    assert index.find(Payload(0)) == ["a", "b", "c"]
    assert index.find(Payload(0, topics="t")) == ["a", "b", "c"]
    index.remove(index.steps["a"], ("t",))
    assert index.find(Payload(0)) == ["b", "c"]
    assert index.find(Payload(0, topics="t")) == ["b", "c"]
    assert index.find(Payload(0, keys="a")) == []
    index.remove(index.steps["b"], ("t",))
    index.remove(added, ("t",))
    assert index.find(Payload(0, topics="t")) == []
    assert index.known_topics() == []


def test_a_collector_that_comes_back_is_registered_last() -> None:
    index = index_of(a=("t",), b=("t",))
    gone = index.steps["a"]
    index.remove(gone, ("t",))
    index.add(step("a"), ("t",))
    assert index.find(Payload(0, keys=["a", "b"])) == ["b", "a"]
    assert index.find(Payload(0)) == ["b", "a"]
    assert index.find(Payload(0, topics="t")) == ["b", "a"]


def test_one_key_cannot_be_registered_twice() -> None:
    index = index_of(a=())
    with pytest.raises(DuplicateKey) as caught:
        index.add(step("a"), ("t",))
    assert str(caught.value) == "collector keys must be unique, got 'a' twice"
    assert caught.value.key == "a"
    assert isinstance(caught.value, ConfigError)
    assert index.known_topics() == []


def test_naughty_strings_are_keys_and_topics_like_any_other() -> None:
    strings = [text for text in dict.fromkeys(naughty_strings()) if text]
    index = Index()
    for text in strings:
        index.add(step(text), (text, "every"))
    for text in strings:
        assert index.find(Payload(0, keys=text)) == [text]
        assert index.find(Payload(0, topics=text)) == [text]
    assert index.find(Payload(0, topics="every")) == strings


NAMES = st.sampled_from("abcdef")
TOPICS = st.lists(st.sampled_from("tuvw"), max_size=3, unique=True)
OPERATIONS = st.lists(
    st.one_of(
        st.tuples(st.just("add"), NAMES, TOPICS),
        st.tuples(st.just("remove"), NAMES, st.none()),
        st.tuples(st.just("keys"), st.lists(NAMES, min_size=1, max_size=4), st.none()),
        st.tuples(st.just("topics"), TOPICS.filter(bool), st.none()),
        st.tuples(st.just("all"), st.none(), st.none()),
    ),
    max_size=60,
)


@settings(max_examples=60, deadline=None, database=None, derandomize=True)
@given(operations=OPERATIONS)
def test_the_index_agrees_with_a_scan_of_all_collectors(
    operations: list[tuple[str, Any, Any]],
) -> None:
    index = Index()
    model: dict[str, list[str]] = {}  # in registration order
    for operation, subject, topics in operations:
        if operation == "add" and subject not in model:
            model[subject] = topics
            index.add(step(subject), topics)
        elif operation == "remove" and subject in model:
            index.remove(index.steps[subject], model.pop(subject))
        elif operation == "all":
            assert index.find(Payload(0)) == list(model)
        elif operation == "keys":
            known = [key for key in model if key in subject]
            unknown = [key for key in dict.fromkeys(subject) if key not in model]
            expected = known + unknown if known else []
            assert index.find(Payload(0, keys=subject)) == expected
        elif operation == "topics":
            expected = [key for key in model if set(model[key]) & set(subject)]
            assert index.find(Payload(0, topics=subject)) == expected


@pytest.mark.slow
def test_building_and_asking_stay_cheap_with_a_hundred_thousand_topics() -> None:
    index = Index()
    begun = time.perf_counter()
    for number in range(100_000):
        index.add(step(str(number)), (f"topic {number}",))
    assert time.perf_counter() - begun < 5
    payload = Payload(0, topics="topic 99999")
    begun = time.perf_counter()
    for _ in range(10_000):
        index.find(payload)
    assert time.perf_counter() - begun < 1
