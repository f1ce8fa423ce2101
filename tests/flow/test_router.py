"""Custom routers: by `select`, by `handle_event`, and what a bad one costs."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any

import pytest

from collectorqueue import (
    Collector,
    CollectorQueue,
    Context,
    Error,
    Ok,
    Outcome,
    Payload,
    ResultList,
    Router,
    SimpleRouter,
)
from collectorqueue.errors import ConfigError, UnknownKey, Unrouted
from tests.support import Gate, assert_closes, both_loops, ticks


def echoes(keys: str = "abc") -> list[Collector]:
    return [
        Collector(key, lambda payload, key=key: (key, payload.value)) for key in keys
    ]


class BySelect(Router):
    """Selects what the payload's value says."""

    def select(self, payload: Payload[Any]) -> Any:
        return payload.value


class ByName(Router):
    """Full control: runs the collector that the payload's value names."""

    async def handle_event(self, payload: Payload[Any]) -> ResultList:
        return ResultList([await self.collectors[payload.value].process(payload)])


# -- select -----------------------------------------------------------------------


@pytest.mark.parametrize("kind", [list, tuple, dict.fromkeys, set, iter])
@both_loops
async def test_what_is_selected_runs_once_each_in_registration_order(kind: Any) -> None:
    class Selects(Router):
        def select(self, payload: Payload[Any]) -> Any:
            return kind(["c", "a", "c"])

    async with CollectorQueue(echoes(), router=Selects) as queue:
        event = await queue.publisher.send(7)
        results = await event
        assert results.keys() == ("a", "c")
        assert [result.value[0] for result in results] == ["a", "c"]
        assert event.outcome is Outcome.OK


@both_loops
async def test_a_router_may_select_collectors_as_well_as_keys() -> None:
    collectors = echoes()
    async with CollectorQueue(collectors, router=BySelect) as queue:
        results = await queue.publisher.request([collectors[1], "a", "b"])
        assert results.keys() == ("a", "b")


@both_loops
async def test_a_single_selected_collector_is_labelled() -> None:
    async with CollectorQueue(echoes(), router=BySelect) as queue:
        results = await queue.publisher.request(["b"])
        assert results.items() == [("b", Ok(("b", ["b"])))]


@both_loops
async def test_selecting_nothing_is_unrouted() -> None:
    async with CollectorQueue(echoes(), router=BySelect) as queue:
        event = await queue.publisher.send([])
        (result,) = await event
        assert event.outcome is Outcome.UNROUTED
        assert isinstance(result.err, Unrouted)
        assert_closes(queue)


@both_loops
async def test_with_on_unrouted_error_selecting_nothing_raises_at_the_send() -> None:
    async with CollectorQueue(echoes(), router=BySelect, on_unrouted="error") as queue:
        with pytest.raises(Unrouted):
            await queue.publisher.send([])
        assert queue.ledger.accepted == 0
        assert await queue.publisher.request(["a"]) == [Ok(("a", ["a"]))]


@pytest.mark.parametrize("exc", [ValueError("bad"), SystemExit(3)], ids=repr)
@both_loops
async def test_a_router_that_raises_costs_its_event_only_where_sends_ask_it_too(
    exc: BaseException,
) -> None:
    class Raising(Router):
        def select(self, payload: Payload[Any]) -> Any:
            if payload.value == "bad":
                raise exc
            return payload.value

    async with CollectorQueue(echoes(), router=Raising, on_unrouted="error") as queue:
        for event in (
            await queue.publisher.send("bad"),
            queue.publisher.send_nowait("bad"),
            await queue.publisher.send(["stranger"]),
        ):
            await event
            assert event.outcome is Outcome.FAILED
        assert (await queue.publisher.request(["a"])).keys() == ("a",)


class Custom(BaseException):
    pass


@pytest.mark.parametrize(
    "exc",
    [
        ValueError("bad"),
        SystemExit(3),
        KeyboardInterrupt(),
        GeneratorExit(),
        Custom(),
        StopIteration(1),
        asyncio.CancelledError(),
    ],
    ids=lambda exc: type(exc).__name__,
)
@pytest.mark.parametrize("way", ["call", "iterate", "handle_event"])
@both_loops
async def test_a_router_that_raises_costs_its_event_only(
    exc: BaseException, way: str
) -> None:
    class Raising(Router):
        def select(self, payload: Payload[Any]) -> Any:
            if payload.value == "calm":
                return "a"
            if way == "call":
                raise exc
            return self.iterate()

        def iterate(self) -> Any:
            yield "a"
            raise exc

    class RaisingWhole(Router):
        async def handle_event(self, payload: Payload[Any]) -> ResultList:
            if payload.value == "calm":
                return ResultList([await self.collectors["a"].process(payload)])
            raise exc

    router = RaisingWhole if way == "handle_event" else Raising
    async with CollectorQueue(echoes(), router=router, max_consumers=1) as queue:
        events = [await queue.publisher.send(v) for v in ("x", "calm", "x", "calm")]
        for event in events[::2]:
            (result,) = await event
            assert event.outcome is Outcome.FAILED
            if isinstance(exc, StopIteration) and way != "call":
                assert isinstance(result.err, RuntimeError)
            else:
                assert result.err is exc
            assert "Traceback" in result.traceback
            assert result.err.__traceback__ is None
        for event in events[1::2]:
            assert await event == [Ok(("a", "calm"))]
        assert queue.ledger.failed == 2
        assert_closes(queue)


@pytest.mark.parametrize("stranger", ["nobody", "", 7, None, Collector("a", int)])
@both_loops
async def test_a_router_that_names_a_stranger_costs_its_event_only(
    stranger: Any,
) -> None:
    async with CollectorQueue(echoes(), router=BySelect, max_consumers=1) as queue:
        event = await queue.publisher.send(["a", stranger])
        (result,) = await event
        assert event.outcome is Outcome.FAILED
        assert isinstance(result.err, UnknownKey)
        assert str(result.err) == (
            f"the router selected {stranger!r}, which is not registered"
        )
        assert (await queue.publisher.request(["b"])).keys() == ("b",)


@pytest.mark.parametrize("answer", [None, 7, object()])
@both_loops
async def test_a_router_that_selects_no_iterable_costs_its_event_only(
    answer: Any,
) -> None:
    async with CollectorQueue(echoes(), router=BySelect) as queue:
        event = await queue.publisher.send(answer)
        (result,) = await event
        assert event.outcome is Outcome.FAILED
        assert isinstance(result.err, TypeError)


@both_loops
async def test_a_bare_str_selected_is_one_key_and_never_its_letters() -> None:
    async with CollectorQueue(echoes(["a", "b", "ab"]), router=BySelect) as queue:  # type: ignore[arg-type]
        assert (await queue.publisher.request("ab")).keys() == ("ab",)


def test_an_async_select_is_refused_at_construction() -> None:
    class Async(Router):
        async def select(self, payload: Payload[Any]) -> Any:  # type: ignore[override]
            return ["a"]

    with pytest.raises(ConfigError):
        CollectorQueue(echoes(), router=Async)


@both_loops
async def test_a_router_sees_collectors_come_and_go() -> None:
    class All(Router):
        def select(self, payload: Payload[Any]) -> Iterable[str]:
            return reversed(list(self.collectors))

    async with CollectorQueue(echoes("ab"), router=All) as queue:
        assert (await queue.publisher.request(1)).keys() == ("a", "b")
        await queue.add_collector(echoes("c")[0])
        await queue.remove_collector("a")
        assert (await queue.publisher.request(1)).keys() == ("b", "c")


def test_the_mapping_of_collectors_is_live_and_read_only() -> None:
    made: list[Router] = []

    class Keep(BySelect):
        def __init__(self, collectors: Mapping[str, Collector]) -> None:
            super().__init__(collectors)
            made.append(self)

    queue = CollectorQueue(echoes("a"), router=Keep)
    router = made[0]
    assert list(router.collectors) == ["a"]
    queue.collector("b")(lambda payload: 0)
    assert list(router.collectors) == ["a", "b"]
    assert isinstance(router.collectors, Mapping)
    with pytest.raises(TypeError):
        router.collectors["c"] = echoes("c")[0]  # type: ignore[index]


@both_loops
async def test_a_router_may_be_any_callable_that_makes_one() -> None:
    def factory(collectors: Mapping[str, Collector]) -> Router:
        return BySelect(collectors)

    async with CollectorQueue(echoes(), router=factory) as queue:
        assert (await queue.publisher.request(["b"])).keys() == ("b",)


@pytest.mark.parametrize(
    ("router", "kind", "message"),
    [
        (7, TypeError, "router must be a Router class or a callable, got 7"),
        (
            lambda collectors: None,
            ConfigError,
            "a router needs select() or handle_event(), got None",
        ),
    ],
)
def test_a_bad_router_is_refused_at_construction(
    router: Any, kind: type[Exception], message: str
) -> None:
    with pytest.raises(kind) as caught:
        CollectorQueue(router=router)
    assert str(caught.value) == message


def test_a_router_without_a_rule_says_what_is_missing() -> None:
    class Neither(Router):
        pass

    with pytest.raises(ConfigError) as caught:
        Neither({}).select(Payload(7))
    assert str(caught.value) == "Neither must override select() or handle_event()"


# -- handle_event -----------------------------------------------------------------


@both_loops
async def test_a_router_with_handle_event_collects_altogether() -> None:
    async with CollectorQueue(echoes(), router=ByName) as queue:
        event = await queue.publisher.send("b")
        results = await event
        assert results == [Ok(("b", "b"))]
        assert event.outcome is Outcome.OK
        assert queue.collector_stats()["b"].ok == 1
        assert queue.collector_stats()["b"].running == 0


@both_loops
async def test_process_gives_the_context_and_raises_nothing() -> None:
    async def with_context(payload: Payload[Any], ctx: Context) -> str:
        return f"{ctx.name} {payload.value}"

    def raising(payload: Payload[Any]) -> None:
        raise SystemExit(3)

    collectors = [
        Collector("context", with_context, ctx=Context({"name": "ctx"})),
        Collector("raising", raising),
    ]
    async with CollectorQueue(collectors, router=ByName, max_consumers=1) as queue:
        assert await queue.publisher.request("context") == [Ok("ctx context")]
        event = await queue.publisher.send("raising")
        (result,) = await event
        assert isinstance(result.err, SystemExit)
        assert event.outcome is Outcome.FAILED
        assert queue.collector_stats()["raising"].failed == 1


@both_loops
async def test_handle_event_may_run_collectors_one_after_the_other() -> None:
    class Chain(Router):
        async def handle_event(self, payload: Payload[Any]) -> ResultList:
            value = payload.value
            for collector in self.collectors.values():
                result = await collector.process(Payload(value))
                if result.error():
                    break
                value = result.value
            return ResultList([result], ["chain"])

    collectors = [
        Collector("double", lambda payload: payload.value * 2),
        Collector("negate", lambda payload: -payload.value),
    ]
    async with CollectorQueue(collectors, router=Chain) as queue:
        results = await queue.publisher.request(21)
        assert results.items() == [("chain", Ok(-42))]


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (ResultList(), Outcome.UNROUTED),
        ([], Outcome.UNROUTED),
        (ResultList([Ok(1)]), Outcome.OK),
        ([Ok(1), 2], Outcome.OK),
        ((1, 2), Outcome.OK),
        (ResultList([Ok(1), Error("bad")]), Outcome.FAILED),
        (None, Outcome.FAILED),
        (7, Outcome.FAILED),
        (Ok(1), Outcome.FAILED),
    ],
    ids=repr,
)
@both_loops
async def test_the_outcome_follows_what_handle_event_returns(
    answer: Any, outcome: Outcome
) -> None:
    class Fixed(Router):
        async def handle_event(self, payload: Payload[Any]) -> Any:
            await asyncio.sleep(0)
            return answer

    async with CollectorQueue(router=Fixed, max_consumers=1) as queue:
        event = await queue.publisher.send(7)
        results = await event
        assert event.outcome is outcome
        assert_closes(queue)
        if answer is None or not isinstance(answer, list | tuple | ResultList):
            assert str(results.first().err) == (
                f"a router's handle_event returns a ResultList, got {answer!r}"
            )
        else:
            assert [r.ok() for r in results if r.ok()] == [True] * sum(
                not isinstance(each, Error) for each in answer
            )


@both_loops
async def test_the_list_a_router_returned_is_not_the_one_that_waiters_get() -> None:
    kept = ResultList([Ok(1)])

    class Keeps(Router):
        async def handle_event(self, payload: Payload[Any]) -> ResultList:
            return kept

    async with CollectorQueue(router=Keeps) as queue:
        event = await queue.publisher.send(7)
        results = await event
        kept.append(Ok(2))
        assert results == [Ok(1)]
        assert await event == [Ok(1)]
        with pytest.raises(TypeError):
            results.append(Ok(3))


@both_loops
async def test_an_event_of_a_whole_router_is_cancelled_like_any_other() -> None:
    gate = Gate()
    async with CollectorQueue([Collector("g", gate)], router=ByName) as queue:
        event = await queue.publisher.send("g")
        await ticks(4)
        assert event.cancel()
        await event
        assert event.outcome is Outcome.ABORTED
        assert queue.collector_stats()["g"].running == 0


def test_a_whole_router_cannot_raise_at_the_send() -> None:
    with pytest.raises(ConfigError) as caught:
        CollectorQueue(router=ByName, on_unrouted="error")
    assert str(caught.value) == (
        "on_unrouted='error' needs a router with select(); "
        "ByName has a handle_event() of its own"
    )


# -- SimpleRouter -------------------------------------------------------------------


@both_loops
async def test_a_subclass_of_simple_router_may_add_to_its_choice() -> None:
    class Audited(SimpleRouter):
        def select(self, payload: Payload[Any]) -> Iterable[str]:
            return [*super().select(payload), "audit"]

    collectors = [*echoes("ab"), Collector("audit", lambda payload: "seen")]
    async with CollectorQueue(collectors, router=Audited) as queue:
        assert (await queue.publisher.request(7, keys="a")).keys() == ("a", "audit")
        await queue.add_collector(echoes("c")[0])
        results = await queue.publisher.request(7, keys="c")
        assert results.keys() == ("audit", "c")
        assert (await queue.publisher.request(7)).keys() == ("a", "b", "audit", "c")


@both_loops
async def test_a_subclass_of_simple_router_may_wrap_its_handle_event() -> None:
    seen: list[Any] = []

    class Timed(SimpleRouter):
        async def handle_event(self, payload: Payload[Any]) -> ResultList:
            seen.append(payload.value)
            return await super().handle_event(payload)

    async with CollectorQueue(echoes(), router=Timed) as queue:
        results = await queue.publisher.request(7, keys=["c", "a"])
        assert results.items() == [("a", Ok(("a", 7))), ("c", Ok(("c", 7)))]
        event = await queue.publisher.send(8, keys="nobody")
        await event
        assert event.outcome is Outcome.UNROUTED
    assert seen == [7, 8]


def test_a_simple_router_of_ones_own_works_without_a_queue() -> None:
    collectors = {each.key: each for each in echoes()}
    router = SimpleRouter(collectors)
    assert list(router.select(Payload(7, keys="b"))) == ["b"]
    assert asyncio.run(router.handle_event(Payload(7, keys="b"))) == [Ok(("b", 7))]
