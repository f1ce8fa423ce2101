"""One event cannot touch the next: each runs in a fresh copy of the context."""

from __future__ import annotations

import asyncio
import contextvars
import decimal
import gc
import logging
from collections.abc import Callable
from typing import Any

import pytest

from collectorqueue import Collector, CollectorQueue, Ok, Payload, ResultList, Router
from tests.faults.harness import assert_closed
from tests.support import both_loops, ticks

VAR: contextvars.ContextVar[Any] = contextvars.ContextVar("var", default=None)
OTHER: contextvars.ContextVar[Any] = contextvars.ContextVar("other", default=None)

PLACES = {
    "alone": ["odd"],
    "first": ["odd", "other"],
    "middle": ["other", "odd", "another"],
    "last": ["other", "odd"],
}


def touch_once() -> None:
    VAR.set("left behind")


def touch_twice() -> None:
    VAR.set("left")
    VAR.set("behind")


def touch_many_times() -> None:
    for value in range(20):
        VAR.set(value)
        OTHER.set(-value)


def touch_and_reset() -> None:
    token = VAR.set("left behind")
    OTHER.set("behind")
    VAR.reset(token)


def touch_precision() -> None:
    decimal.getcontext().prec = 3


def touch_decimal_context() -> None:
    decimal.setcontext(decimal.Context(prec=5))


def touch_locally() -> None:
    with decimal.localcontext() as context:
        context.prec = 7
        _ = decimal.Decimal(1) / 3


def touch_nothing() -> None:
    VAR.get()


TOUCHES: list[Callable[[], None]] = [
    touch_once,
    touch_twice,
    touch_many_times,
    touch_and_reset,
    touch_precision,
    touch_decimal_context,
    touch_locally,
    touch_nothing,
]


def variables() -> tuple[Any, ...]:
    """What an event may find changed by another."""
    return VAR.get(), OTHER.get(), decimal.getcontext().prec


def queue_with(handler: Any, place: str, runs_in: Any = "loop") -> CollectorQueue:
    async def other(payload: Payload[Any]) -> None:
        seen.append(variables())
        await ticks(payload.value % 3)
        seen.append(variables())

    seen: list[Any] = []
    collectors = [
        Collector("odd", handler, runs_in=runs_in)
        if key == "odd"
        else Collector(key, other)
        for key in PLACES[place]
    ]
    queue = CollectorQueue(collectors, max_consumers=1)
    queue.seen = seen  # type: ignore[attr-defined]
    return queue


async def assert_isolated(queue: Any, seen: list[Any]) -> None:
    async def program() -> None:
        async with queue:
            for value in range(12):
                await queue.publisher.send(value)
            await queue.publisher.wait()
            for value in range(12):
                results = await queue.publisher.request(value)
                assert not results.errors()
        assert variables() == own

    # In a context that has no decimal context yet: one that handlers inherit is one
    # object, which they share as tasks do.
    own = (None, None, decimal.DefaultContext.prec)
    await asyncio.create_task(program(), context=contextvars.Context())
    assert len(seen) >= 24
    assert set(seen) == {own}
    assert set(queue.seen) <= {own}
    assert_closed(queue)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("touch", TOUCHES)
@both_loops
async def test_a_plain_handler(touch: Any, place: str) -> None:
    seen = []

    def handler(payload: Payload[Any]) -> None:
        seen.append(variables())
        if payload.value % 2:
            touch()

    await assert_isolated(queue_with(handler, place), seen)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("touch", TOUCHES)
@both_loops
async def test_a_handler_that_does_not_suspend(touch: Any, place: str) -> None:
    seen = []

    async def handler(payload: Payload[Any]) -> None:
        seen.append(variables())
        if payload.value % 2:
            touch()

    await assert_isolated(queue_with(handler, place), seen)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("touch", TOUCHES)
@both_loops
async def test_a_handler_that_suspends_keeps_its_own_and_leaves_nothing(
    touch: Any, place: str
) -> None:
    seen = []

    async def handler(payload: Payload[Any]) -> None:
        seen.append(variables())
        if payload.value % 3 == 0:
            await ticks(1)
        touch()
        mine = variables()
        await ticks(2)
        assert variables() == mine
        touch()
        await ticks(payload.value % 3)

    await assert_isolated(queue_with(handler, place), seen)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("touch", TOUCHES)
@both_loops
async def test_a_handler_in_a_thread(touch: Any, place: str) -> None:
    seen = []

    def handler(payload: Payload[Any]) -> None:
        seen.append(variables())
        touch()

    await assert_isolated(queue_with(handler, place, "thread"), seen)


@pytest.mark.parametrize("place", PLACES)
@both_loops(debug=True)
async def test_in_debug_mode(place: str) -> None:
    seen = []

    async def handler(payload: Payload[Any]) -> None:
        seen.append(variables())
        if payload.value % 2:
            touch_many_times()
            await ticks(1)
        touch_precision()

    await assert_isolated(queue_with(handler, place), seen)


@both_loops
async def test_a_handler_that_fails_or_is_cancelled_leaves_nothing() -> None:
    seen = []

    async def handler(payload: Payload[Any]) -> None:
        seen.append(variables())
        touch_many_times()
        if payload.value == "suspends":
            await asyncio.Event().wait()
        raise ValueError

    async with CollectorQueue([Collector("odd", handler)], max_consumers=1) as queue:
        for value in ["fails", "suspends", "fails"] * 5:
            event = await queue.publisher.send(value)
            await ticks(3)
            event.cancel()
            await event
    assert set(seen) == {(None, None, decimal.getcontext().prec)}


@both_loops
async def test_many_concurrent_handlers_see_only_their_own_variables() -> None:
    async def handler(payload: Payload[Any]) -> tuple[Any, ...]:
        assert VAR.get() is None
        VAR.set(payload.value)
        decimal.setcontext(decimal.Context(prec=payload.value + 1))
        await ticks(payload.value % 7)
        assert VAR.get() == payload.value
        await ticks(payload.value % 5)
        return VAR.get(), decimal.getcontext().prec

    async with CollectorQueue([Collector("h", handler)], max_consumers=20) as queue:
        events = await queue.publisher.send_many(range(200))
        for value, event in enumerate(events):
            assert (await event).first() == Ok((value, value + 1))


@both_loops
async def test_handlers_start_from_the_context_of_start_and_not_of_the_sender() -> None:
    async def handler(payload: Payload[Any]) -> Any:
        return VAR.get()

    VAR.set("at start")
    async with CollectorQueue([Collector("h", handler)], max_consumers=1) as queue:
        VAR.set("at send")
        event = await queue.publisher.send(1)
        assert (await event).first() == Ok("at start")


@pytest.mark.parametrize("runs_in", ["loop", "thread"])
@pytest.mark.parametrize("collectors", [1, 3])
@both_loops
async def test_request_and_call_carry_the_senders_variables(
    runs_in: Any, collectors: int
) -> None:
    def handler(payload: Payload[Any]) -> Any:
        found = VAR.get()
        VAR.set("left behind")
        return found

    made = [Collector(f"h{at}", handler, runs_in=runs_in) for at in range(collectors)]
    async with CollectorQueue(made, max_consumers=1) as queue:
        for value in range(5):
            VAR.set(value)
            results = await queue.publisher.request("x")
            assert list(results) == [Ok(value)] * collectors
            assert await queue.publisher.call("h0", "x") == value
            event = await queue.publisher.send("x", keys="h0")
            assert (await event).first() == Ok(None)
            assert VAR.get() == value


@pytest.mark.parametrize("runs_in", ["loop", "thread"])
@both_loops
async def test_propagate_context_carries_the_senders_variables(runs_in: Any) -> None:
    seen = []

    def handler(payload: Payload[Any]) -> None:
        seen.append((payload.value, VAR.get(), decimal.getcontext().prec))
        VAR.set("left behind")
        decimal.setcontext(decimal.Context(prec=3))

    async with CollectorQueue(
        [Collector("h", handler, runs_in=runs_in)],
        max_consumers=1,
        propagate_context=True,
    ) as queue:
        precision = decimal.getcontext().prec
        for value in range(10):
            VAR.set(value)
            queue.publisher.send_nowait(value)
        await queue.publisher.wait()
        assert seen == [(value, value, precision) for value in range(10)]


@pytest.mark.parametrize("consumers", [1, 3])
@both_loops
async def test_a_chain_of_events_that_send_the_next_keeps_no_scopes(consumers: int) -> None:
    """Each begins with the context of the one before, and that must not hold all."""

    async def step(payload: Payload[int]) -> None:
        if payload.value:
            queue.publisher.send_nowait(payload.value - 1)
            await asyncio.sleep(0)  # the next may begin before this one ends

    def scopes() -> int:
        gc.collect()
        return sum(type(each).__name__ == "Scope" for each in gc.get_objects())

    queue = CollectorQueue(
        [Collector("step", step)], propagate_context=True, max_consumers=consumers
    )
    async with queue:
        before = scopes()
        await queue.publisher.send(500)
        while queue.ledger.ok <= 500:
            await queue.publisher.wait()
        assert scopes() - before < 10


@both_loops
async def test_a_nested_request_carries_the_handlers_variables() -> None:
    async def outer(payload: Payload[Any]) -> Any:
        VAR.set("outer")
        inner = await queue.publisher.call("inner", 1)
        return inner, VAR.get()

    async def inner(payload: Payload[Any]) -> Any:
        found = VAR.get()
        VAR.set("inner")
        return found

    async with CollectorQueue(
        [Collector("outer", outer), Collector("inner", inner)], max_consumers=1
    ) as queue:
        for _ in range(3):
            assert await queue.publisher.call("outer", 1) == ("outer", "outer")
        assert VAR.get() is None


@both_loops
async def test_a_task_keeps_its_context_while_the_consumer_goes_on() -> None:
    tasks = []

    async def background(value: int) -> list[Any]:
        seen = []
        for _ in range(10):
            seen.append(VAR.get())
            await asyncio.sleep(0)
        VAR.set(f"changed by {value}")
        await ticks(2)
        seen.append(VAR.get())
        return seen

    async def handler(payload: Payload[Any]) -> Any:
        assert VAR.get() is None
        VAR.set(payload.value)
        tasks.append(asyncio.create_task(background(payload.value)))
        if payload.value % 2:
            await ticks(1)
        VAR.set("after the task was made")
        return "ok"

    async with CollectorQueue([Collector("h", handler)], max_consumers=1) as queue:
        await queue.publisher.send_many(range(10))
        await queue.publisher.wait()
        assert queue.ledger.ok == 10
        for value, task in enumerate(tasks):
            assert await task == [value] * 10 + [f"changed by {value}"]


@both_loops
async def test_a_task_of_an_untouched_context_does_not_see_the_next_event() -> None:
    tasks = []

    async def background() -> list[Any]:
        seen = []
        for _ in range(10):
            seen.append(VAR.get())
            await asyncio.sleep(0)
        return seen

    async def handler(payload: Payload[Any]) -> None:
        if payload.value == 0:
            tasks.append(asyncio.create_task(background()))
        else:
            VAR.set(payload.value)
            await ticks(1)

    async with CollectorQueue([Collector("h", handler)], max_consumers=1) as queue:
        await queue.publisher.send_many([0, 1, 0, 2, 0, 3])
        await queue.publisher.wait()
        for task in tasks:
            assert await task == [None] * 10


@both_loops
async def test_a_context_kept_by_a_handler_does_not_change() -> None:
    kept = []

    def handler(payload: Payload[Any]) -> None:
        kept.append(contextvars.copy_context())
        VAR.set(payload.value)
        kept.append(contextvars.copy_context())
        payload.value % 2 and VAR.set(-payload.value)

    async with CollectorQueue([Collector("h", handler)], max_consumers=1) as queue:
        await queue.publisher.send_many(range(1, 20))
        await queue.publisher.wait()
        assert queue.ledger.ok == 19
    assert [context.get(VAR) for context in kept[0::2]] == [None] * 19
    assert [context[VAR] for context in kept[1::2]] == list(range(1, 20))


@both_loops
async def test_a_callback_scheduled_by_a_handler_changes_its_own_context_only() -> None:
    seen = []

    def handler(payload: Payload[Any]) -> None:
        seen.append(VAR.get())
        asyncio.get_running_loop().call_soon(VAR.set, payload.value)

    async with CollectorQueue([Collector("h", handler)], max_consumers=1) as queue:
        for value in range(10):
            await queue.publisher.send(value)
            await ticks(value % 3)
        await queue.publisher.wait()
    assert seen == [None] * 10


@pytest.mark.parametrize("override", ["select", "handle_event"])
@both_loops
async def test_a_custom_router_leaves_no_variables(override: str) -> None:
    seen = []

    class Touching(Router):
        if override == "select":

            def select(self, payload: Payload[Any]) -> list[str]:
                seen.append(VAR.get())
                touch_many_times()
                return ["h"]
        else:

            async def handle_event(self, payload: Payload[Any]) -> ResultList:
                seen.append(VAR.get())
                touch_many_times()
                return ResultList([await self.collectors["h"].process(payload)])

    def handler(payload: Payload[Any]) -> None:
        touch_twice()

    async with CollectorQueue(
        [Collector("h", handler)], router=Touching, max_consumers=1
    ) as queue:
        await queue.publisher.send_many(range(10))
        await queue.publisher.wait()
        assert queue.ledger.ok == 10
    assert seen == [None] * 10


@both_loops
async def test_lifecycles_and_logging_run_in_the_context_of_start() -> None:
    """What a handler sets is not seen when its queue is closed from elsewhere."""
    from contextlib import asynccontextmanager

    seen = []

    @asynccontextmanager
    async def lifecycle(ctx: Any) -> Any:
        seen.append(VAR.get())
        yield
        seen.append(VAR.get())

    def handler(payload: Payload[Any]) -> None:
        touch_many_times()

    async with CollectorQueue([Collector("h", handler, lifecycle=lifecycle)]) as queue:
        await queue.publisher.request(1)
    assert seen == [None, None]


@both_loops
async def test_what_a_handler_set_is_freed_with_its_run() -> None:
    import weakref

    class Heavy:
        pass

    refs = []

    async def handler(payload: Payload[Any]) -> None:
        heavy = Heavy()
        refs.append(weakref.ref(heavy))
        VAR.set(heavy)
        if payload.value % 2:
            await ticks(1)

    async with CollectorQueue([Collector("h", handler)], max_consumers=1) as queue:
        events = await queue.publisher.send_many(range(20))
        await queue.publisher.wait()
        await ticks(2)
        gc.collect()
        assert [ref() for ref in refs] == [None] * 20
        assert len(events) == 20


# -- a context that serves one event after the other ------------------------------


@pytest.mark.parametrize("variables", [0, 200])
@both_loops
async def test_a_task_a_handler_left_behind_is_not_inside_of_the_next_event(
    variables: int,
) -> None:
    """Having changed a variable, it shares nothing but the scope with its handler."""
    for number in range(variables):
        contextvars.ContextVar[int](f"test_filler_{number}").set(number)
    changed: contextvars.ContextVar[int] = contextvars.ContextVar("test_changed")
    go, next_runs, release = asyncio.Event(), asyncio.Event(), asyncio.Event()
    left_behind: list[asyncio.Task[bool]] = []

    async def stay() -> bool:
        changed.set(1)
        await go.wait()
        inside: bool = queue.publisher.core.is_inside()
        return inside

    async def collect(payload: Payload[Any]) -> None:
        if payload.value == "first":
            left_behind.append(asyncio.create_task(stay()))
            await ticks(2)
        else:
            next_runs.set()
            await release.wait()

    queue = CollectorQueue([Collector("a", collect)], max_consumers=1)
    async with queue:
        await (await queue.publisher.send("first"))
        event = await queue.publisher.send("next")
        await next_runs.wait()
        go.set()
        assert await left_behind[0] is False
        release.set()
        await event


@both_loops
async def test_a_task_from_a_plain_collector_is_inside_while_its_siblings_run() -> None:
    """So that it can wait without a deadlock for an event that needs a consumer."""
    tasks: list[asyncio.Task[Any]] = []

    def begins(payload: Payload[Any]) -> None:
        async def ask() -> Any:
            await asyncio.sleep(0)
            results = await queue.publisher.request(1, keys="answers")
            return results.first().unwrap()

        tasks.append(asyncio.create_task(ask()))

    async def waits(payload: Payload[Any]) -> Any:
        return await tasks[0]

    queue = CollectorQueue(max_consumers=1)
    queue.collector(topics="both")(begins)
    queue.collector(topics="both")(waits)
    queue.collector(key="answers")(lambda payload: "answer")
    async with queue:
        results = await (await queue.publisher.send(0, topics="both"))
        assert results["waits"] == Ok("answer")


@both_loops
async def test_a_log_handler_does_not_run_in_the_context_of_a_handler() -> None:
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("test_logged")
    seen: list[str] = []

    class Watch(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            seen.append(variable.get("unset"))
            assert not queue.publisher.core.is_inside()

    def fails(payload: Payload[Any]) -> None:
        variable.set("the handler's")
        raise ValueError("mine")

    def looks(payload: Payload[Any]) -> None:
        seen.append(variable.get("unset"))

    logger = logging.getLogger("collectorqueue")
    watch = Watch()
    logger.addHandler(watch)
    try:
        queue = CollectorQueue(
            [Collector("fails", fails), Collector("looks", looks)], max_consumers=1
        )
        async with queue:
            for keys in ("fails", "looks", ["fails", "looks"], "looks"):
                queue.publisher.send_nowait(0, keys=keys)
            await queue.publisher.wait()
    finally:
        logger.removeHandler(watch)
    assert set(seen) == {"unset"}
    assert len(seen) >= 4


@both_loops
async def test_a_payloads_destructor_cannot_touch_the_next_event() -> None:
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("test_destructor")
    inside: list[bool] = []
    seen: list[str] = []

    class Loud:
        def __del__(self) -> None:
            variable.set("the destructor's")
            inside.append(queue.publisher.core.is_inside())

    def collect(payload: Payload[Any]) -> None:
        seen.append(variable.get("unset"))

    queue = CollectorQueue([Collector("a", collect)], max_consumers=1)
    async with queue:
        for value in (Loud(), "next", Loud(), "next"):
            queue.publisher.send_nowait(value)
        del value
        await queue.publisher.wait()
    assert seen == ["unset"] * 4
    assert inside == [False] * 2
