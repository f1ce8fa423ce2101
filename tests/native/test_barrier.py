"""`publisher.wait()`: all that was accepted before the call has ended, and no more."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collectorqueue import CollectorQueue, Payload
from tests.support import both_loops, run_virtual, ticks


class Held:
    """Handlers that end one by one, in the order the test says."""

    def __init__(self) -> None:
        self.running: dict[int, asyncio.Future[None]] = {}

    async def __call__(self, payload: Payload[int]) -> None:
        future = asyncio.get_running_loop().create_future()
        self.running[payload.value] = future
        await future

    def end(self, number: int) -> None:
        self.running.pop(number).set_result(None)


@both_loops
async def test_a_wait_with_nothing_accepted_returns_at_once() -> None:
    async with CollectorQueue() as queue:
        await queue.publisher.wait()
        await queue.publisher.wait()


@both_loops
async def test_a_wait_ends_with_the_last_event_accepted_before_it() -> None:
    held = Held()
    queue = CollectorQueue(max_consumers=8)
    queue.collector("held")(held)
    async with queue:
        await queue.publisher.send_many([1, 2])
        first = asyncio.ensure_future(queue.publisher.wait())
        await ticks(5)
        await queue.publisher.send(3)
        second = asyncio.ensure_future(queue.publisher.wait())
        await ticks(5)
        held.end(2)
        await ticks(5)
        assert (first.done(), second.done()) == (False, False)
        held.end(1)
        await ticks(5)
        assert (first.done(), second.done()) == (True, False)
        held.end(3)
        await ticks(5)
        assert second.done()


@both_loops
async def test_later_events_that_end_first_do_not_end_an_earlier_wait() -> None:
    held = Held()
    queue = CollectorQueue(max_consumers=8)
    queue.collector("held")(held)
    async with queue:
        await queue.publisher.send(1)
        wait = asyncio.ensure_future(queue.publisher.wait())
        await ticks(5)
        await queue.publisher.send_many([2, 3, 4])
        await ticks(5)
        for number in (2, 3, 4):
            held.end(number)
        await ticks(5)
        assert not wait.done()
        held.end(1)
        await wait


@both_loops
async def test_a_cancelled_wait_leaves_the_others_standing() -> None:
    held = Held()
    queue = CollectorQueue(max_consumers=8)
    queue.collector("held")(held)
    async with queue:
        await queue.publisher.send(1)
        waits = [asyncio.ensure_future(queue.publisher.wait()) for _ in range(3)]
        await ticks(3)
        waits[0].cancel()
        await ticks(3)
        assert [wait.done() for wait in waits] == [True, False, False]
        held.end(1)
        await asyncio.gather(*waits[1:])
        with pytest.raises(asyncio.CancelledError):
            await waits[0]


OPERATIONS = st.lists(
    st.tuples(
        st.sampled_from(
            ["send", "send", "end", "end", "wait", "cancel event", "cancel wait"]
        ),
        st.integers(0, 1000),
    ),
    max_size=60,
)


@pytest.mark.repetitive
@settings(max_examples=60, deadline=None, database=None, derandomize=True)
@given(operations=OPERATIONS)
def test_every_wait_ends_exactly_when_the_model_says(
    operations: list[tuple[str, int]],
) -> None:
    run_virtual(compare(operations))


async def compare(operations: list[tuple[str, int]]) -> None:
    held = Held()
    queue = CollectorQueue(max_consumers=100, autoscale=False)
    queue.collector("held")(held)
    events: dict[int, Any] = {}
    waits: list[tuple[asyncio.Future[None], set[int]]] = []
    async with queue:
        for number, (operation, choice) in enumerate(operations):
            unsettled = [n for n, event in events.items() if not event.is_done()]
            if operation == "send":
                events[number] = await queue.publisher.send(number)
            elif operation == "end" and held.running:
                held.end(sorted(held.running)[choice % len(held.running)])
            elif operation == "cancel event" and unsettled:
                chosen = unsettled[choice % len(unsettled)]
                events[chosen].cancel()
                held.running.pop(chosen, None)
            elif operation == "wait":
                wait = asyncio.ensure_future(queue.publisher.wait())
                waits.append((wait, set(unsettled)))
            elif operation == "cancel wait" and waits:
                wait, _ = waits.pop(choice % len(waits))
                wait.cancel()
            await ticks(8)
            for wait, members in waits:
                over = all(events[each].is_done() for each in members)
                assert wait.done() == over, (operation, members)
        for number in list(held.running):
            held.end(number)
        await asyncio.gather(*(wait for wait, _ in waits))
