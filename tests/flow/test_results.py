"""What a handler answers or raises, and what becomes of it."""

from __future__ import annotations

import asyncio
import gc
import weakref
from typing import Any

import pytest

from collectorqueue import Collector, CollectorQueue, Error, Ok, Outcome, Payload
from collectorqueue.errors import CollectorFailed
from tests.support import LOOPS, assert_closes, both_loops, run_on, ticks


class OwnBase(BaseException):
    """A BaseException of the user's."""


class BadStr(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no str")


class BadRepr(Exception):
    def __repr__(self) -> str:
        raise RuntimeError("no repr")


class StrExits(Exception):
    def __str__(self) -> str:
        raise SystemExit(3)

    __repr__ = __str__


class BadEq(Exception):
    def __eq__(self, other: object) -> bool:
        raise RuntimeError("no eq")

    __hash__ = None  # type: ignore[assignment]


HOSTILE = [
    ValueError("plain"),
    BadStr(),
    BadRepr(),
    BadEq(),
    ExceptionGroup("several", [ValueError("one"), KeyError("two")]),
    BaseExceptionGroup("several", [OwnBase("one"), GeneratorExit()]),
    SystemExit(3),
    GeneratorExit(),
    KeyboardInterrupt(),
    OwnBase("own"),
    StopIteration(7),
    StopAsyncIteration(7),
    asyncio.CancelledError("its own"),
    TimeoutError(),
    MemoryError(),
    RecursionError(),
]
BY_NAME = pytest.mark.parametrize("exc", HOSTILE, ids=lambda exc: type(exc).__name__)


async def assert_costs_its_event_only(processor: Any, exc: BaseException) -> Error:
    """Its event FAILED with it; the consumer goes on. Returns the Error."""
    queue = CollectorQueue(max_consumers=1)
    queue.collector("hostile")(processor)
    queue.collector("calm")(lambda payload: payload.value)
    async with queue:
        events = [
            await queue.publisher.send(n, keys=key)
            for n in range(3)
            for key in ("hostile", "calm")
        ]
        for event in events[::2]:
            await event
            assert event.outcome is Outcome.FAILED
        for event in events[1::2]:
            assert await event == [Ok(event.payload.value)]
        assert queue.consumers == 1
        assert queue.ledger.failed == 3
        assert_closes(queue)
        (result,) = await events[0]
        assert isinstance(result, Error)
        return result


@BY_NAME
@both_loops
async def test_whatever_an_async_handler_raises_costs_its_event_only(
    exc: BaseException,
) -> None:
    async def hostile(payload: Payload[Any]) -> None:
        raise exc

    result = await assert_costs_its_event_only(hostile, exc)
    if isinstance(exc, StopIteration):
        assert type(result.err) is RuntimeError  # as any coroutine turns it
        assert str(result.err) == "coroutine raised StopIteration"
    else:
        assert result.err is exc
        assert type(exc).__name__ in result.traceback
        assert exc.__traceback__ is None


@BY_NAME
@both_loops
async def test_whatever_a_handler_raises_after_a_suspension_costs_its_event_only(
    exc: BaseException,
) -> None:
    async def hostile(payload: Payload[Any]) -> None:
        await asyncio.sleep(0)
        raise exc

    await assert_costs_its_event_only(hostile, exc)


@BY_NAME
@both_loops
async def test_whatever_a_plain_handler_raises_costs_its_event_only(
    exc: BaseException,
) -> None:
    def hostile(payload: Payload[Any]) -> None:
        raise exc

    assert (await assert_costs_its_event_only(hostile, exc)).err is exc


@BY_NAME
@both_loops
async def test_one_of_several_collectors_that_raises_changes_only_its_own_place(
    exc: BaseException,
) -> None:
    async def hostile(payload: Payload[Any]) -> None:
        await asyncio.sleep(0)
        raise exc

    for place in range(3):
        collectors = [Collector(key, lambda payload: payload.value) for key in "abc"]
        collectors[place] = Collector("hostile", hostile)
        async with CollectorQueue(collectors, max_consumers=1) as queue:
            event = await queue.publisher.send(7)
            results = await event
            assert event.outcome is Outcome.FAILED
            assert [result.ok() for result in results] == [n != place for n in range(3)]
            assert_closes(queue)


@pytest.mark.parametrize("loop_kind", ["asyncio", "uvloop"])
def test_an_exception_that_exits_when_it_is_shown_costs_its_event_only(
    loop_kind: str,
) -> None:
    async def main() -> Any:
        async def hostile(payload: Payload[Any]) -> None:
            raise StrExits

        queue = CollectorQueue([Collector("hostile", hostile)], max_consumers=1)
        async with queue:
            events = await queue.publisher.send_many(range(3))
            await queue.publisher.wait()
            return [event.outcome for event in events]

    try:
        outcomes = run_on(LOOPS[loop_kind](), main())
    except SystemExit:
        pytest.fail("it ended the program", pytrace=False)  # pytest would show it
    assert outcomes == [Outcome.FAILED] * 3


@both_loops
async def test_an_exception_whose_class_is_hostile_is_waited_for_all_the_same() -> None:
    class BadClass(type):
        def __instancecheck__(cls, instance: object) -> bool:
            raise RuntimeError("no instance check")

        @property
        def __name__(cls) -> str:  # type: ignore[override]
            raise RuntimeError("no name")

    class Strange(Exception, metaclass=BadClass):
        pass

    async def hostile(payload: Payload[Any]) -> None:
        raise Strange

    await assert_costs_its_event_only(hostile, Strange())


# -- return values ----------------------------------------------------------------


@pytest.mark.parametrize(
    "value", [None, 0, "", [], {"a": 1}, ValueError("returned"), int]
)
@both_loops
async def test_a_returned_value_is_an_ok_of_it(value: Any) -> None:
    async with CollectorQueue([Collector("a", lambda payload: value)]) as queue:
        event = await queue.publisher.send(7)
        (result,) = await event
        assert isinstance(result, Ok)
        assert result.value is value
        assert event.outcome is Outcome.OK


@both_loops
async def test_a_returned_ok_or_error_is_the_result_itself() -> None:
    ok, error = Ok(1), Error("out of paper", {"tray": 2})
    queue = CollectorQueue(
        [Collector("a", lambda p: ok), Collector("b", lambda p: error)]
    )
    async with queue:
        event = await queue.publisher.send(7)
        results = await event
        assert results["a"] is ok
        assert results["b"] is error
        assert event.outcome is Outcome.FAILED
        with pytest.raises(CollectorFailed, match=r"^out of paper$"):
            results["b"].unwrap()


@both_loops
async def test_one_shared_ok_may_be_returned_by_all_collectors_of_all_events() -> None:
    shared = Ok("done")

    async def answer(payload: Payload[Any]) -> Ok[str]:
        await asyncio.sleep(0)
        return shared

    queue = CollectorQueue([Collector(key, answer) for key in "abc"], max_consumers=4)
    async with queue:
        events = await queue.publisher.send_many(range(20))
        for event in events:
            results = await event
            assert results.keys() == ("a", "b", "c")
            assert all(result is shared for result in results)
        single = await queue.publisher.request(7, keys="b")
        assert single.items() == [("b", shared)]


@both_loops
async def test_one_shared_error_may_be_returned_by_all_events() -> None:
    shared = Error(ValueError("shared"))
    async with CollectorQueue([Collector("a", lambda payload: shared)]) as queue:
        for _ in range(3):
            assert (await queue.publisher.request(7)).first() is shared
    assert shared.err.__traceback__ is None


@both_loops
async def test_a_result_list_from_an_event_is_sealed() -> None:
    async with CollectorQueue([Collector("a", lambda payload: 1)]) as queue:
        results = await queue.publisher.request(7)
        with pytest.raises(TypeError) as caught:
            results.append(Ok(2))
        assert str(caught.value) == "the results of an event cannot be changed"
        with pytest.raises(TypeError):
            results[0] = Ok(2)
        results.results.append(Ok(2))
        assert len(results) == 1


@both_loops
async def test_results_match_and_unwrap_as_documented() -> None:
    async def halve(payload: Payload[int]) -> Ok[int] | Error:
        if payload.value % 2:
            return Error(ValueError(f"{payload.value} is odd"))
        return Ok(payload.value // 2)

    found = []
    async with CollectorQueue([Collector("halve", halve)]) as queue:
        for number in (4, 3):
            match (await queue.publisher.request(number)).first():
                case Ok(value):
                    found.append(value)
                case Error(err):
                    found.append(str(err))
    assert found == [2, "3 is odd"]


# -- concurrency of one event's collectors ------------------------------------------


@both_loops
async def test_the_collectors_of_one_event_run_concurrently() -> None:
    here: set[str] = set()
    all_here = asyncio.Event()

    def meeting(key: str) -> Collector:
        async def meet(payload: Payload[Any]) -> str:
            here.add(key)
            if len(here) == 4:
                all_here.set()
            await all_here.wait()
            return key

        return Collector(key, meet)

    async with CollectorQueue(map(meeting, "dcba"), max_consumers=1) as queue:
        results = await queue.publisher.request(7)
        assert results == [Ok("d"), Ok("c"), Ok("b"), Ok("a")]


@both_loops
async def test_results_are_in_registration_order_whatever_order_they_come_in() -> None:
    gates = {key: asyncio.Event() for key in "abc"}
    ended: list[str] = []

    def waiting(key: str) -> Collector:
        async def wait(payload: Payload[Any]) -> str:
            await gates[key].wait()
            ended.append(key)
            return key

        return Collector(key, wait)

    async with CollectorQueue(map(waiting, "abc"), max_consumers=1) as queue:
        event = await queue.publisher.send(7)
        for key in "cab":
            await ticks(4)
            assert not event.is_done()
            gates[key].set()
        results = await event
        assert ended == ["c", "a", "b"]
        assert results.items() == [("a", Ok("a")), ("b", Ok("b")), ("c", Ok("c"))]


@both_loops
async def test_an_event_is_in_flight_until_its_last_result() -> None:
    gate = asyncio.Event()

    async def slow(payload: Payload[Any]) -> str:
        await gate.wait()
        return "slow"

    for first in (True, False):
        gate.clear()
        collectors = [
            Collector("slow", slow),
            Collector("quick", lambda payload: "quick"),
        ]
        queue = CollectorQueue(collectors if first else collectors[::-1])
        async with queue:
            event = await queue.publisher.send(7)
            await ticks(5)
            assert event.outcome is None
            assert queue.ledger.in_flight == 1
            gate.set()
            await event
            assert queue.ledger.in_flight == 0


# -- memory -----------------------------------------------------------------------


@both_loops
async def test_a_failed_event_keeps_no_frame_alive_and_has_the_text() -> None:
    class Big:
        pass

    gone: list[weakref.ref[Big]] = []

    def dig(big: Big) -> None:
        raise ValueError("dug too deep")

    async def fail(payload: Payload[Any]) -> None:
        big = Big()
        gone.append(weakref.ref(big))
        try:
            dig(big)
        except ValueError as inner:
            raise LookupError("lost") from inner

    async with CollectorQueue([Collector("fail", fail)]) as queue:
        event = await queue.publisher.send(7)
        (result,) = await event
        await ticks(2)
        gc.collect()
        assert gone[0]() is None
        assert isinstance(result.err, LookupError)
        assert result.err.__traceback__ is None
        assert result.err.__cause__ is None
        for part in (
            "ValueError: dug too deep",
            "LookupError: lost",
            "in dig",
            "in fail",
        ):
            assert part in result.traceback
        with pytest.raises(LookupError, match=r"^lost$"):
            result.unwrap()
