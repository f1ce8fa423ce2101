"""Thread collectors: many at once, context carried, nothing lost, no exit held up."""

from __future__ import annotations

import asyncio
import contextvars
import threading
import time
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
)
from tests.faults.harness import (
    assert_closed,
    assert_serves,
    queue_threads,
    script,
    until_thread,
)
from tests.support import both_loops, ticks

VAR: contextvars.ContextVar[Any] = contextvars.ContextVar("var", default=None)


def in_threads(handler: Any, **options: Any) -> CollectorQueue:
    return CollectorQueue([Collector("h", handler, runs_in="thread")], **options)


@both_loops
async def test_as_many_run_at_once_as_there_may_be_consumers() -> None:
    barrier = threading.Barrier(8)

    def handler(payload: Payload[int]) -> int:
        barrier.wait(10)  # passes only if eight are in here at once
        return payload.value

    async with in_threads(handler, max_consumers=8) as queue:
        events = await queue.publisher.send_many(range(40))
        for value, event in enumerate(events):
            assert (await event).first() == Ok(value)
        assert len(queue_threads()) == 8
    await until_thread(lambda: not queue_threads())
    assert_closed(queue)


@both_loops
async def test_the_loop_stays_free_meanwhile() -> None:
    release = threading.Event()

    def handler(payload: Payload[Any]) -> None:
        release.wait(10)

    async with in_threads(handler, max_consumers=2) as queue:
        event = await queue.publisher.send(1)
        await ticks(1000)
        assert not event.is_done()
        release.set()
        await event


@both_loops
async def test_thousands_of_short_runs_lose_none() -> None:
    def handler(payload: Payload[int]) -> int:
        return payload.value

    async with in_threads(handler, max_consumers=16) as queue:
        events = await queue.publisher.send_many(range(3000))
        await queue.publisher.wait()
        assert [event.get_result().first() for event in events] == [
            Ok(value) for value in range(3000)
        ]
    assert_closed(queue)


class OwnBase(BaseException):
    """Not an Exception."""


@pytest.mark.parametrize(
    "error",
    [ValueError, SystemExit, KeyboardInterrupt, GeneratorExit, StopIteration, OwnBase,
     asyncio.CancelledError],
)  # fmt: skip
@both_loops
async def test_whatever_it_raises_costs_its_event_only(error: Any) -> None:
    def handler(payload: Payload[Any]) -> str:
        if payload.value == "odd":
            raise error("odd")
        return "ok"

    async with in_threads(handler, max_consumers=1) as queue:
        for _ in range(3):
            event = await queue.publisher.send("odd")
            result = (await event).first()
            assert event.outcome is Outcome.FAILED
            assert type(result.err) is error
            assert result.err.__traceback__ is None
            assert "in handler" in result.traceback
            await assert_serves(queue)
        assert len(queue_threads()) == 1
    await until_thread(lambda: not queue_threads())
    assert_closed(queue)


@both_loops
async def test_it_gets_its_collectors_context_and_answers_results() -> None:
    context = Context({"number": 40})

    def handler(payload: Payload[int], ctx: Context) -> Any:
        return Ok(ctx.number + payload.value) if payload.value else Error("zero")

    collector = Collector("h", handler, ctx=context, runs_in="thread")
    async with CollectorQueue([collector]) as queue:
        assert (await queue.publisher.request(2)).first() == Ok(42)
        event = await queue.publisher.send(0)
        assert (await event).first() == Error("zero")
        assert event.outcome is Outcome.FAILED


@both_loops
async def test_it_runs_in_its_events_context() -> None:
    def handler(payload: Payload[Any]) -> Any:
        found = VAR.get()
        VAR.set("left behind")
        return found

    async with in_threads(handler, max_consumers=1) as queue:
        for value in range(5):
            VAR.set(value)
            assert await queue.publisher.call("h", 1) == value
            event = await queue.publisher.send(1)
            assert (await event).first() == Ok(None)


@both_loops
async def test_several_thread_collectors_of_one_event_run_at_once() -> None:
    barrier = threading.Barrier(3)

    def handler(payload: Payload[Any]) -> int:
        return barrier.wait(10)

    async with CollectorQueue(
        [Collector(key, handler, runs_in="thread") for key in "abc"], max_consumers=1
    ) as queue:
        results = await queue.publisher.request(1)
        assert sorted(result.value for result in results) == [0, 1, 2]
        assert results.keys() == ("a", "b", "c")
    assert_closed(queue)


@both_loops
async def test_an_abandoned_run_does_not_hold_up_the_next() -> None:
    release = threading.Event()

    def handler(payload: Payload[Any]) -> str:
        if payload.value == "slow":
            release.wait(10)
        return "ok"

    async with in_threads(handler, max_consumers=1) as queue:
        for _ in range(5):
            event = await queue.publisher.send("slow")
            await ticks(3)
            assert event.cancel()
            await assert_serves(queue)
        with pytest.raises(TimeoutError):
            await queue.publisher.request("slow", timeout=0.001)
        await assert_serves(queue)
        assert queue.ledger.aborted == 6
        release.set()
    await until_thread(lambda: not queue_threads())
    assert_closed(queue)


@both_loops
async def test_runs_abandoned_by_a_close_deliver_nothing_to_the_next_start() -> None:
    release = threading.Event()

    def handler(payload: Payload[Any]) -> str:
        if payload.value == "slow":
            release.wait(10)
        return "ok"

    queue = in_threads(handler, max_consumers=2)
    await queue.start()
    event = await queue.publisher.send("slow")
    await ticks(3)
    await queue.close(timeout=0)
    async with queue:
        release.set()
        await assert_serves(queue)
        await until_thread(lambda: len(queue_threads()) == 1)
        assert event.outcome is Outcome.ABORTED
        assert queue.ledger.accepted == 1
    await until_thread(lambda: not queue_threads())
    assert_closed(queue)


@pytest.mark.parametrize("runs", [1, 3])
def test_a_run_that_ends_with_the_loop_leaves_no_thread(runs: int) -> None:
    release = threading.Event()
    ended = []

    def handler(payload: Payload[Any]) -> None:
        release.wait(10)
        ended.append(payload.value)

    async def program() -> None:
        queue = in_threads(handler)
        await queue.start()
        await queue.publisher.send_many(range(runs))
        await ticks(3)
        await queue.close(timeout=0)
        release.set()
        while len(ended) < runs:
            time.sleep(0.001)
        time.sleep(0.01)  # the loop has been told, and will not turn again

    loop = asyncio.SelectorEventLoop()
    loop.run_until_complete(program())
    loop.close()
    deadline = time.monotonic() + 2
    while queue_threads() and time.monotonic() < deadline:
        time.sleep(0.001)
    assert queue_threads() == []


@both_loops
async def test_its_threads_are_daemons() -> None:
    def handler(payload: Payload[Any]) -> bool:
        return threading.current_thread().daemon

    async with in_threads(handler) as queue:
        assert (await queue.publisher.request(1)).first() == Ok(True)


@both_loops
async def test_a_send_from_another_thread_is_refused_and_changes_nothing() -> None:
    from collectorqueue.errors import WrongThread

    errors: list[BaseException] = []

    def handler(payload: Payload[Any]) -> None:
        try:
            queue.publisher.send_nowait("from a thread")
        except WrongThread as exc:
            errors.append(exc)

    async with in_threads(handler) as queue:
        event = await queue.publisher.send(1)
        await event
        with pytest.raises(WrongThread):
            await asyncio.to_thread(queue.publisher.send_nowait, 1)
        assert len(errors) == 1
        assert queue.ledger.accepted == 1


@both_loops
async def test_cancelling_from_another_thread_is_refused() -> None:
    from collectorqueue.errors import WrongThread

    release = threading.Event()

    def handler(payload: Payload[Any]) -> None:
        release.wait(10)

    async with in_threads(handler) as queue:
        event = await queue.publisher.send(1)
        with pytest.raises(WrongThread):
            await asyncio.to_thread(event.cancel)
        release.set()
        await event
        assert event.outcome is Outcome.OK


@pytest.mark.parametrize("end", ["close", "no close", "exit"])
def test_a_thread_that_never_ends_does_not_hold_up_the_programs_end(end: str) -> None:
    begun = time.monotonic()
    code, out, err = script(
        """
        import asyncio, sys, threading
        from collectorqueue import Collector, CollectorQueue

        def never(payload):
            threading.Event().wait()

        async def main():
            queue = CollectorQueue([Collector("never", never, runs_in="thread")])
            await queue.start()
            await queue.publisher.send_many(range(5))
            await asyncio.sleep(0.05)
            if sys.argv[1] == "close":
                report = await queue.close(timeout=0)
                print(report.ledger.aborted)
            elif sys.argv[1] == "exit":
                raise SystemExit(3)
            else:
                main.queue = queue

        asyncio.run(main())
        """,
        end,
        PYTHONWARNINGS="ignore",
    )
    assert code == (3 if end == "exit" else 0), err
    assert "Fatal" not in err
    if end == "close":
        assert out == "5\n"
    assert time.monotonic() - begun < 10


def test_threads_that_end_while_the_interpreter_does_not_crash_it() -> None:
    code, out, err = script(
        """
        import asyncio, time
        from collectorqueue import Collector, CollectorQueue

        def busy(payload):
            end = time.monotonic() + 0.02 * (payload.value % 5)
            while time.monotonic() < end:
                pass

        async def main():
            queue = CollectorQueue(
                [Collector("busy", busy, runs_in="thread")], max_consumers=8)
            await queue.start()
            await queue.publisher.send_many(range(100))
            await asyncio.sleep(0.02)
            await queue.close(timeout=0)

        asyncio.run(main())
        print("end")
        """
    )
    assert (code, out) == (0, "end\n"), err
    assert "Traceback" not in err, err
