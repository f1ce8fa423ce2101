"""Nothing is kept that nobody keeps: cycles, payloads, events, frames, contexts."""

from __future__ import annotations

import asyncio
import gc
import sys
import types
import weakref
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import msgspec
import pytest

from collectorqueue import (
    Collector,
    CollectorEvent,
    CollectorQueue,
    Error,
    Ok,
    Outcome,
    Payload,
    QueueType,
)
from tests.faults.harness import assert_closed
from tests.support import Gate, Log, assert_closes, both_loops, ticks, until

KINDS = pytest.mark.parametrize("queue_type", list(QueueType))


class Heavy:
    """A value that can be watched."""

    def __init__(self, **more: Any) -> None:
        self.__dict__.update(more)


class Struct(msgspec.Struct):
    """Tracked late by the collector."""

    value: Any = None


class Flat(msgspec.Struct, gc=False):
    """Never tracked by the collector."""

    value: int = 0


class Slots:
    """Without a dict."""

    __slots__ = ("__weakref__", "value")

    def __init__(self, value: Any = None) -> None:
        self.value = value


class Text(str):
    """A str that can hold references."""


class Number(int):
    """An int that can hold references."""


def all_kinds_of_values() -> list[Any]:
    """Values of types with and without the collector's flag, tracked and not."""
    recursive: list[Any] = []
    recursive.append(recursive)
    text = Text("text")
    text.own = text  # type: ignore[attr-defined]
    number = Number(5)
    number.own = [number]  # type: ignore[attr-defined]
    return [
        None, True, 0, 2**100, 1.5, 1j, "text", b"bytes", bytearray(b"more"), ...,
        (), (1, 2), ((), (1,)), ([],), [], [1], recursive, {}, {1: 2}, {"a": {}},
        set(), {1}, frozenset(), frozenset([1, (2,)]), range(5), slice(1),
        memoryview(b"m"),
        object(), Heavy(), Heavy(own=[]), Slots(1), Struct(1), Struct([]), Flat(1),
        text, number, len, [].append, Heavy, ValueError("x"), lambda: None, sys,
        types.SimpleNamespace(a=1), (each for each in []), iter([]),
        types.MappingProxyType({}), Ok(1), Ok([]), Error("text"),
        [Payload(1)], (Payload([]),), weakref.ref(Heavy), Outcome.OK,
    ]  # fmt: skip


pytestmark = pytest.mark.usefixtures("small_heap")


@pytest.fixture
def collecting(small_heap: None) -> Iterator[None]:
    """The garbage collector runs at every allocation."""
    before = gc.get_threshold()
    gc.set_threshold(1, 1, 1)
    yield
    gc.set_threshold(*before)


@pytest.mark.usefixtures("collecting")
@KINDS
@both_loops
async def test_all_kinds_of_values_pass_while_the_collector_runs_all_the_time(
    queue_type: QueueType,
) -> None:
    async def echo(payload: Payload[Any]) -> Any:
        gc.collect()
        if payload.value is None:
            await asyncio.sleep(0)
        return payload.value

    async def wrapped(payload: Payload[Any]) -> Any:
        await asyncio.sleep(0)
        return Ok([payload.value])

    def fails(payload: Payload[Any]) -> Any:
        gc.collect()
        raise ValueError(payload.value)

    collectors = [
        Collector("echo", echo, topics=["one", "all"]),
        Collector("wrapped", wrapped, topics=["all"]),
        Collector("fails", fails, topics=["all"]),
    ]
    values = all_kinds_of_values()
    async with CollectorQueue(
        collectors, queue_type=queue_type, max_consumers=3
    ) as queue:
        for where in (
            {"topics": "one"}, {"topics": ("all",)}, {"keys": "echo"},
            {"keys": ["wrapped", "echo"], "priority": 3}, {"keys": Text("echo")},
            {"topics": [Text("all"), "one"], "ttl": 100.0},
        ):  # fmt: skip
            events = [queue.publisher.send_nowait(value, **where) for value in values]
            waiter = asyncio.create_task(events[-1].wait())
            for event, value in zip(events, values, strict=True):
                results = await event
                assert event.payload.value is value
                for key, result in results.items():
                    if key == "fails":
                        assert result.err.args == (value,)
                    elif key == "wrapped":
                        assert result.value[0] is value
                    elif type(value) in (Ok, Error):
                        assert result is value
                    else:
                        assert result.value is value
            await waiter
            repr(events)
        del events, event, results, result
    assert_closed(queue)


@pytest.mark.usefixtures("collecting")
@both_loops
async def test_a_full_queue_is_emptied_while_the_collector_runs_all_the_time() -> None:
    gate = Gate()
    async with CollectorQueue([Collector("gate", gate)], max_consumers=2) as queue:
        events = [queue.publisher.send_nowait([value]) for value in range(50)]
        for event in events[10::3]:
            event.cancel()
        await ticks(3)
        gate.open()
        await queue.publisher.wait()
        assert [event.payload.value for event in events] == [
            [each] for each in range(50)
        ]
    assert_closed(queue)


async def collected(*references: Any) -> None:
    """All of it is freed, after a pass of the collector at most."""
    await ticks(3)
    gc.collect()
    left = [reference() for reference in references if reference() is not None]
    assert not left, [gc.get_referrers(each) for each in left]


@pytest.mark.parametrize("count", [40, 200, 3000])
@KINDS
@both_loops
async def test_what_is_let_go_of_may_send_and_cancel(
    queue_type: QueueType, count: int
) -> None:
    """Destructors run where the queue drops the last reference to an event."""
    late: list[CollectorEvent] = []
    kept: list[CollectorEvent] = []

    class Resource:
        def __del__(self) -> None:
            if queue.is_running:
                late.append(queue.publisher.send_nowait("late"))
                if len(late) % 3 == 0 and kept:
                    kept.pop().cancel()

    queue = CollectorQueue(
        [Collector("same", lambda payload: None)], queue_type=queue_type, max_consumers=1,
        capacity=100_000,
    )  # fmt: skip
    async with queue:
        events = [queue.publisher.send_nowait(Resource()) for _ in range(count)]
        kept += events[::5]
        others = [event for at, event in enumerate(events) if at % 4 == 3]
        chosen = [event for at, event in enumerate(events) if at % 4 != 3]
        del events
        while chosen:
            chosen.pop().cancel()
        await queue.publisher.wait()
        while not all(event.is_done() for event in late):
            await queue.publisher.wait()
        assert all(event.is_done() for event in [*others, *late])
        assert late
    assert_closes(queue)


@both_loops
async def test_payloads_and_results_are_freed_with_their_event() -> None:
    results = []

    async def handler(payload: Payload[Any]) -> Any:
        await ticks(payload.value.turns)
        answer = Heavy()
        results.append(weakref.ref(answer))
        return answer

    async with CollectorQueue([Collector("h", handler)], max_consumers=2) as queue:
        references = []
        for at in range(10):
            heavy = Heavy(turns=at % 3)
            references.append(weakref.ref(heavy))
            event = await queue.publisher.send(heavy)
            await event
            del heavy, event
        gc.disable()
        try:
            await ticks(3)
            left = [each for each in (*references, *results) if each() is not None]
            assert left == [], "only a pass of the collector would free it"
        finally:
            gc.enable()
        await collected(*references, *results)


@pytest.mark.parametrize(
    "state", ["queued", "running", "settled", "failed", "cancelled"]
)
@pytest.mark.parametrize(
    "kind", ["list", "dict", "object", "struct", "slots", "text", "tuple", "key"]
)
@both_loops
async def test_a_payload_that_refers_to_its_queue_or_event_is_collected(
    kind: str, state: str
) -> None:
    opened = asyncio.Event()

    class Watched:
        pass

    async def make() -> Any:
        watched = Watched()

        async def handler(payload: Payload[Any]) -> Any:
            if state == "failed":
                raise ValueError(payload)
            if state in ("running", "cancelled"):
                await opened.wait()
            return payload

        queue = CollectorQueue([Collector("h", handler)], max_consumers=1)
        await queue.start()
        value: Any
        if kind == "list":
            value = [watched]
        elif kind == "dict":
            value = {"watched": watched}
        elif kind == "object":
            value = Heavy(watched=watched)
        elif kind == "struct":
            value = Struct()
        elif kind == "slots":
            value = Slots()
        elif kind == "text":
            value = Text("text")
        elif kind == "tuple":
            value = ([watched],)
        else:
            value = 1
        where = {}
        if kind == "key":
            address = Text("h")
            address.watched = watched  # type: ignore[attr-defined]
            where = {"keys": address}
        event = queue.publisher.send_nowait(value, **where)
        watched.refers = [queue, event]  # type: ignore[attr-defined]
        if kind in ("struct", "slots"):
            value.value = watched
        elif kind == "text":
            value.watched = watched
        if state != "queued":
            await ticks(4)
        if state == "cancelled":
            event.cancel()
            await ticks(4)
        if state in ("settled", "failed", "cancelled"):
            assert event.is_done()
            await event
        if state != "queued":
            opened.set()
            await queue.publisher.wait()
        await queue.close()
        return weakref.ref(watched)

    reference = await make()
    await collected(reference)


@both_loops
async def test_an_event_in_its_own_payload_and_result_is_collected() -> None:
    def handler(payload: Payload[Any]) -> Any:
        return payload.value

    async with CollectorQueue([Collector("h", handler)]) as queue:
        for _ in range(2):
            heavy = Heavy()
            heavy.event = await queue.publisher.send(heavy, keys=["h"])  # type: ignore[attr-defined]
            await heavy.event  # type: ignore[attr-defined]
            reference = weakref.ref(heavy)
            del heavy
            await collected(reference)


@pytest.mark.repetitive
@both_loops
async def test_ten_thousand_events_leave_nothing_behind() -> None:
    async def handler(payload: Payload[Any]) -> Any:
        if payload.value % 10 == 0:
            raise ValueError(payload.value)
        if payload.value % 7 == 0:
            await asyncio.sleep(0)
        return [payload.value]

    async with CollectorQueue([Collector("h", handler)], max_consumers=4) as queue:

        async def run(count: int) -> None:
            for _ in range(count // 100):
                await queue.publisher.send_many(range(1, 101))
                await queue.publisher.wait()

        await run(1000)
        gc.collect()
        before = len(gc.get_objects())
        blocks = sys.getallocatedblocks()
        await run(10_000)
        gc.collect()
        assert len(gc.get_objects()) - before < 100
        assert sys.getallocatedblocks() - blocks < 1000
        events = [each for each in gc.get_objects() if type(each) is CollectorEvent]
        assert len(events) < 10
    assert_closed(queue)


@pytest.mark.repetitive
@both_loops
async def test_ten_thousand_requests_and_nested_ones_leave_nothing_behind() -> None:
    async def outer(payload: Payload[Any]) -> Any:
        return await queue.publisher.call("inner", [payload.value])

    async def inner(payload: Payload[Any]) -> Any:
        return payload.value

    async with CollectorQueue(
        [Collector("outer", outer), Collector("inner", inner)], max_consumers=1
    ) as queue:

        async def run(count: int) -> None:
            for value in range(count):
                await queue.publisher.call("outer", value)

        await run(50)
        gc.collect()
        before = len(gc.get_objects())
        await run(1000)
        await ticks(3)
        gc.collect()
        assert len(gc.get_objects()) - before < 100


class Watched:
    """A local of a handler's frame."""


@pytest.mark.parametrize("collectors", [1, 2])
@pytest.mark.parametrize(
    "how", ["raises", "raises from", "raises after await", "group"]
)
@both_loops
async def test_failed_events_that_are_kept_hold_no_frames(
    how: str, collectors: int
) -> None:
    references = []

    async def handler(payload: Payload[Any]) -> None:
        local = Watched()
        references.append(weakref.ref(local))
        if how == "raises after await":
            await asyncio.sleep(0)
        if how == "group":
            try:
                raise KeyError(1)
            except KeyError as exc:
                raise ExceptionGroup("group", [exc, ValueError(2)]) from exc
        try:
            raise KeyError("inner")
        except KeyError as exc:
            if how == "raises from":
                raise ValueError("outer") from exc
            raise ValueError("outer")  # noqa: B904

    made = [Collector(f"h{at}", handler) for at in range(collectors)]
    async with CollectorQueue(made, max_consumers=2) as queue:
        events = await queue.publisher.send_many(range(5))
        await queue.publisher.wait()
        await collected(*references)
        for event in events:
            error = event.get_result().first()
            assert event.outcome is Outcome.FAILED
            assert error.err.__traceback__ is None
            assert error.err.__context__ is None
            assert error.err.__cause__ is None
            assert "in handler" in error.traceback
            with pytest.raises(type(error.err)):
                error.unwrap()
        assert len(references) == 5 * collectors


@both_loops
async def test_unwrapping_an_error_does_not_keep_the_frames_of_who_unwraps() -> None:
    def handler(payload: Payload[Any]) -> None:
        raise ValueError("of the handler")

    def unwrap(result: Any) -> Any:
        local = Watched()
        with suppress(ValueError):
            result.unwrap()
        return weakref.ref(local)

    async with CollectorQueue([Collector("h", handler)]) as queue:
        event = await queue.publisher.send(1)
        result = (await event).first()
        unwrap(result)
        reference = unwrap(result)
        result.err.with_traceback(None)
        await collected(reference)


@both_loops
async def test_cancelled_and_timed_out_waiters_are_not_kept_by_the_event() -> None:
    gate = Gate()
    async with CollectorQueue([Collector("gate", gate)]) as queue:
        event = await queue.publisher.send(1)
        gc.collect()
        before = len(gc.get_objects())
        for _ in range(300):
            task = asyncio.create_task(event.wait())
            await ticks(1)
            task.cancel()
            await ticks(1)
            with pytest.raises(TimeoutError):
                await event.wait(timeout=0)
        del task
        await ticks(2)
        gc.collect()
        assert len(gc.get_objects()) - before < 50
        gate.open()


@both_loops
async def test_events_that_started_in_time_are_not_kept_by_their_ttl() -> None:
    async with CollectorQueue([Collector("log", Log())], max_consumers=1) as queue:
        references = []
        for _ in range(1000):
            heavy = Heavy()
            references.append(weakref.ref(heavy))
            await (await queue.publisher.send(heavy, keys="log", ttl=3600.0))
            queue.collectors["log"].processor.values.clear()
            del heavy
        await ticks(2)
        gc.collect()
        assert sum(1 for each in references if each() is not None) <= 130


@both_loops
async def test_an_idle_consumer_keeps_nothing_of_its_last_event() -> None:
    class Answer:
        pass

    references = []

    async def handler(payload: Payload[Any]) -> Any:
        answer = Answer()
        references.extend([weakref.ref(answer), weakref.ref(payload.value)])
        await ticks(1)
        if payload.value.fails:
            raise ValueError(answer)
        return answer

    async with CollectorQueue(
        [Collector("a", handler), Collector("b", handler)], max_consumers=1
    ) as queue:
        for where in ("a", "b", ["a", "b"]):
            for fails in (False, True):
                await queue.publisher.send(Heavy(fails=fails), keys=where)
        await queue.publisher.wait()
        await until(lambda: queue.load.busy == 0)
        await collected(*references)
