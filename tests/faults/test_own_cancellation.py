"""A handler that cancels itself, or lets a CancelledError out, costs only its event."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import anyio
import pytest

from collectorqueue import Collector, CollectorQueue, Ok, Outcome, Payload
from tests.faults.harness import assert_closed, me
from tests.support import both_loops, ticks

Handler = Callable[[], Awaitable[Any]]
FAILS: dict[str, tuple[Handler, type[BaseException]]] = {}
ANSWERS: list[Handler] = []


def fails(error: type[BaseException]) -> Callable[[Handler], Handler]:
    def note(handler: Handler) -> Handler:
        FAILS[handler.__name__] = (handler, error)
        return handler

    return note


def answers(handler: Handler) -> Handler:
    """The handler answers "mine", and its event ends OK."""
    ANSWERS.append(handler)
    return handler


# -- handlers whose events fail ---------------------------------------------------


@fails(asyncio.CancelledError)
async def raises_cancelled_error() -> None:
    raise asyncio.CancelledError


@fails(asyncio.CancelledError)
async def raises_cancelled_error_after_a_suspension() -> None:
    await asyncio.sleep(0)
    raise asyncio.CancelledError


@fails(asyncio.CancelledError)
async def awaits_a_task_that_was_cancelled() -> None:
    other = asyncio.create_task(asyncio.sleep(3600))
    asyncio.get_running_loop().call_soon(other.cancel)
    await other


@fails(asyncio.CancelledError)
async def awaits_a_future_that_was_cancelled_before() -> None:
    future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    future.cancel()
    await future


async def fails_later() -> None:
    await asyncio.sleep(0)
    raise ValueError


@fails(ExceptionGroup)
async def waits_at_the_end_of_a_group_whose_task_fails() -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(fails_later())


@fails(ExceptionGroup)
async def suspends_in_a_group_whose_task_fails() -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(fails_later())
        await asyncio.Event().wait()


@fails(asyncio.CancelledError)
async def cancels_itself_and_suspends() -> None:
    me().cancel()
    await asyncio.sleep(0)


@fails(asyncio.CancelledError)
async def cancels_itself_after_a_suspension_and_suspends() -> None:
    await asyncio.sleep(0)
    me().cancel()
    await asyncio.sleep(0)


@fails(asyncio.CancelledError)
async def cancels_itself_and_raises_without_suspension() -> None:
    me().cancel()
    raise asyncio.CancelledError


@fails(asyncio.CancelledError)
async def cancels_itself_three_times() -> None:
    for _ in range(3):
        me().cancel()
    await asyncio.sleep(0)


@fails(ValueError)
async def cancels_itself_and_raises_another_error() -> None:
    me().cancel()
    try:
        await asyncio.sleep(0)
    except asyncio.CancelledError:
        raise ValueError("instead") from None


@fails(TimeoutError)
async def runs_into_a_timeout() -> None:
    async with asyncio.timeout(0.001):
        await asyncio.sleep(3600)


@fails(TimeoutError)
async def runs_into_a_timeout_that_is_over_at_once() -> None:
    async with asyncio.timeout(0):
        await asyncio.sleep(3600)


@fails(TimeoutError)
async def runs_into_the_outer_of_two_timeouts() -> None:
    async with asyncio.timeout(0.001), asyncio.timeout(3600):
        await asyncio.sleep(3600)


@fails(TimeoutError)
async def runs_into_two_timeouts_at_once() -> None:
    async with asyncio.timeout(0), asyncio.timeout(0):
        await asyncio.sleep(3600)


@fails(TimeoutError)
async def runs_into_a_timeout_while_it_cleans_up_after_one() -> None:
    async with asyncio.timeout(None) as outer:
        try:
            async with asyncio.timeout(0):
                await asyncio.sleep(3600)
        finally:
            outer.reschedule(asyncio.get_running_loop().time())
            await asyncio.sleep(3600)


@fails(ExceptionGroup)
async def has_a_task_group_with_a_failing_child() -> None:
    async def child() -> None:
        raise ValueError("child")

    async with asyncio.TaskGroup() as group:
        group.create_task(child())
        await asyncio.sleep(3600)


@fails(ExceptionGroup)
async def has_a_task_group_within_a_timeout_within_a_task_group() -> None:
    async def child() -> None:
        await asyncio.sleep(0)
        raise ValueError("child")

    async with (
        asyncio.TaskGroup(),
        asyncio.timeout(3600),
        asyncio.TaskGroup() as inner,
    ):
        inner.create_task(child())
        await asyncio.sleep(3600)


@fails(ValueError)
async def fails_in_a_task_group_that_had_nothing_to_do() -> None:
    async with asyncio.timeout(3600):
        raise ValueError


@fails(TimeoutError)
async def runs_into_an_anyio_fail_after() -> None:
    with anyio.fail_after(0.001):
        await asyncio.sleep(3600)


@fails(ExceptionGroup)
async def has_an_anyio_task_group_with_a_failing_child() -> None:
    async def child() -> None:
        raise ValueError("child")

    async with anyio.create_task_group() as group:
        group.start_soon(child)
        await anyio.sleep(3600)


@fails(ValueError)
async def raises_out_of_a_cancelled_anyio_scope() -> None:
    with anyio.CancelScope() as scope:
        scope.cancel()
        try:
            await anyio.sleep(3600)
        finally:
            raise ValueError("instead")


# -- handlers that answer ---------------------------------------------------------


@answers
async def cancels_itself_and_returns_without_suspension() -> str:
    me().cancel()
    return "mine"


@answers
async def cancels_itself_suspends_and_swallows_it() -> str:
    me().cancel()
    with suppress(asyncio.CancelledError):
        await asyncio.sleep(0)
    return "mine"


@answers
async def cancels_itself_and_takes_it_back() -> str:
    me().cancel()
    try:
        await asyncio.sleep(0)
    except asyncio.CancelledError:
        me().uncancel()
    await asyncio.sleep(0)
    return "mine"


@answers
async def catches_its_timeout() -> str:
    try:
        async with asyncio.timeout(0.001):
            await asyncio.sleep(3600)
    except TimeoutError:
        return "mine"
    return "no timeout"


@answers
async def swallows_the_cancellation_of_its_timeout() -> str:
    try:
        async with asyncio.timeout(0):
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(3600)
    except TimeoutError:
        return "a timeout"
    return "mine"


@answers
async def does_not_suspend_within_its_timeout() -> str:
    async with asyncio.timeout(0):
        return "mine"


@answers
async def catches_the_inner_of_two_timeouts() -> str:
    async with asyncio.timeout(3600):
        try:
            async with asyncio.timeout(0):
                await asyncio.sleep(3600)
        except TimeoutError:
            await asyncio.sleep(0)
    return "mine"


@answers
async def moves_on_with_anyio() -> str:
    with anyio.move_on_after(0.001) as scope:
        await asyncio.sleep(3600)
    return "mine" if scope.cancelled_caught else "not cancelled"


@answers
async def moves_on_at_once_with_anyio() -> str:
    with anyio.move_on_after(0) as scope:
        await asyncio.sleep(3600)
    return "mine" if scope.cancelled_caught else "not cancelled"


@answers
async def cancels_its_anyio_scope_without_suspension() -> str:
    with anyio.CancelScope() as scope:
        scope.cancel()
    return "mine"


@answers
async def shields_in_a_cancelled_anyio_scope() -> str:
    done = False
    with anyio.CancelScope() as scope:
        scope.cancel()
        with anyio.CancelScope(shield=True):
            await anyio.sleep(0.001)
            done = True
        await anyio.sleep(3600)
    return "mine" if done else "not shielded"


@answers
async def nests_anyio_scopes() -> str:
    with anyio.move_on_after(3600) as outer:
        with anyio.move_on_after(0) as inner:
            await anyio.sleep(3600)
        await anyio.sleep(0)
    caught = inner.cancelled_caught and not outer.cancelled_caught
    return "mine" if caught else "the wrong scope"


@answers
async def mixes_anyio_and_asyncio_timeouts() -> str:
    try:
        with anyio.move_on_after(3600):
            async with asyncio.timeout(0):
                await anyio.sleep(3600)
    except TimeoutError:
        pass
    async with asyncio.timeout(3600):
        with anyio.move_on_after(0):
            await asyncio.sleep(3600)
    return "mine"


@answers
async def starts_children_with_anyio() -> str:
    async def child(*, task_status: Any) -> None:
        await anyio.sleep(0)
        task_status.started("mine")

    async with anyio.create_task_group() as group:
        value: str = await group.start(child)
    return value


@answers
async def cancels_its_anyio_task_group() -> str:
    async with anyio.create_task_group() as group:
        group.start_soon(anyio.sleep, 3600)
        await anyio.sleep(0)
        group.cancel_scope.cancel()
    return "mine"


@answers
async def uses_a_task_group() -> str:
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(asyncio.sleep(0, part)) for part in "mine"]
    return "".join(task.result() for task in tasks)


@answers
async def awaits_a_child_that_it_cancelled() -> str:
    child = asyncio.create_task(asyncio.sleep(3600))
    await asyncio.sleep(0)
    child.cancel()
    try:
        await child
    except asyncio.CancelledError:
        return "mine"
    return "not cancelled"


# -- the claims -------------------------------------------------------------------

PLACES = {"alone": ["odd"], "first": ["odd", "fine"], "last": ["fine", "odd"]}


def queue_with(handler: Handler, place: str, odd_when: str = "odd") -> CollectorQueue:
    """One consumer; the odd collector stands at some place on each event's route."""

    async def odd(payload: Payload[str]) -> Any:
        assert me().cancelling() == 0
        if payload.value == odd_when:
            return await handler()
        await asyncio.sleep(0)
        assert me().cancelling() == 0
        return "mine"

    async def fine(payload: Payload[str]) -> str:
        await ticks(3)
        return "fine"

    made = {"odd": odd, "fine": fine}
    return CollectorQueue(
        [Collector(key, made[key]) for key in PLACES[place]], max_consumers=1
    )


async def assert_unharmed(queue: CollectorQueue) -> None:
    for _ in range(3):
        results = await queue.publisher.request("good")
        assert results["odd"] == Ok("mine")
    await ticks(2)
    assert queue.consumers == 1
    assert queue.ledger.aborted == 0


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("name", FAILS)
@both_loops
async def test_its_event_fails_and_the_next_is_unharmed(name: str, place: str) -> None:
    handler, error = FAILS[name]
    async with queue_with(handler, place) as queue:
        event = await queue.publisher.send("odd")
        results = await event
        assert event.outcome is Outcome.FAILED
        assert type(results["odd"].err) is error
        if place != "alone":
            assert results["fine"] == Ok("fine")
        await assert_unharmed(queue)
    assert_closed(queue)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("handler", ANSWERS, ids=lambda each: each.__name__)
@both_loops
async def test_its_answer_counts_and_the_next_is_unharmed(
    handler: Handler, place: str
) -> None:
    async with queue_with(handler, place) as queue:
        event = await queue.publisher.send("odd")
        results = await event
        assert results["odd"] == Ok("mine")
        assert event.outcome is Outcome.OK
        if place != "alone":
            assert results["fine"] == Ok("fine")
        await assert_unharmed(queue)
    assert_closed(queue)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(
    "handler",
    [
        raises_cancelled_error,
        cancels_itself_and_suspends,
        cancels_itself_and_returns_without_suspension,
        cancels_itself_suspends_and_swallows_it,
        runs_into_a_timeout_that_is_over_at_once,
        has_a_task_group_with_a_failing_child,
        cancels_its_anyio_scope_without_suspension,
    ],
    ids=lambda each: each.__name__,
)
@both_loops
async def test_a_burst_of_them_leaves_the_pool_as_it_was(
    handler: Handler, place: str
) -> None:
    async with queue_with(handler, place) as queue:
        events = await queue.publisher.send_many(["odd", "good"] * 50)
        await queue.publisher.wait()
        assert {event.outcome for event in events[1::2]} == {Outcome.OK}
        assert Outcome.ABORTED not in {event.outcome for event in events}
        await assert_unharmed(queue)
    assert_closed(queue)


class OwnBase(BaseException):
    """Not an Exception."""


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("suspend", [False, True])
@pytest.mark.parametrize(
    "error",
    [
        asyncio.CancelledError,
        GeneratorExit,
        SystemExit,
        KeyboardInterrupt,
        StopIteration,
        StopAsyncIteration,
        OwnBase,
        ExceptionGroup("two", [ValueError(1), KeyError(2)]),
        BaseExceptionGroup("own", [OwnBase()]),
        RecursionError,
        MemoryError,
    ],
    ids=lambda each: getattr(each, "__name__", type(each).__name__),
)
@both_loops
async def test_whatever_a_handler_raises_its_consumer_lives(
    error: Any, suspend: bool, place: str
) -> None:
    async def handler() -> None:
        if suspend:
            await asyncio.sleep(0)
        raise error

    async with queue_with(handler, place) as queue:
        for _ in range(3):
            event = await queue.publisher.send("odd")
            results = await event
            assert event.outcome is Outcome.FAILED
            assert not results["odd"].ok()
        await assert_unharmed(queue)
    assert_closed(queue)


@pytest.mark.parametrize(
    "error", [asyncio.CancelledError, GeneratorExit, SystemExit, StopIteration, OwnBase]
)
@both_loops
async def test_whatever_a_plain_handler_raises_its_consumer_lives(error: Any) -> None:
    def odd(payload: Payload[str]) -> str:
        if payload.value == "odd":
            raise error
        return "mine"

    async with CollectorQueue([Collector("odd", odd)], max_consumers=1) as queue:
        event = await queue.publisher.send("odd")
        results = await event
        assert event.outcome is Outcome.FAILED
        assert isinstance(results.first().err, error)
        await assert_unharmed(queue)
    assert_closed(queue)


@both_loops
async def test_a_plain_handler_that_cancels_its_task_does_not_harm_the_next() -> None:
    def odd(payload: Payload[str]) -> str:
        if payload.value == "odd":
            me().cancel()
        assert payload.value == "odd" or me().cancelling() == 0
        return "mine"

    async with CollectorQueue([Collector("odd", odd)], max_consumers=1) as queue:
        events = [queue.publisher.send_nowait(each) for each in ["odd", "good"] * 20]
        await queue.publisher.wait()
        assert {event.outcome for event in events[1::2]} == {Outcome.OK}
        await assert_unharmed(queue)
    assert_closed(queue)


@both_loops
async def test_a_handlers_awaitable_object_is_driven_like_a_coroutine() -> None:
    class Awaited:
        def __await__(self) -> Any:
            yield from asyncio.sleep(0).__await__()
            raise asyncio.CancelledError

    def odd(payload: Payload[str]) -> Any:
        return Awaited() if payload.value == "odd" else "mine"

    async with CollectorQueue([Collector("odd", odd)], max_consumers=1) as queue:
        event = await queue.publisher.send("odd")
        await event
        assert event.outcome is Outcome.FAILED
        await assert_unharmed(queue)


@both_loops
async def test_a_handler_that_yields_nonsense_fails_its_event_only() -> None:
    class Nonsense:
        def __await__(self) -> Any:
            yield "nonsense"

    def odd(payload: Payload[str]) -> Any:
        return Nonsense() if payload.value == "odd" else "mine"

    async with CollectorQueue([Collector("odd", odd)], max_consumers=1) as queue:
        event = await queue.publisher.send("odd")
        results = await event
        assert event.outcome is Outcome.FAILED
        assert isinstance(results.first().err, RuntimeError)
        await assert_unharmed(queue)


@both_loops
async def test_a_timeout_after_a_swallowed_own_cancel_costs_no_consumer() -> None:
    """The timeout takes its own cancellation back, not the handler's."""

    async def collect(payload: Payload[Any]) -> Any:
        if payload.value == "cancels":
            me().cancel()
            try:
                await asyncio.sleep(0)
            except asyncio.CancelledError:
                pass
            try:
                async with asyncio.timeout(0):
                    await asyncio.sleep(1)
            except TimeoutError:
                pass
        return payload.value

    async with CollectorQueue([Collector("a", collect)], max_consumers=1) as queue:
        event = await queue.publisher.send("cancels")
        await event
        for number in range(3):
            results = await (await queue.publisher.send(number))
            assert results.first() == Ok(number)
        assert not queue.publisher.core.is_broken
    assert_closed(queue)
