"""The three lanes against asyncio's three queues, under random operations."""

from __future__ import annotations

import asyncio
import gc
import weakref
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collectorqueue import Payload, QueueType
from collectorqueue._native.probe import Probe

AGEING = 7  # small, so that short runs meet priorities that have aged


def operations_of(seed: int, length: int) -> list[tuple[str, Any]]:
    """Puts, gets and drops in runs of mostly one kind: lanes grow, wrap and empty.

    Drawn by a generator of its own: hypothesis prefers lists too short to grow a lane.
    """
    random = Random(seed)
    operations: list[tuple[str, Any]] = []
    while len(operations) < length:
        weights = random.choice([(8, 2, 1), (2, 8, 1), (3, 1, 3), (1, 1, 0)])
        for _ in range(random.randrange(1, 150)):
            (kind,) = random.choices(("put", "get", "drop"), weights)
            if kind == "put":
                argument = random.choice([None, *range(-4, 5)])
            else:
                argument = random.randrange(1000)
            operations.append((kind, argument))
    return operations[:length]


OPERATIONS = st.builds(
    operations_of, st.integers(0, 2**32), st.sampled_from([3, 10, 30, 100, 300, 1000])
)


class Reference:
    """asyncio's queue of the same kind, with what a drop means beside it."""

    def __init__(self, kind: str) -> None:
        self.queue: asyncio.Queue[Any] = {
            "fifo": asyncio.Queue,
            "lifo": asyncio.LifoQueue,
            "priority": asyncio.PriorityQueue,
        }[kind]()
        self.kind = kind
        self.dropped: set[int] = set()
        self.waiting: list[int] = []  # in the order of the puts

    def put(self, number: int, priority: int) -> None:
        self.waiting.append(number)
        key = priority * AGEING + number if self.kind == "priority" else 0
        self.queue.put_nowait((key, number) if self.kind == "priority" else (0, number))

    def get(self) -> int | None:
        while not self.queue.empty():
            _, number = self.queue.get_nowait()
            if number not in self.dropped:
                self.waiting.remove(number)
                return number
        return None

    def drop(self, number: int) -> None:
        self.dropped.add(number)
        self.waiting.remove(number)


@pytest.mark.parametrize("kind", ["fifo", "lifo", "priority"])
@settings(max_examples=50, deadline=None, database=None, derandomize=True)
@given(operations=OPERATIONS)
def test_a_lane_takes_in_the_order_of_asyncios_queue(
    kind: str, operations: list[tuple[str, Any]]
) -> None:
    lane = Probe(kind, default_priority=1, ageing=AGEING)
    reference = Reference(kind)
    events: dict[int, Any] = {}
    number = 0
    for operation, argument in operations:
        if operation == "put":
            number += 1
            events[number] = lane.put(Payload(number, priority=argument))
            reference.put(number, 1 if argument is None else argument)
        elif operation == "get":
            expected = reference.get()
            if expected is None:
                with pytest.raises(IndexError):
                    lane.get()
            else:
                assert lane.get().value == expected
        elif reference.waiting:
            chosen = reference.waiting[argument % len(reference.waiting)]
            lane.drop(events[chosen])
            reference.drop(chosen)
        assert len(lane) == len(reference.waiting)
    order = [payload.value for payload in lane.payloads()]
    assert sorted(order) == reference.waiting
    rest = []
    while (expected := reference.get()) is not None:
        rest.append(expected)
        assert lane.get().value == expected
    assert order == rest
    assert len(lane) == 0
    with pytest.raises(IndexError):
        lane.get()
    assert lane.places()[1] == 0


def values(lane: Probe) -> list[Any]:
    return [lane.get().value for _ in range(len(lane))]


@pytest.mark.parametrize("kind", list(QueueType))
def test_an_empty_lane_raises_index_error(kind: QueueType) -> None:
    lane = Probe(kind)
    with pytest.raises(IndexError) as caught:
        lane.get()
    assert str(caught.value) == "the lane is empty"
    assert len(lane) == 0


@pytest.mark.parametrize("offset", [0, 1, 31, 63, 64, 65])
def test_a_ring_grows_at_every_place_of_its_head(offset: int) -> None:
    lane = Probe("fifo")
    lane.put(Payload(0))
    for number in range(offset):  # never empty: an empty one begins at its start again
        lane.put(Payload(number + 1))
        assert lane.get().value == number
    for number in range(offset + 1, 200):
        lane.put(Payload(number))
    assert values(lane) == list(range(offset, 200))


def test_a_ring_that_never_holds_many_never_grows() -> None:
    lane = Probe("fifo")
    for number in range(1000):
        lane.put(Payload(number))
        assert lane.get().value == number
    assert lane.places() == (64, 0)


@pytest.mark.parametrize("kind", list(QueueType))
def test_a_lane_that_was_large_gives_its_memory_back_when_empty(
    kind: QueueType,
) -> None:
    lane = Probe(kind)
    payload = Payload(7)
    for _ in range(70_000):
        lane.put(payload)
    assert lane.places()[0] >= 70_000
    for _ in range(70_000):
        lane.get()
    with pytest.raises(IndexError):
        lane.get()
    assert lane.places() == (64, 0)
    lane.put(payload)
    assert lane.get() is payload


@pytest.mark.parametrize("kind", list(QueueType))
def test_dropped_events_do_not_pile_up(kind: QueueType) -> None:
    lane = Probe(kind)
    kept = lane.put(Payload("kept"))
    for number in range(10_000):
        lane.drop(lane.put(Payload(number)))
        assert len(lane) == 1
    places, held = lane.places()
    assert places <= 128
    assert held <= 64
    assert lane.get() is kept.payload


@pytest.mark.parametrize("kind", list(QueueType))
def test_a_lane_lets_go_of_what_was_taken(kind: QueueType) -> None:
    class Big:
        pass

    lane = Probe(kind)
    gone = []
    for _ in range(5):
        big = Big()
        gone.append(weakref.ref(big))
        lane.put(Payload(big))
    del big
    for _ in range(5):
        lane.get()
    assert [ref() for ref in gone] == [None] * 5


@pytest.mark.parametrize("kind", list(QueueType))
def test_the_garbage_collector_sees_through_a_lane(kind: QueueType) -> None:
    class Node:
        lane: Probe

    node = Node()
    node.lane = Probe(kind)
    node.lane.put(Payload(node))
    gone = weakref.ref(node)
    del node
    gc.collect()
    assert gone() is None


# -- priority ---------------------------------------------------------------------


def test_the_lowest_priority_number_is_taken_first_and_ties_in_send_order() -> None:
    lane = Probe("priority")
    for number, priority in enumerate([5, 1, 5, 1, 3, 1]):
        lane.put(Payload(number, priority=priority))
    assert values(lane) == [1, 3, 5, 4, 0, 2]


def test_ties_stay_in_send_order_through_any_number_of_takes() -> None:
    lane = Probe("priority", ageing=0)
    taken = []
    for number in range(300):
        lane.put(Payload(number, priority=number % 3))
        if number % 4 == 3:
            taken.append(lane.get().value)
    taken += values(lane)
    for remainder in range(3):
        same = [number for number in taken if number % 3 == remainder]
        assert same == sorted(same)


def test_an_event_without_a_priority_has_the_default_one() -> None:
    lane = Probe("priority", default_priority=3)
    lane.put(Payload("default"))
    lane.put(Payload("later", priority=4))
    lane.put(Payload("sooner", priority=2))
    lane.put(Payload("equal", priority=3))
    assert values(lane) == ["sooner", "default", "equal", "later"]


def test_the_key_is_priority_times_ageing_plus_the_number_of_the_send() -> None:
    lane = Probe("priority", ageing=10)
    lane.put(Payload("old", priority=2))  # 2 * 10 + 1
    for number in range(2, 15):
        lane.put(Payload(number, priority=1))  # 1 * 10 + number
    # 10 + 11 == 20 + 1 is a tie, and the older goes first
    assert values(lane) == [*range(2, 11), "old", *range(11, 15)]


def test_nothing_starves_behind_more_urgent_events_that_keep_coming() -> None:
    ageing, steps = 50, 3
    lane = Probe("priority", ageing=ageing)
    lane.put(Payload("patient", priority=steps))
    taken = 0
    while True:
        lane.put(Payload("urgent", priority=0))
        if lane.get().value == "patient":
            break
        taken += 1
    # The one sent `ageing * steps` sends later has the same key, but is younger.
    assert taken == ageing * steps - 1


def test_ageing_does_not_overflow_at_the_bounds() -> None:
    lane = Probe("priority", ageing=2**30)
    lane.put(Payload("last", priority=2**31 - 1))
    lane.put(Payload("first", priority=-(2**31)))
    lane.put(Payload("middle", priority=0))
    assert values(lane) == ["first", "middle", "last"]


def test_a_priority_means_nothing_in_the_other_lanes() -> None:
    for kind, order in (("fifo", [0, 1, 2]), ("lifo", [2, 1, 0])):
        lane = Probe(kind)
        for number, priority in enumerate([5, 1, 3]):
            lane.put(Payload(number, priority=priority))
        assert values(lane) == order
