"""Lifecycles: entered in order, left in reverse, each once, each in one task."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import anyio
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
    SimpleRouter,
)
from collectorqueue.errors import (
    ConfigError,
    DuplicateKey,
    QueueClosed,
    QueueNotStarted,
    UnknownKey,
    WouldDeadlock,
)
from collectorqueue.flow.pool import ConsumerPool
from tests.faults.harness import Diary, assert_closed, assert_serves, consumer_tasks, me
from tests.support import Gate, Log, Stubborn, both_loops, ticks, until, virtual


@both_loops
async def test_they_are_entered_in_order_and_left_in_reverse() -> None:
    diary = Diary()
    async with CollectorQueue([diary.collector(key) for key in "abc"]) as queue:
        assert diary.lines == ["a enters", "b enters", "c enters"]
        await assert_serves(queue)
        del diary.lines[:]
    assert diary.lines == ["c exits", "b exits", "a exits"]


@pytest.mark.parametrize("failing", "abcde")
@both_loops
async def test_if_one_fails_to_enter_those_before_it_are_left_and_start_raises(
    failing: str,
) -> None:
    diary = Diary(fail_enter=failing)
    queue = CollectorQueue([diary.collector(key) for key in "abcde"])
    with pytest.raises(ValueError, match=f"^enter {failing}$"):
        await queue.start()
    before = "abcde"[: "abcde".index(failing)]
    assert diary.lines == [
        *[f"{key} enters" for key in before],
        f"{failing} fails to enter",
        *[f"{key} exits" for key in reversed(before)],
    ]
    assert not queue.is_running
    assert queue.consumers == 0
    diary.fail_enter = ""
    async with queue:
        await assert_serves(queue)
    assert_closed(queue)


@both_loops
async def test_if_one_fails_to_enter_and_others_to_exit_start_raises_the_first(
    caplog: Any,
) -> None:
    diary = Diary(fail_enter="c", fail_exit="ab")
    queue = CollectorQueue([diary.collector(key) for key in "abc"])
    with pytest.raises(ValueError, match=r"^enter c$"):
        await queue.start()
    assert diary.lines[-2:] == ["b fails to exit", "a fails to exit"]
    assert "exit a" in caplog.text
    assert "exit b" in caplog.text


@pytest.mark.parametrize("failing", ["a", "c", "bd", "abcde"])
@both_loops
async def test_all_are_left_though_some_raise_and_the_errors_come_as_a_group(
    failing: str,
) -> None:
    diary = Diary(fail_exit=failing)
    queue = CollectorQueue([diary.collector(key) for key in "abcde"])
    await queue.start()
    await assert_serves(queue)
    with pytest.raises(ExceptionGroup) as caught:
        await queue.close()
    assert [str(each) for each in caught.value.exceptions] == [
        f"exit {key}" for key in reversed(failing)
    ]
    assert len([line for line in diary.lines if "exit" in line]) == 5
    assert not queue.is_running
    assert queue.drain_report is not None
    assert queue.drain_report.ledger.ok == 1
    assert_closed(queue)
    diary.fail_exit = ""
    async with queue:
        await assert_serves(queue)


@both_loops
async def test_each_is_entered_and_left_in_one_task() -> None:
    tasks: dict[str, list[Any]] = {}

    class Lifecycle:
        def __init__(self, key: str) -> None:
            self.key = key

        async def __aenter__(self) -> None:
            tasks.setdefault(self.key, []).append(me())

        async def __aexit__(self, *_: Any) -> None:
            tasks[self.key].append(me())

    queue = CollectorQueue(
        [
            Collector(key, Log(), lifecycle=lambda ctx, key=key: Lifecycle(key))
            for key in "ab"
        ]
    )
    await asyncio.create_task(queue.start())
    await asyncio.create_task(queue.close())
    assert all(entered is left for entered, left in tasks.values())


@pytest.mark.parametrize("kind", ["TaskGroup", "timeout", "anyio scope", "anyio group"])
@both_loops
async def test_task_groups_and_scopes_work_inside_a_lifecycle(kind: str) -> None:
    done = []

    async def background() -> None:
        await ticks(3)
        done.append("background")

    @asynccontextmanager
    async def lifecycle(ctx: Context) -> AsyncIterator[None]:
        if kind == "TaskGroup":
            async with asyncio.TaskGroup() as group:
                group.create_task(background())
                ctx.group = group
                yield
        elif kind == "timeout":
            async with asyncio.timeout(100):
                yield
        elif kind == "anyio scope":
            with anyio.move_on_after(100):
                yield
        else:
            async with anyio.create_task_group() as group:
                group.start_soon(background)
                yield
        done.append("left")

    async def handler(payload: Payload[Any], ctx: Context) -> str:
        if kind == "TaskGroup":
            ctx.group.create_task(background())
        return "ok"

    async with CollectorQueue([Collector("h", handler, lifecycle=lifecycle)]) as queue:
        for _ in range(3):
            assert await queue.publisher.call("h", 1) == "ok"
    assert done[-1] == "left"
    assert done.count("background") == {"TaskGroup": 4, "anyio group": 1}.get(kind, 0)


@both_loops
async def test_a_task_group_whose_child_fails_fails_the_exit_not_the_queue() -> None:
    async def child() -> None:
        await ticks(3)
        raise ValueError("child")

    @asynccontextmanager
    async def lifecycle(ctx: Context) -> AsyncIterator[None]:
        async with asyncio.TaskGroup() as group:
            group.create_task(child())
            yield

    queue = CollectorQueue([Collector("h", Log(), lifecycle=lifecycle)])
    await queue.start()
    await ticks(10)
    await assert_serves(queue)
    with pytest.raises(BaseExceptionGroup) as caught:
        await queue.close()
    (group,) = caught.value.exceptions
    assert isinstance(group, BaseExceptionGroup)
    assert [str(each) for each in group.exceptions] == ["child"]
    assert_closed(queue)


@both_loops
async def test_no_handler_runs_when_an_exit_begins() -> None:
    running = 0
    seen = []

    async def handler(payload: Payload[Any], ctx: Context) -> None:
        nonlocal running
        assert ctx.open
        running += 1
        try:
            await ticks(payload.value % 5)
            assert ctx.open
        finally:
            running -= 1

    @asynccontextmanager
    async def lifecycle(ctx: Context) -> AsyncIterator[None]:
        ctx.open = True
        yield
        seen.append(running)
        ctx.open = False

    for timeout in (10, 0):
        queue = CollectorQueue([Collector("h", handler, lifecycle=lifecycle)])
        await queue.start()
        await queue.publisher.send_many(range(50))
        await ticks(3)
        await queue.close(timeout=timeout)
        assert queue.ledger.failed == 0
    assert seen == [0, 0]


@both_loops
async def test_what_a_lifecycle_puts_in_the_context_is_there_for_every_run() -> None:
    @asynccontextmanager
    async def lifecycle(ctx: Context) -> AsyncIterator[None]:
        ctx.number = ctx.get_number() if "get_number" in ctx else 41
        yield
        del ctx.number

    def handler(payload: Payload[int], ctx: Context) -> int:
        ctx["number"] += payload.value
        number: int = ctx.number
        return number

    async with CollectorQueue([Collector("h", handler, lifecycle=lifecycle)]) as queue:
        assert await queue.publisher.call("h", 1) == 42
        assert await queue.publisher.call("h", 1) == 43


@both_loops
async def test_a_lifecycle_may_send_when_entered_late_and_not_when_it_exits() -> None:
    from collectorqueue.errors import QueueClosed, QueueNotStarted

    seen: list[Any] = []

    @asynccontextmanager
    async def lifecycle(ctx: Context) -> AsyncIterator[None]:
        try:
            queue.publisher.send_nowait("at enter")
        except QueueNotStarted as exc:
            seen.append(type(exc))
        yield
        try:
            queue.publisher.send_nowait("at exit")
        except QueueClosed as exc:
            seen.append(type(exc))

    queue = CollectorQueue([Collector("log", Log(), lifecycle=lifecycle)])
    async with queue:
        pass
    assert seen == [QueueNotStarted, QueueClosed]


# -- while running ----------------------------------------------------------------


@both_loops
async def test_a_collector_is_added_while_running_lifecycle_first() -> None:
    diary = Diary()
    async with CollectorQueue([diary.collector("a")]) as queue:
        adding = asyncio.create_task(queue.add_collector(diary.collector("b")))
        await ticks(1)
        assert "b" not in queue.collectors
        await adding
        assert list(queue.collectors) == ["a", "b"]
        results = await queue.publisher.request("x")
        assert results.keys() == ("a", "b")
        await assert_serves(queue, keys="b")
        del diary.lines[:]
    assert diary.lines == ["b exits", "a exits"]


@both_loops
async def test_a_collector_whose_lifecycle_fails_is_not_added() -> None:
    diary = Diary(fail_enter="b")
    async with CollectorQueue([diary.collector("a")]) as queue:
        with pytest.raises(ValueError, match=r"^enter b$"):
            await queue.add_collector(diary.collector("b"))
        assert list(queue.collectors) == ["a"]
        event = await queue.publisher.send(1, keys="b")
        await event
        assert event.outcome is Outcome.UNROUTED
        with pytest.raises(DuplicateKey):
            await queue.add_collector(diary.collector("a"))
        assert diary.lines.count("a enters") == 1
        diary.fail_enter = ""
        await queue.add_collector(diary.collector("b"))
        await assert_serves(queue, keys="b")


@both_loops
async def test_a_dead_letter_collector_of_one_that_comes_late_is_entered_before_it() -> None:
    diary = Diary()
    names: list[str] = []

    def keep(payload: Payload[Any]) -> None:
        names.append(threading.current_thread().name)

    def bad(payload: Payload[Any]) -> None:
        raise ValueError

    sink = diary.collector("sink", keep, runs_in="thread")
    async with CollectorQueue() as queue:
        await queue.add_collector(diary.collector("bad", bad, dead_letter=sink))
        await queue.add_collector(diary.collector("bad too", bad, dead_letter=sink))
        assert diary.lines == ["sink enters", "bad enters", "bad too enters"]
        await queue.publisher.request(1)
    assert len(names) == 2 and names[0].startswith("collectorqueue-")
    assert diary.lines[3:] == ["bad too exits", "bad exits", "sink exits"]
    assert_closed(queue)


@both_loops
async def test_one_that_fails_to_enter_takes_its_dead_letter_collector_along() -> None:
    diary = Diary(fail_enter="b")
    sink = diary.collector("sink")
    async with CollectorQueue() as queue:
        with pytest.raises(ValueError, match="enter b"):
            await queue.add_collector(diary.collector("b", dead_letter=sink))
        assert diary.lines == ["sink enters", "b fails to enter", "sink exits"]
        diary.fail_enter = ""
        await queue.add_collector(diary.collector("b", dead_letter=sink))


@both_loops
async def test_none_is_added_while_the_queue_is_being_started() -> None:
    @asynccontextmanager
    async def adding(ctx: Context) -> AsyncIterator[None]:
        with pytest.raises(QueueNotStarted, match="is being started"):
            await queue.add_collector(Collector("b", Log()))
        yield

    queue = CollectorQueue([Collector("a", Log(), lifecycle=adding)])
    async with queue:
        assert list(queue.collectors) == ["a"]


@pytest.mark.parametrize("kind", [Gate, Stubborn])
@both_loops
async def test_one_that_is_still_entered_when_the_queue_is_closed_is_left(
    kind: type[Gate],
) -> None:
    entering, lines = kind(), []

    @asynccontextmanager
    async def slow(ctx: Context) -> AsyncIterator[None]:
        await entering(Payload(None))
        lines.append("entered")
        yield
        lines.append("left")

    queue = CollectorQueue()
    await queue.start()
    adding = asyncio.create_task(queue.add_collector(Collector("b", Log(), lifecycle=slow)))
    await ticks(3)
    closing = asyncio.create_task(queue.close())
    if kind is Stubborn:
        await ticks(20)
        assert not closing.done()
        entering.open()
    await closing
    with pytest.raises(QueueClosed):
        await adding
    expected = [] if kind is Gate else ["entered", "left"]
    assert lines == expected
    assert not queue.collectors
    async with queue:
        assert lines == expected


@both_loops
async def test_two_at_once_with_one_key_one_is_added_and_the_other_left() -> None:
    diary = Diary()
    async with CollectorQueue([]) as queue:
        results = await asyncio.gather(
            *[queue.add_collector(diary.collector("b")) for _ in range(2)],
            return_exceptions=True,
        )
        assert sorted(type(each) is DuplicateKey for each in results) == [False, True]
        await assert_serves(queue, keys="b")
    assert diary.lines.count("b enters") == diary.lines.count("b exits")


@both_loops
async def test_a_removed_collector_gets_no_more_events_ends_its_own_and_is_left() -> (
    None
):
    gate = Gate()
    diary = Diary()
    async with CollectorQueue(
        [diary.collector("a"), diary.collector("b", gate)]
    ) as queue:
        running = await queue.publisher.send("running", keys="b")
        await until(lambda: gate.started)
        removing = asyncio.create_task(queue.remove_collector("b"))
        await ticks(2)
        late = await queue.publisher.send("late", keys="b")
        await late
        assert late.outcome is Outcome.UNROUTED
        assert not removing.done()
        assert "b exits" not in diary.lines
        gate.open()
        await removing
        assert (await running)["b"] == Ok("running")
        assert diary.lines[-1] == "b exits"
        with pytest.raises(UnknownKey):
            await queue.remove_collector("b")
        await queue.add_collector(diary.collector("b"))
        await assert_serves(queue, keys="b")
    assert_closed(queue)


@both_loops
async def test_events_that_were_queued_for_a_removed_collector_are_unrouted() -> None:
    gate = Gate()
    log = Log()
    async with CollectorQueue(
        [Collector("gate", gate), Collector("log", log)], max_consumers=1
    ) as queue:
        await queue.publisher.send(0, keys="gate")
        await until(lambda: gate.started)
        queued = await queue.publisher.send(1, keys="log")
        await queue.remove_collector("log")
        gate.open()
        await queued
        assert queued.outcome is Outcome.UNROUTED
        assert log.values == []
    assert_closed(queue)


@both_loops
async def test_an_exit_that_fails_on_removal_is_raised_there() -> None:
    diary = Diary(fail_exit="b")
    async with CollectorQueue([diary.collector("a"), diary.collector("b")]) as queue:
        with pytest.raises(ValueError, match=r"^exit b$"):
            await queue.remove_collector("b")
        await assert_serves(queue)
        diary.fail_exit = ""
    assert diary.lines.count("b fails to exit") == 1
    assert "b exits" not in diary.lines


@virtual
async def test_a_drain_ends_a_removal_that_waits_for_its_runs() -> None:
    diary = Diary()

    async def endless(payload: Payload[Any]) -> None:
        await asyncio.Event().wait()

    queue = CollectorQueue([diary.collector("a", endless)])
    await queue.start()
    await queue.publisher.send(1)
    await ticks(2)
    removing = asyncio.create_task(queue.remove_collector("a"))
    await ticks(2)
    await queue.close(timeout=1)
    await asyncio.wait([removing], timeout=1)
    assert removing.done()
    assert diary.lines == ["a enters", "a exits"]
    assert_closed(queue)


class Whole(Router):
    """Calls the collectors itself, side by side."""

    async def handle_event(self, payload: Payload[Any]) -> ResultList:
        calls = [collector.process(payload) for collector in self.collectors.values()]
        return ResultList(await asyncio.gather(*calls), list(self.collectors))


@pytest.mark.parametrize("loses_its_consumer", [False, True])
@pytest.mark.parametrize("router", [SimpleRouter, Whole])
@pytest.mark.parametrize("keys", ["a", "ab", "ba"])
@virtual
async def test_a_drain_waits_for_no_removal_whose_run_does_not_end(
    keys: str, router: Any, loses_its_consumer: bool
) -> None:
    diary, stubborn = Diary(), Stubborn()
    handlers = {"a": stubborn, "b": Log()}
    queue = CollectorQueue(
        [diary.collector(key, handlers[key]) for key in keys], router, max_consumers=2
    )
    await queue.start()
    await queue.publisher.send(1)
    await ticks(4)
    if loses_its_consumer:
        consumer_tasks()[0].cancel()
        await ticks(4)
    removing = asyncio.create_task(queue.remove_collector("a"))
    await ticks(2)
    assert not removing.done()
    report = await queue.close(timeout=1)
    assert report.seconds <= 1.5
    await asyncio.wait([removing], timeout=0)
    assert removing.done()
    assert diary.lines.count("a exits") == 1
    assert_closed(queue)
    stubborn.open()
    await ticks(5)
    assert_closed(queue)


@virtual
async def test_a_removal_that_begins_as_lifecycles_are_left_is_waited_for() -> None:
    diary, stubborn = Diary(), Stubborn()
    removing: list[asyncio.Task[None]] = []

    @asynccontextmanager
    async def removes_another(ctx: Context) -> AsyncIterator[None]:
        yield
        removing.append(asyncio.create_task(queue.remove_collector("a")))
        await ticks(1)

    queue = CollectorQueue(
        [
            diary.collector("a", stubborn),
            Collector("b", Log(), lifecycle=removes_another),
        ],
        Whole,
    )
    await queue.start()
    await queue.publisher.send(1)
    await ticks(4)
    report = await queue.close(timeout=1)
    assert report.seconds <= 1.5
    assert diary.lines == ["a enters", "a exits"]
    await asyncio.wait(removing, timeout=0)
    assert removing[0].done()
    stubborn.open()
    await ticks(5)


@both_loops
async def test_collectors_come_and_go_under_load() -> None:
    diary = Diary()
    async with CollectorQueue([diary.collector("stays")], max_consumers=4) as queue:

        async def come_and_go(key: str) -> None:
            for _ in range(10):
                await queue.add_collector(diary.collector(key))
                await ticks(len(key))
                await queue.remove_collector(key)

        async with asyncio.TaskGroup() as group:
            for key in ("x", "yy", "zzz"):
                group.create_task(come_and_go(key))
            for value in range(200):
                await queue.publisher.send(value)
                await ticks(1)
        await queue.publisher.wait()
        assert queue.ledger.ok == 200
    assert diary.lines.count("x enters") == diary.lines.count("x exits") == 10
    assert diary.lines.count("zzz enters") == diary.lines.count("zzz exits") == 10
    assert_closed(queue)


@both_loops
async def test_a_type_that_cannot_be_decoded_to_is_refused_before_any_is_entered() -> None:
    diary = Diary()
    impossible = diary.collector("b", payload_type=list[int] | set[int])
    queue = CollectorQueue([diary.collector("a"), impossible])
    for _ in range(2):
        with pytest.raises(ConfigError, match="cannot be decoded to"):
            await queue.start()
        assert not queue.is_running
    with pytest.raises(QueueNotStarted):
        queue.publisher.send_nowait(1)
    assert diary.lines == []


@both_loops
async def test_what_fails_when_all_are_entered_leaves_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    diary = Diary()
    queue = CollectorQueue([diary.collector("a")])
    with monkeypatch.context() as broken:
        broken.setattr(ConsumerPool, "grow", lambda pool, count: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            await queue.start()
    assert not queue.is_running
    with pytest.raises(QueueClosed):
        queue.publisher.send_nowait(1)
    assert diary.lines == ["a enters", "a exits"]
    async with queue:
        await assert_serves(queue)
    assert_closed(queue)


@both_loops
async def test_none_is_registered_while_the_queue_is_being_started() -> None:
    @asynccontextmanager
    async def registers(ctx: Context) -> AsyncIterator[None]:
        with pytest.raises(ConfigError, match="being started"):
            queue.collector("late")(Log())
        yield

    queue = CollectorQueue([Collector("a", Log(), lifecycle=registers)])
    async with queue:
        assert list(queue.collectors) == ["a"]


@pytest.mark.parametrize("own", [True, False])
@both_loops
async def test_the_key_of_a_dead_letter_collector_is_taken(own: bool) -> None:
    diary = Diary()
    sink = diary.collector("sink")
    async with CollectorQueue(dead_letter=None if own else sink) as queue:
        late = diary.collector("sink", dead_letter=sink if own else None)
        with pytest.raises(DuplicateKey):
            await queue.add_collector(late)
    assert diary.lines == ([] if own else ["sink enters", "sink exits"])


@pytest.mark.parametrize("turns", range(12))
@both_loops
async def test_a_close_while_the_queue_is_being_started_ends_that(turns: int) -> None:
    diary = Diary()
    queue = CollectorQueue([diary.collector(key) for key in "abc"])
    starting = asyncio.create_task(queue.start())
    await ticks(turns)
    is_too_early = turns == 0
    await asyncio.gather(queue.close(), queue.close())
    assert not queue.is_running or is_too_early
    (error,) = await asyncio.gather(starting, return_exceptions=True)
    if is_too_early:
        await queue.close()
    elif "c enters" not in diary.lines:
        assert isinstance(error, QueueClosed)
    entered = [line[0] for line in diary.lines if line.endswith("enters")]
    left = [line[0] for line in diary.lines if line.endswith("exits")]
    assert left == entered[::-1]
    async with queue:
        await assert_serves(queue)
    assert_closed(queue)


@both_loops
async def test_a_close_by_a_lifecycle_that_is_being_entered() -> None:
    @asynccontextmanager
    async def closes(ctx: Context) -> AsyncIterator[None]:
        await queue.close()
        yield

    queue = CollectorQueue([Collector("a", Log(), lifecycle=closes)])
    with pytest.raises(QueueClosed, match="while it was being started"):
        await queue.start()
    assert not queue.is_running


@both_loops
async def test_a_timeout_of_a_lifecycles_own_is_raised_as_it_is() -> None:
    @asynccontextmanager
    async def late(ctx: Context) -> AsyncIterator[None]:
        raise TimeoutError("of its own")
        yield

    queue = CollectorQueue([Collector("a", Log(), lifecycle=late)])
    with pytest.raises(TimeoutError, match="of its own"):
        await queue.start()


@both_loops
async def test_a_close_in_a_lifecycle_that_is_left_does_not_wait_for_itself() -> None:
    reports: list[Any] = []

    @asynccontextmanager
    async def closes(ctx: Context) -> AsyncIterator[None]:
        yield
        reports.append(await queue.close())

    queue = CollectorQueue([Collector("a", Log(), lifecycle=closes)])
    await queue.start()
    async with asyncio.timeout(5):
        assert (await queue.close()).complete
    assert [each.complete for each in reports] == [False]


@both_loops
async def test_a_close_in_a_dead_letter_function_does_not_wait_for_itself() -> None:
    async def closes(letter: Any) -> None:
        await queue.close()

    def fails(payload: Payload[Any]) -> None:
        raise ValueError

    queue = CollectorQueue([Collector("a", fails)], dead_letter=closes)
    await queue.start()
    await queue.publisher.request(1)
    async with asyncio.timeout(5):
        await queue.close()
    assert not queue.dead_letters


def test_a_dead_letter_collector_may_be_registered_before_and_after_it_is_one() -> None:
    sink = Collector("sink", Log(), topics="t")
    user = Collector("user", Log(), dead_letter=sink)
    for order in ([sink, user], [user, sink]):
        queue = CollectorQueue(order)
        assert list(queue.collectors) == [each.key for each in order]
        with pytest.raises(DuplicateKey):
            queue.collector("sink")(Log())


@both_loops
async def test_what_collectors_did_is_counted_since_the_start() -> None:
    queue = CollectorQueue([Collector("log", Log())])
    for _ in range(2):
        async with queue:
            await queue.publisher.request(1)
            stats = queue.collector_stats()["log"]
            assert (stats.received, stats.ok, stats.wait.count) == (1, 1, 1)


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("cancels", range(2, 6))
@both_loops
async def test_however_often_it_is_cancelled_all_that_were_entered_are_left(
    cancels: int, late: bool
) -> None:
    """A start, or an `add_collector` that brings its dead letter collector along."""

    @asynccontextmanager
    async def hangs(ctx: Context) -> AsyncIterator[None]:
        await asyncio.sleep(3600)
        yield

    diary = Diary()
    a, b = diary.collector("a"), diary.collector("b")
    last = Collector("hangs", Log(), lifecycle=hangs, dead_letter=a if late else None)
    queue = CollectorQueue([] if late else [a, b, last])
    if late:
        await queue.start()
        task = asyncio.create_task(queue.add_collector(last))
    else:
        task = asyncio.create_task(queue.start())
    await ticks(12)
    for _ in range(cancels):
        task.cancel()
        await ticks(1)
    with pytest.raises(asyncio.CancelledError):
        await task
    entered = [line for line in diary.lines if "enters" in line]
    assert entered and len(diary.lines) == 2 * len(entered)
    await queue.close(0)
    assert_closed(queue)


# -- at awkward moments ---------------------------------------------------------------


@virtual
async def test_one_that_is_entered_as_the_queue_is_closed_and_started_again_is_left() -> (
    None
):
    diary = Diary()
    entering = Stubborn()

    @asynccontextmanager
    async def slow(ctx: Context) -> AsyncIterator[None]:
        await entering(Payload(None))
        diary.lines.append("slow enters")
        yield
        diary.lines.append("slow exits")

    queue = CollectorQueue([Collector("a", Log())])
    await queue.start()
    late = Collector("slow", Log(), lifecycle=slow)
    adding = asyncio.create_task(queue.add_collector(late))
    await ticks(3)
    with pytest.raises(BaseExceptionGroup) as caught:
        await queue.close()
    assert [type(each) for each in caught.value.exceptions] == [TimeoutError]
    with pytest.raises(QueueClosed):
        await adding
    async with queue:
        entering.open()
        await ticks(5)
        assert diary.lines == ["slow enters", "slow exits"]
        assert list(queue.collectors) == ["a"]
        await queue.add_collector(late)
        await assert_serves(queue, keys="slow")
    assert diary.lines == ["slow enters", "slow exits"] * 2
    assert_closed(queue)


@both_loops
async def test_none_is_removed_while_the_queue_is_being_started() -> None:
    diary = Diary()
    queue = CollectorQueue([diary.collector("a"), diary.collector("b")])
    starting = asyncio.create_task(queue.start())
    await until(lambda: "a enters" in diary.lines)
    with pytest.raises(QueueNotStarted, match="being started"):
        await queue.remove_collector("a")
    await starting
    await queue.close()
    assert diary.lines == ["a enters", "b enters", "b exits", "a exits"]


@pytest.mark.parametrize("by", ["close", "cancel"])
@both_loops
async def test_one_that_does_not_mind_being_cancelled_is_left(by: str) -> None:
    lines: list[str] = []

    @asynccontextmanager
    async def undisturbed(ctx: Context) -> AsyncIterator[None]:
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        lines.append("entered")
        yield
        lines.append("left")

    queue = CollectorQueue()
    collector = Collector("a", Log(), lifecycle=undisturbed)
    if by == "close":
        await queue.add_collector(collector)
        starting = asyncio.create_task(queue.start())
        await ticks(3)
        await queue.close(timeout=0)
        with pytest.raises(QueueClosed):
            await starting
    else:
        async with queue:
            adding = asyncio.create_task(queue.add_collector(collector))
            await ticks(3)
            adding.cancel()
            with pytest.raises(asyncio.CancelledError):
                await adding
    assert lines == ["entered", "left"]
    assert_closed(queue)


@pytest.mark.parametrize("runs_in", ["loop", "process"])
@both_loops
async def test_one_that_could_not_be_added_belongs_to_no_queue(runs_in: Any) -> None:
    """It was ready; the collector whose dead letters it gets was not."""
    diary = Diary(fail_enter="b")
    if runs_in == "loop":
        sink = diary.collector("sink", max_concurrency=1)
        collector = diary.collector("b", dead_letter=sink)
        async with CollectorQueue([Collector("a", Log())]) as queue:
            with pytest.raises(ValueError, match="enter b"):
                await queue.add_collector(collector)
            assert diary.lines == ["sink enters", "b fails to enter", "sink exits"]
            sink.max_concurrency = 2
            assert (await sink.process(Payload(1))).ok()
            assert "sink" not in queue.metrics.collectors
            diary.fail_enter = ""
            await queue.add_collector(collector)
            await assert_serves(queue, keys="b")
        return
    gate = Gate()
    late = Collector("late", len, runs_in="process", max_concurrency=1)
    queue = CollectorQueue([Collector("gate", gate)], workers=1)
    await queue.start()
    await queue.publisher.send(1)
    await ticks(3)
    closing = asyncio.create_task(queue.close(None))
    await ticks(3)
    with pytest.raises(QueueClosed):
        await queue.add_collector(late)
    gate.open()
    await closing
    late.max_concurrency = 2  # it can be set: nobody runs it


@virtual
async def test_one_that_is_still_being_removed_is_left_before_it_is_entered_again() -> None:
    diary = Diary()
    gate = Gate()
    collector = diary.collector("a", gate, max_concurrency=1)
    errors: list[BaseException] = []

    async def adds(payload: Payload[Any]) -> None:
        try:
            await queue.add_collector(collector)
        except WouldDeadlock as error:
            errors.append(error)

    async with CollectorQueue([collector, Collector("adds", adds)]) as queue:
        await queue.publisher.send(1, keys="a")
        await until(lambda: gate.started)
        removing = asyncio.create_task(queue.remove_collector("a"))
        await ticks(3)
        await queue.publisher.request(1, keys="adds")
        assert len(errors) == 1
        adding = asyncio.create_task(queue.add_collector(collector))
        await ticks(9)
        assert not adding.done()
        gate.open()
        await removing
        await adding
        await assert_serves(queue, keys="a")
    assert diary.lines == ["a enters", "a exits"] * 2
