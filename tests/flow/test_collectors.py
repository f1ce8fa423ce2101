"""Collector: how a processor is called, decided once; registered, added and removed."""

from __future__ import annotations

import asyncio
import functools
import types
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from collectorqueue import (
    Collector,
    CollectorQueue,
    Context,
    Ok,
    Outcome,
    Payload,
    ResultList,
    Router,
)
from collectorqueue.errors import ConfigError, DuplicateKey, UnknownKey, WouldDeadlock
from tests.support import Gate, Log, assert_closes, both_loops, ticks, until

# -- arity --------------------------------------------------------------------------


async def one(payload: Any) -> tuple[Any, ...]:
    return (payload,)


async def two(payload: Any, ctx: Any) -> tuple[Any, ...]:
    return (payload, ctx)


def plain_one(payload: Any) -> tuple[Any, ...]:
    return (payload,)


def plain_two(payload: Any, ctx: Any) -> tuple[Any, ...]:
    return (payload, ctx)


def optional_ctx(payload: Any, ctx: Any = None) -> tuple[Any, ...]:
    return (payload, ctx)


def optional_context(payload: Any, context: Any = None) -> tuple[Any, ...]:
    return (payload, context)


def optional_other(payload: Any, retries: int = 3) -> tuple[Any, ...]:
    return (payload, retries)


def rest(*args: Any) -> tuple[Any, ...]:
    return args


def one_and_rest(payload: Any, *args: Any) -> tuple[Any, ...]:
    return (payload, *args)


def keyword_default(payload: Any, *, retries: int = 3) -> tuple[Any, ...]:
    return (payload,)


def positional_only(payload: Any, ctx: Any, /) -> tuple[Any, ...]:
    return (payload, ctx)


def three(a: Any, b: Any, c: Any) -> tuple[Any, ...]:
    return (b, c)


class Callables:
    async def method(self, payload: Any) -> tuple[Any, ...]:
        return (payload,)

    async def method_two(self, payload: Any, ctx: Any) -> tuple[Any, ...]:
        return (payload, ctx)

    @classmethod
    def class_method(cls, payload: Any, ctx: Any) -> tuple[Any, ...]:
        return (payload, ctx)

    @staticmethod
    def static_method(payload: Any) -> tuple[Any, ...]:
        return (payload,)


class CallableOne:
    async def __call__(self, payload: Any) -> tuple[Any, ...]:
        return (payload,)


class CallableTwo:
    def __call__(self, payload: Any, ctx: Any) -> tuple[Any, ...]:
        return (payload, ctx)


def decorated(processor: Any) -> Any:
    @functools.wraps(processor)
    def wrapper(*args: Any) -> Any:
        return processor(*args)

    return wrapper


PROCESSORS: list[tuple[Any, str]] = [
    (one, "payload"),
    (two, "payload ctx"),
    (plain_one, "payload"),
    (plain_two, "payload ctx"),
    (lambda payload: (payload,), "payload"),
    (lambda payload, ctx: (payload, ctx), "payload ctx"),
    (optional_ctx, "payload ctx"),
    (optional_context, "payload ctx"),
    (optional_other, "payload 3"),
    (rest, "payload ctx"),
    (one_and_rest, "payload ctx"),
    (keyword_default, "payload"),
    (positional_only, "payload ctx"),
    (functools.partial(three, 0), "payload ctx"),
    (functools.partial(two), "payload ctx"),
    (functools.partial(one), "payload"),
    (functools.partial(two, ctx=7), "payload 7"),
    (functools.partial(optional_other, retries=7), "payload 7"),
    (Callables().method, "payload"),
    (Callables().method_two, "payload ctx"),
    (Callables.class_method, "payload ctx"),
    (Callables.static_method, "payload"),
    (CallableOne(), "payload"),
    (CallableTwo(), "payload ctx"),
    (decorated(one), "payload"),
    (decorated(plain_two), "payload ctx"),
]


@pytest.mark.parametrize(("processor", "gets"), PROCESSORS)
@both_loops
async def test_a_processor_gets_the_payload_or_the_payload_and_the_context(
    processor: Any, gets: str
) -> None:
    ctx = Context({"name": "ctx"})
    payload = Payload(7)
    known = {"payload": payload, "ctx": ctx, "3": 3, "7": 7}
    expected = tuple(known[word] for word in gets.split())
    queue = CollectorQueue([Collector("a", processor, ctx=ctx)])
    async with queue:
        (result,) = await queue.publisher.request(payload)
        assert result.unwrap() == expected
        assert all(x is y for x, y in zip(result.value, expected, strict=True))
        assert await queue.collectors["a"].process(payload) == Ok(expected)


@pytest.mark.parametrize("builtin", [repr, id, str, type, callable])
@both_loops
async def test_a_builtin_gets_the_payload(builtin: Callable[[Any], Any]) -> None:
    payload = Payload(7)
    async with CollectorQueue([Collector("a", builtin)]) as queue:
        assert await queue.publisher.request(payload) == [Ok(builtin(payload))]


@both_loops
async def test_a_method_of_a_builtin_object_gets_the_payload() -> None:
    seen: list[Any] = []
    payload = Payload(7)
    async with CollectorQueue([Collector("a", seen.append)]) as queue:
        assert await queue.publisher.request(payload) == [Ok(None)]
    assert seen == [payload]


def nothing() -> None: ...


def needs_keyword(payload: Any, *, shop: str) -> None: ...


@pytest.mark.parametrize(
    ("processor", "signature"),
    [
        (nothing, "() -> 'None'"),
        (three, "(a: 'Any', b: 'Any', c: 'Any') -> 'tuple[Any, ...]'"),
        (needs_keyword, "(payload: 'Any', *, shop: 'str') -> 'None'"),
    ],
)
def test_a_processor_that_takes_neither_is_refused_at_construction(
    processor: Any, signature: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        Collector("a", processor)
    assert str(caught.value) == (
        f"a processor takes (payload) or (payload, ctx), got {processor!r} "
        f"with {signature}"
    )


def test_arity_is_decided_once_at_registration() -> None:
    asked = 0

    class Asked:
        @property
        def __signature__(self) -> Any:
            nonlocal asked
            asked += 1
            import inspect

            return inspect.signature(one)

        async def __call__(self, *args: Any) -> int:
            return len(args)

    collector = Collector("a", Asked())
    before = asked

    async def main() -> None:
        async with CollectorQueue([collector]) as queue:
            assert await queue.publisher.request(7) == [Ok(1)]
            assert await queue.publisher.request(7) == [Ok(1)]

    asyncio.run(main())
    assert asked == before > 0


@both_loops
async def test_a_processor_may_return_any_awaitable() -> None:
    class Awaitable:
        def __await__(self) -> Any:
            yield from asyncio.sleep(0).__await__()
            return "awaited"

    def future(payload: Payload[Any]) -> asyncio.Future[str]:
        made = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_soon(made.set_result, "future")
        return made

    def task(payload: Payload[Any]) -> asyncio.Task[str]:
        async def work() -> str:
            await asyncio.sleep(0)
            return "task"

        return asyncio.ensure_future(work())

    collectors = [
        Collector("awaitable", lambda payload: Awaitable()),
        Collector("future", future),
        Collector("task", task),
    ]
    async with CollectorQueue(collectors) as queue:
        for key in ("awaitable", "future", "task"):
            expected = "awaited" if key == "awaitable" else key
            assert await queue.publisher.call(key, 7) == expected
        results = await queue.publisher.request(7)
        assert [result.value for result in results] == ["awaited", "future", "task"]


@both_loops
async def test_an_awaitable_that_refuses_to_be_awaited_costs_its_event_only() -> None:
    class Refusing:
        def __await__(self) -> Any:
            raise ValueError("not now")

    class NoIterator:
        def __await__(self) -> Any:
            return 7

    collectors = [
        Collector("refusing", lambda payload: Refusing()),
        Collector("no iterator", lambda payload: NoIterator()),
        Collector("fine", lambda payload: 1),
    ]
    async with CollectorQueue(collectors, max_consumers=1) as queue:
        for key in ("refusing", "no iterator"):
            event = await queue.publisher.send(7, keys=key)
            await event.wait(5)
            assert event.outcome is Outcome.FAILED
        assert await queue.publisher.call("fine", 7) == 1
        assert queue.consumers == 1
        assert_closes(queue)


@both_loops
async def test_a_generator_based_coroutine_is_awaited_too() -> None:
    @types.coroutine
    def old_style(payload: Payload[Any]) -> Any:
        yield from asyncio.sleep(0).__await__()
        return payload.value

    async with CollectorQueue([Collector("a", old_style)]) as queue:
        assert await queue.publisher.request(7) == [Ok(7)]
        assert await queue.collectors["a"].process(Payload(8)) == Ok(8)


@pytest.mark.parametrize("several", [False, True])
@both_loops
async def test_a_handler_that_suspends_in_a_forbidden_way_costs_its_event_only(
    several: bool,
) -> None:
    class YieldsFive:
        def __await__(self) -> Any:
            yield 5

    async def bad_yield(payload: Payload[Any]) -> None:
        await YieldsFive()

    async def awaits_itself(payload: Payload[Any]) -> None:
        task = asyncio.current_task()
        assert task is not None
        await task

    async def other_loop(payload: Payload[Any]) -> None:
        await asyncio.Future(loop=other)

    other = asyncio.SelectorEventLoop()
    queue = CollectorQueue(max_consumers=1)
    for processor in (bad_yield, awaits_itself, other_loop):
        queue.collector(processor)
    queue.collector("fine")(lambda payload: payload.value)
    async with queue:
        for key in ("bad_yield", "awaits_itself", "other_loop"):
            keys = [key, "fine"] if several else [key]
            event = await queue.publisher.send(7, keys=keys)
            results = await event.wait(5)
            assert event.outcome is Outcome.FAILED
            assert isinstance(results[key].err, RuntimeError)
            assert await queue.publisher.call("fine", 7) == 7
        assert queue.consumers == 1
    other.close()


@both_loops
async def test_one_collector_may_belong_to_two_queues() -> None:
    class Whole(Router):
        async def handle_event(self, payload: Payload[Any]) -> ResultList:
            return ResultList([await self.collectors["a"].process(payload)])

    collector = Collector("a", lambda payload: payload.value)
    first = CollectorQueue([collector], router=Whole)
    second = CollectorQueue([collector], router=Whole)
    async with first:
        async with second:
            assert await first.publisher.request(1) == [Ok(1)]
            assert await second.publisher.request(2) == [Ok(2)]
            assert first.collector_stats()["a"].ok == 1
            assert second.collector_stats()["a"].ok == 1
        assert await first.publisher.request(3) == [Ok(3)]
        assert first.collector_stats()["a"].ok == 2


# -- construction -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "message", "make"),
    [
        (TypeError, "a collector's key must be a str, got 7",
         lambda: Collector(7, one)),  # type: ignore[arg-type]
        (
            ConfigError,
            "a collector's key must not be empty, got ''",
            lambda: Collector("", one),
        ),
        (
            TypeError,
            "a collector's processor must be callable, got 7",
            lambda: Collector("a", 7),  # type: ignore[arg-type]
        ),
        (TypeError, "topics must be a str or several, got 7",
         lambda: Collector("a", one, topics=7)),  # type: ignore[arg-type]
        (TypeError, "topics must be str, got 7",
         lambda: Collector("a", one, topics=[7])),  # type: ignore[list-item]
        (TypeError, "topics must be str, got 97",
         lambda: Collector("a", one, topics=b"a")),  # type: ignore[arg-type]
        (TypeError, "lifecycle must be callable, got 7",
         lambda: Collector("a", one, lifecycle=7)),  # type: ignore[arg-type]
        (ConfigError, "runs_in must be 'loop', 'thread' or 'process', got 'fiber'",
         lambda: Collector("a", one, runs_in="fiber")),  # type: ignore[arg-type]
        (ConfigError, f"runs_in='thread' is for plain functions, got the async {one!r}",
         lambda: Collector("a", one, runs_in="thread")),
    ],
)  # fmt: skip
def test_a_bad_collector_is_refused_naming_value_and_rule(
    kind: type[Exception], message: str, make: Any
) -> None:
    with pytest.raises(kind) as caught:
        make()
    assert type(caught.value) is kind
    assert str(caught.value) == message


@pytest.mark.parametrize(
    "option",
    [
        "colour",
    ],
)
def test_an_option_that_is_not_built_is_refused(option: str) -> None:
    with pytest.raises(TypeError, match=option):
        Collector("a", one, **{option: 1})
    with pytest.raises(TypeError, match=option):
        CollectorQueue().collector("a", **{option: 1})


def test_an_async_callable_object_does_not_run_in_a_thread() -> None:
    with pytest.raises(ConfigError):
        Collector("a", CallableOne(), runs_in="thread")
    with pytest.raises(ConfigError):
        Collector("a", functools.partial(two, ctx=1), runs_in="thread")


def test_a_collector_says_what_it_is() -> None:
    collector = Collector("a", one, topics=["t", "u", "t"])
    assert collector.key == "a"
    assert collector.processor is one
    assert collector.topics == ("t", "u")
    assert isinstance(collector.ctx, Context)
    assert repr(collector) == "Collector('a', topics=['t', 'u'], runs_in='loop')"
    assert repr(Collector("b", plain_one, runs_in="thread")) == (
        "Collector('b', runs_in='thread')"
    )


# -- registration -------------------------------------------------------------------


def test_two_collectors_of_one_key_are_refused() -> None:
    message = "collector keys must be unique, got 'a' twice"
    with pytest.raises(DuplicateKey) as caught:
        CollectorQueue([Collector("a", one), Collector("b", one), Collector("a", two)])
    assert str(caught.value) == message
    queue = CollectorQueue([Collector("a", one)])
    with pytest.raises(DuplicateKey) as caught:
        queue.collector("a")(two)
    assert str(caught.value) == message
    assert queue.collectors["a"].processor is one


def test_only_collectors_are_registered() -> None:
    with pytest.raises(TypeError) as caught:
        CollectorQueue([one])  # type: ignore[list-item]
    assert str(caught.value) == f"a queue takes Collector objects, got {one!r}"


@both_loops
async def test_the_decorator_registers_a_function_that_stays_itself() -> None:
    queue = CollectorQueue()

    async def bare(payload: Payload[Any]) -> str:
        return "bare"

    def called(payload: Payload[Any]) -> str:
        return "called"

    assert queue.collector(bare) is bare
    assert queue.collector()(called) is called
    assert queue.collector("named", topics="t")(called) is called
    assert queue.collector(topics=["t"])(two) is two
    assert list(queue.collectors) == ["bare", "called", "named", "two"]
    async with queue:
        results = await queue.publisher.request(7, topics="t")
        assert results.keys() == ("named", "two")


def test_a_function_without_a_name_needs_a_key() -> None:
    with pytest.raises(ConfigError, match="has no name to be its key"):
        CollectorQueue().collector(functools.partial(two))


@both_loops
async def test_the_decorator_is_for_before_the_start() -> None:
    queue = CollectorQueue()
    async with queue:
        with pytest.raises(ConfigError) as caught:
            queue.collector(one)
        assert str(caught.value) == (
            "the queue is running: register with `await queue.add_collector()`"
        )
        assert list(queue.collectors) == []
    queue.collector(one)
    assert list(queue.collectors) == ["one"]


def test_the_mapping_of_collectors_is_read_only() -> None:
    queue = CollectorQueue([Collector("a", one)])
    with pytest.raises(TypeError):
        queue.collectors["b"] = Collector("b", one)  # type: ignore[index]


@both_loops
async def test_one_context_is_shared_by_all_runs_of_a_collector() -> None:
    async def count(payload: Payload[Any], ctx: Context) -> int:
        ctx.count = ctx.count + 1
        await asyncio.sleep(0)
        return id(ctx)

    ctx = Context({"count": 0})
    async with CollectorQueue([Collector("a", count, ctx=ctx)]) as queue:
        events = await queue.publisher.send_many(range(10))
        assert {(await event).first().value for event in events} == {id(ctx)}
    assert ctx.count == 10


# -- added and removed while running ------------------------------------------------


def lived(key: str, story: list[str], processor: Any, **options: Any) -> Collector:
    @asynccontextmanager
    async def lifecycle(ctx: Context) -> AsyncIterator[None]:
        story.append(f"{key} entered")
        yield
        story.append(f"{key} left")

    return Collector(key, processor, lifecycle=lifecycle, **options)


@both_loops
async def test_a_collector_is_added_after_its_lifecycle_is_entered() -> None:
    story: list[str] = []
    log = Log()
    async with CollectorQueue() as queue:
        early = await queue.publisher.send(1, keys="log")
        await queue.publisher.wait()
        assert early.outcome is Outcome.UNROUTED
        await queue.add_collector(lived("log", story, log, topics="t"))
        assert story == ["log entered"]
        for names in ({"keys": "log"}, {"topics": "t"}, {}):
            assert await queue.publisher.request(2, **names) == [Ok(2)]
    assert story == ["log entered", "log left"]
    assert log.values == [2, 2, 2]


@both_loops
async def test_a_collector_is_not_routed_to_before_that() -> None:
    entered = asyncio.Event()

    @asynccontextmanager
    async def slow(ctx: Context) -> AsyncIterator[None]:
        await entered.wait()
        yield

    async with CollectorQueue() as queue:
        adding = asyncio.ensure_future(
            queue.add_collector(Collector("slow", one, lifecycle=slow))
        )
        await ticks(5)
        event = await queue.publisher.send(1, keys="slow")
        await event
        assert event.outcome is Outcome.UNROUTED
        entered.set()
        await adding
        event = await queue.publisher.send(1, keys="slow")
        await event
        assert event.outcome is Outcome.OK


@both_loops
async def test_a_collector_whose_lifecycle_fails_to_enter_is_not_added() -> None:
    @asynccontextmanager
    async def broken(ctx: Context) -> AsyncIterator[None]:
        raise LookupError("no database")
        yield

    async with CollectorQueue([Collector("a", plain_one)]) as queue:
        with pytest.raises(LookupError, match=r"^no database$"):
            await queue.add_collector(Collector("broken", one, lifecycle=broken))
        assert list(queue.collectors) == ["a"]
        assert (await queue.publisher.request(7)).keys() == ("a",)
        await queue.add_collector(Collector("broken", one))  # its key is free
        assert (await queue.publisher.request(7)).keys() == ("a", "broken")


@both_loops
async def test_adding_a_key_twice_enters_no_lifecycle() -> None:
    story: list[str] = []
    async with CollectorQueue([Collector("a", one)]) as queue:
        with pytest.raises(DuplicateKey):
            await queue.add_collector(lived("a", story, one))
    assert story == []


@both_loops
async def test_two_that_are_added_under_one_key_at_once_become_one() -> None:
    story: list[str] = []
    async with CollectorQueue() as queue:
        outcomes = await asyncio.gather(
            queue.add_collector(lived("a", story, one)),
            queue.add_collector(lived("a", story, two)),
            return_exceptions=True,
        )
        kinds = {type(each) for each in outcomes}
        assert kinds == {DuplicateKey, type(None)}
        assert list(queue.collectors) == ["a"]
        assert story.count("a entered") - story.count("a left") == 1
        await queue.publisher.request(7, keys="a")
    assert story.count("a entered") == story.count("a left")


@both_loops
async def test_a_removed_collector_is_left_when_it_is_at_rest() -> None:
    story: list[str] = []
    gate = Gate()
    queue = CollectorQueue(
        [lived("gate", story, gate, topics="t"), Collector("other", plain_one)],
        max_consumers=4,
    )
    async with queue:
        running = await queue.publisher.send(1, keys="gate")
        await until(lambda: gate.started)
        removing = asyncio.ensure_future(queue.remove_collector("gate"))
        await ticks(5)
        assert not removing.done()
        assert story == ["gate entered"]
        assert "gate" not in queue.collectors
        for names in ({"keys": "gate"}, {"topics": "t"}):
            event = await queue.publisher.send(2, **names)
            await event
            assert event.outcome is Outcome.UNROUTED
        assert (await queue.publisher.request(3)).keys() == ("other",)
        gate.open()
        await removing
        assert running.outcome is Outcome.OK
        assert story == ["gate entered", "gate left"]
    assert gate.started == [1]
    assert story == ["gate entered", "gate left"]


@both_loops
async def test_an_event_queued_for_a_removed_collector_ends_unrouted() -> None:
    gate = Gate()
    queue = CollectorQueue(
        [Collector("gate", gate), Collector("gone", plain_one)], max_consumers=1
    )
    async with queue:
        await queue.publisher.send(1, keys="gate")
        await ticks(3)
        alone = await queue.publisher.send(2, keys="gone")
        both = await queue.publisher.send(3, keys=["gone", "gate"])
        await queue.remove_collector("gone")
        gate.open()
        await alone
        results = await both
        assert alone.outcome is Outcome.UNROUTED
        assert results.keys() == ("gate", "gone")
        assert isinstance(results["gone"].err, UnknownKey)
        assert_closes(queue)


@both_loops
async def test_removing_an_unknown_collector_names_those_there_are() -> None:
    queue = CollectorQueue([Collector("a", one), Collector("b", one)])
    async with queue:
        with pytest.raises(UnknownKey) as caught:
            await queue.remove_collector("c")
        assert str(caught.value) == "no collector 'c'; registered: 'a', 'b'"
    with pytest.raises(UnknownKey) as caught:
        await CollectorQueue().remove_collector("c")
    assert str(caught.value) == "no collector 'c'; registered: none"


@both_loops
async def test_a_handler_cannot_remove_a_collector() -> None:
    queue = CollectorQueue(max_consumers=1)

    @queue.collector
    async def suicidal(payload: Payload[Any]) -> None:
        await queue.remove_collector("suicidal")

    async with queue:
        (result,) = await queue.publisher.request(7)
        assert isinstance(result.err, WouldDeadlock)
        assert list(queue.collectors) == ["suicidal"]


@both_loops
async def test_collectors_are_added_and_removed_before_the_start_too() -> None:
    queue = CollectorQueue([Collector("a", plain_one)])
    await queue.add_collector(Collector("b", plain_one))
    await queue.remove_collector("a")
    async with queue:
        assert (await queue.publisher.request(7)).keys() == ("b",)


@both_loops
async def test_a_removed_collector_can_come_back_and_is_registered_last() -> None:
    collector = Collector("a", plain_one)
    async with CollectorQueue([collector, Collector("b", plain_one)]) as queue:
        await queue.remove_collector("a")
        await queue.add_collector(collector)
        assert list(queue.collectors) == ["b", "a"]
        assert (await queue.publisher.request(7)).keys() == ("b", "a")


@both_loops
async def test_a_cancelled_removal_leaves_the_lifecycle_at_the_close() -> None:
    story: list[str] = []
    gate = Gate()
    async with CollectorQueue([lived("gate", story, gate)], max_consumers=2) as queue:
        await queue.publisher.send(1)
        await until(lambda: gate.started)
        removing = asyncio.ensure_future(queue.remove_collector("gate"))
        await ticks(3)
        removing.cancel()
        await asyncio.wait([removing])
        gate.open()
    assert story == ["gate entered", "gate left"]
