"""The three orders of a queue, seen from outside."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from collectorqueue import Collector, CollectorQueue, Payload, QueueType
from tests.support import Gate, both_loops, ticks


async def order_of(sends: list[tuple[Any, int | None]], **options: Any) -> list[Any]:
    """In which order one consumer takes what was sent while it was busy."""
    gate = Gate()
    options.setdefault("max_consumers", 1)
    queue = CollectorQueue([Collector("gate", gate)], **options)
    async with queue:
        await queue.publisher.send("first")
        await ticks(3)
        for value, priority in sends:
            await queue.publisher.send(value, priority=priority)
        gate.open()
        await queue.publisher.wait()
    assert gate.started[0] == "first"
    return gate.started[1:]


MIXED = [("a", 5), ("b", 1), ("c", 5), ("d", 1), ("e", 3)]


@pytest.mark.parametrize(
    ("queue_type", "order"),
    [
        ("fifo", ["a", "b", "c", "d", "e"]),
        ("lifo", ["e", "d", "c", "b", "a"]),
        ("priority", ["b", "d", "e", "a", "c"]),
        (QueueType.PRIORITY, ["b", "d", "e", "a", "c"]),
    ],
)
@both_loops
async def test_a_queue_takes_in_its_order(queue_type: Any, order: list[str]) -> None:
    assert await order_of(MIXED, queue_type=queue_type) == order


@both_loops
async def test_an_event_without_a_priority_has_the_default_of_the_queue() -> None:
    sends = [("low", 1001), ("none", None), ("high", 999), ("same", 1000)]
    assert await order_of(sends, queue_type="priority") == [
        "high",
        "none",
        "same",
        "low",
    ]
    sends = [("low", 5), ("none", None), ("high", 3), ("same", 4)]
    order = await order_of(sends, queue_type="priority", default_priority=4)
    assert order == ["high", "none", "same", "low"]


@both_loops
async def test_events_of_one_priority_are_taken_in_send_order() -> None:
    sends = [(number, number % 3) for number in range(60)]
    order = await order_of(sends, queue_type="priority")
    assert order == sorted(range(60), key=lambda number: (number % 3, number))


@both_loops
async def test_an_event_gains_one_step_of_priority_every_ageing_sends() -> None:
    sends = [("old", 3), *((number, 2) for number in range(20))]
    order = await order_of(sends, queue_type="priority", ageing=10)
    assert order.index("old") == 9


@both_loops
async def test_nothing_starves_while_urgent_events_keep_coming() -> None:
    queue = CollectorQueue(queue_type="priority", ageing=5, max_consumers=1)
    taken: list[Any] = []

    @queue.collector
    async def breed(payload: Payload[Any]) -> None:
        taken.append(payload.value)
        if "patient" not in taken:
            queue.publisher.send_nowait("urgent", priority=0)

    async with queue:
        queue.publisher.send_nowait("urgent", priority=0)
        queue.publisher.send_nowait("patient", priority=4)
        await queue.publisher.wait()
        await asyncio.sleep(0)
    assert taken.index("patient") <= 5 * 4 + 1


@both_loops
async def test_a_set_priority_before_the_send_counts() -> None:
    gate = Gate()
    queue = CollectorQueue(
        [Collector("gate", gate)], queue_type=QueueType.PRIORITY, max_consumers=1
    )
    async with queue:
        await queue.publisher.send("first")
        await ticks(3)
        for value, priority in (("later", 9), ("sooner", 1)):
            payload = Payload(value, priority=5)
            payload.set_priority(priority)
            await queue.publisher.send(payload)
        gate.open()
    assert gate.started == ["first", "sooner", "later"]


@both_loops
async def test_blocked_senders_are_admitted_in_order_of_arrival_only() -> None:
    gate = Gate()
    queue = CollectorQueue(
        [Collector("gate", gate)], queue_type="priority", max_consumers=1, capacity=1
    )
    async with queue:
        await queue.publisher.send("first")
        await ticks(3)
        await queue.publisher.send("second", priority=1)
        blocked = []
        for value, priority in (("third", 9), ("fourth", 0)):
            sending = queue.publisher.send(value, priority=priority)
            blocked.append(asyncio.ensure_future(sending))
            await ticks(1)
        gate.open()
        await asyncio.gather(*blocked)
    assert gate.started == ["first", "second", "third", "fourth"]
