"""Several collectors on one event: plain functions in line, the others side by side."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import types
from collections.abc import Callable
from typing import Any

import pytest

from collectorqueue import Collector, CollectorQueue, Error, Ok, Outcome, Payload
from collectorqueue.errors import EventAborted, UnknownKey
from tests.support import Gate, assert_closes, both_loops, ticks, until

VARIABLE: contextvars.ContextVar[str] = contextvars.ContextVar("test_variable")


def plain(payload: Payload[Any]) -> str:
    return "plain"


async def at_once(payload: Payload[Any]) -> str:
    return "at once"


async def later(payload: Payload[Any]) -> str:
    await asyncio.sleep(0)
    return "later"


def gives_coroutine(payload: Payload[Any]) -> Any:
    return later(payload)


def gives_future(payload: Payload[Any]) -> Any:
    future = asyncio.get_running_loop().create_future()
    future.set_result("future")
    return future


@types.coroutine
def generator(payload: Payload[Any]) -> Any:
    yield from asyncio.sleep(0).__await__()
    return "generator"


class Answer:
    def __call__(self, payload: Payload[Any]) -> str:
        return "object"


KINDS: dict[str, tuple[Callable[..., Any], str]] = {
    "plain": (plain, "plain"),
    "at once": (at_once, "at once"),
    "later": (later, "later"),
    "gives coroutine": (gives_coroutine, "later"),
    "gives future": (gives_future, "future"),
    "generator": (generator, "generator"),
    "partial": (functools.partial(later), "later"),
    "object": (Answer(), "object"),
    "lambda": (lambda payload: later(payload), "later"),
}


@pytest.mark.parametrize("first", KINDS)
@pytest.mark.parametrize("last", KINDS)
@both_loops
async def test_every_kind_beside_every_other_gives_its_value_in_its_place(
    first: str, last: str
) -> None:
    kinds = [first, "plain", "later", "gives coroutine", last]
    collectors = [Collector(str(at), KINDS[kind][0]) for at, kind in enumerate(kinds)]
    async with CollectorQueue(collectors, max_consumers=2) as queue:
        event = await queue.publisher.send(0)
        results = await event
        assert results.keys() == ("0", "1", "2", "3", "4")
        assert [result.unwrap() for result in results] == [
            KINDS[kind][1] for kind in kinds
        ]
        stats = queue.collector_stats()
        assert {each.ok for each in stats.values()} == {1}
        assert {each.running for each in stats.values()} == {0}
    assert_closes(queue)


@both_loops
async def test_they_begin_in_registration_order() -> None:
    began: list[str] = []

    def note(name: str) -> Callable[[Any], None]:
        return lambda payload: began.append(name)

    async def note_later(payload: Payload[Any]) -> None:
        began.append("async")
        await asyncio.sleep(0)

    collectors = [
        Collector("a", note("a")),
        Collector("b", note_later),
        Collector("c", note("c")),
        Collector("d", note_later),
        Collector("e", note("e")),
    ]
    async with CollectorQueue(collectors) as queue:
        await (await queue.publisher.send(0))
    assert began == ["a", "async", "c", "async", "e"]


@both_loops
async def test_a_plain_function_that_raises_changes_only_its_own_place() -> None:
    def fails(payload: Payload[Any]) -> None:
        raise ValueError("mine")

    def leaves(payload: Payload[Any]) -> None:
        raise SystemExit(3)

    collectors = [
        Collector("fails", fails),
        Collector("fine", plain),
        Collector("leaves", leaves),
        Collector("later", later),
    ]
    async with CollectorQueue(collectors) as queue:
        event = await queue.publisher.send(0)
        results = await event
        assert event.outcome is Outcome.FAILED
        assert [result.ok() for result in results] == [False, True, False, True]
        assert type(results["fails"].err) is ValueError  # type: ignore[union-attr]
        assert type(results["leaves"].err) is SystemExit  # type: ignore[union-attr]
        assert queue.collector_stats()["fails"].failed == 1


@both_loops
async def test_an_unknown_key_among_known_ones_needs_no_task() -> None:
    async with CollectorQueue([Collector("a", plain)]) as queue:
        before = len(asyncio.all_tasks())
        event = await queue.publisher.send(0, keys=["a", "b", "c"])
        results = await event
        assert len(asyncio.all_tasks()) == before
        assert results["a"] == Ok("plain")
        for key in "bc":
            failure = results[key]
            assert isinstance(failure, Error)
            assert isinstance(failure.err, UnknownKey)


@both_loops
async def test_the_collectors_of_one_event_do_not_share_context_variables() -> None:
    seen: list[str] = []

    def sets(payload: Payload[Any]) -> None:
        seen.append(VARIABLE.get("unset"))
        VARIABLE.set("from a sibling")

    async def sets_later(payload: Payload[Any]) -> None:
        sets(payload)
        await asyncio.sleep(0)
        assert VARIABLE.get() == "from a sibling"

    def sets_and_gives(payload: Payload[Any]) -> Any:
        VARIABLE.set("before the coroutine")

        async def rest() -> None:
            seen.append(VARIABLE.get("unset"))

        return rest()

    collectors = [
        Collector("a", sets),
        Collector("b", sets),
        Collector("c", sets_and_gives),
        Collector("d", sets_later),
        Collector("e", sets),
        Collector("f", sets_later),
    ]
    async with CollectorQueue(collectors, max_consumers=1) as queue:
        for _ in range(3):
            await (await queue.publisher.send(0))
    assert seen.count("before the coroutine") == 3
    assert seen.count("unset") == 15
    assert len(seen) == 18


@both_loops
async def test_in_a_request_each_of_them_sees_the_callers_variables() -> None:
    seen: list[str] = []

    def look(payload: Payload[Any]) -> None:
        seen.append(VARIABLE.get("unset"))
        VARIABLE.set("changed")

    collectors = [Collector(str(at), look) for at in range(3)]
    async with CollectorQueue(collectors) as queue:
        VARIABLE.set("the caller's")
        await queue.publisher.request(0)
        await (await queue.publisher.send(0))
        assert VARIABLE.get() == "the caller's"
    assert seen == ["the caller's"] * 3 + ["unset"] * 3


@both_loops
async def test_a_plain_function_may_send_from_inside() -> None:
    queue = CollectorQueue(capacity=1, max_consumers=1)
    sent = []

    @queue.collector(topics="first")
    def sends(payload: Payload[Any]) -> None:
        # Full for everybody outside: capacity is 1.
        sent.extend(queue.publisher.send_nowait(n, keys="plain") for n in range(2))

    queue.collector(key="other", topics="first")(plain)
    queue.collector(key="plain")(plain)
    async with queue:
        await (await queue.publisher.send(0, topics="first"))
        for event in sent:
            await event
    assert queue.metrics.overflow_sends == 1
    assert queue.ledger.ok == 3


@both_loops
async def test_a_plain_function_that_cancels_its_own_event_aborts_it() -> None:
    """Whether others of the event have begun, are still to begin, or run in line."""
    gate = Gate()
    events: list[Any] = []

    def cancels(payload: Payload[Any]) -> str:
        assert events[0].cancel()
        return "cancelled"

    async def cancels_too(payload: Payload[Any]) -> str:
        return cancels(payload)

    for collectors in (
        [Collector("a", cancels_too), Collector("b", gate)],
        [Collector("a", cancels_too), Collector("b", plain), Collector("c", plain)],
        [Collector("a", gate), Collector("b", cancels_too)],
        [Collector("a", cancels), Collector("b", gate)],
        [Collector("a", gate), Collector("b", cancels), Collector("c", later)],
        [Collector("a", plain), Collector("b", gate), Collector("c", cancels)],
        [Collector("a", cancels), Collector("b", plain)],
    ):
        events.clear()
        keys = [each.key for each in collectors]
        collectors.append(Collector("served", plain))
        async with CollectorQueue(collectors, max_consumers=1) as queue:
            events.append(queue.publisher.send_nowait(0, keys=keys))
            results = await events[0]
            assert events[0].outcome is Outcome.ABORTED
            assert any(
                isinstance(result, Error) and isinstance(result.err, EventAborted)
                for result in results
            )
            await until(lambda queue=queue: queue.consumers == 1)
            for _ in range(3):  # the cancellation was for that event alone
                event = await queue.publisher.send(0, keys="served")
                assert (await event).first() == Ok("plain")
        assert_closes(queue)
        assert queue.ledger.aborted == 1


@both_loops
async def test_one_that_cancels_its_task_leaves_its_siblings_alone() -> None:
    def cancels(payload: Payload[Any]) -> str:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        return "returned all the same"

    for last in (later, plain, at_once):
        collectors = [
            Collector("before", later),
            Collector("cancels", cancels),
            Collector("between", plain),
            Collector("last", last),
        ]
        async with CollectorQueue(collectors, max_consumers=1) as queue:
            for _ in range(2):
                event = await queue.publisher.send(0)
                results = await event
                assert results["before"] == Ok("later")
                assert results["between"] == Ok("plain")
                assert results["last"].ok()
            await until(lambda queue=queue: queue.consumers == 1)
        assert_closes(queue)
        assert queue.ledger.in_flight == 0


@both_loops
async def test_what_was_not_begun_is_closed_when_its_event_is_given_up() -> None:
    """On Python 3.11 a task begins a turn late, and may be cancelled before."""
    begun: list[str] = []

    async def rest() -> str:
        begun.append("rest")
        await asyncio.sleep(0)
        return "rest"

    def gives(payload: Payload[Any]) -> Any:
        return rest()

    def cancels(payload: Payload[Any]) -> None:
        events[0].cancel()

    events: list[Any] = []
    async with CollectorQueue(
        [Collector("a", gives), Collector("b", cancels)], max_consumers=1
    ) as queue:
        events.append(queue.publisher.send_nowait(0))
        await events[0]
        await ticks(5)
        assert events[0].outcome is Outcome.ABORTED
    assert_closes(queue)


@both_loops
async def test_cancelling_an_event_of_an_unknown_key_spares_the_next_event() -> None:
    events: list[Any] = []

    async def cancels(payload: Payload[Any]) -> Any:
        if payload.value == 1:
            events[0].cancel()
            await asyncio.sleep(0)
        return payload.value

    async with CollectorQueue([Collector("a", cancels)], max_consumers=1) as queue:
        events.append(queue.publisher.send_nowait(1, keys=["a", "unknown"]))
        await events[0]
        assert events[0].outcome is Outcome.ABORTED
        for value in (2, 3):
            results = await (await queue.publisher.send(value, keys="a"))
            assert results.first() == Ok(value)


@both_loops
async def test_a_cancelled_event_leaves_no_collector_counted_as_running() -> None:
    """However far its collectors have come: on Python 3.11 they may not have begun."""
    collectors = [Collector("a", later), Collector("b", later)]
    async with CollectorQueue(collectors, max_consumers=1) as queue:
        for turns in range(6):
            event = await queue.publisher.send(0)
            await ticks(turns)
            event.cancel()
            await event
            await queue.publisher.wait()
            await ticks(3)
            for stats in queue.collector_stats().values():
                assert stats.running == 0
                assert stats.received == turns  # the first never began


@both_loops
async def test_a_cancellation_goes_with_the_coroutine_it_was_meant_for() -> None:
    """A plain function cancels, and then returns a coroutine for a task of its own."""
    ended: list[str] = []
    events: list[Any] = []

    async def rest() -> None:
        try:
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            ended.append("to its end")
        except asyncio.CancelledError:
            ended.append("cancelled")
            raise

    def cancels_task(payload: Payload[Any]) -> Any:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        return rest()

    def cancels_event(payload: Payload[Any]) -> Any:
        events[-1].cancel()
        return rest()

    for cancels, outcome in (
        (cancels_task, Outcome.FAILED),
        (cancels_event, Outcome.ABORTED),
    ):
        collectors = [Collector("a", cancels), Collector("b", later)]
        async with CollectorQueue(collectors, max_consumers=1) as queue:
            events.append(queue.publisher.send_nowait(0))
            results = await events[-1]
            assert events[-1].outcome is outcome
            assert not results["a"].ok()
            if outcome is Outcome.FAILED:
                assert results["b"] == Ok("later")
            event = await queue.publisher.send(0, keys="b")
            assert (await event).first() == Ok("later")
    assert "to its end" not in ended


@both_loops
async def test_an_event_that_fails_in_its_last_collectors_own_task_is_logged() -> None:
    """Settled from within that task, while the consumer's turn is not over."""

    def cancels(payload: Payload[Any]) -> str:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        return "returned all the same"

    async def fails(payload: Payload[Any]) -> None:
        raise ValueError("mine")

    collectors = [Collector("cancels", cancels), Collector("fails", fails)]
    async with CollectorQueue(collectors, max_consumers=1) as queue:
        for _ in range(3):
            event = await queue.publisher.send(0)
            results = await event
            assert event.outcome is Outcome.FAILED
            assert results["cancels"].ok()
            assert not results["fails"].ok()
    assert_closes(queue)
