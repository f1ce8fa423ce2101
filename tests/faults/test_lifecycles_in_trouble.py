"""Lifecycles that do not end, or do at awkward moments: a close is not held up by them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest

from collectorqueue import Collector, CollectorQueue, Context, Payload
from collectorqueue.errors import QueueClosed, UnknownKey, WouldDeadlock
from tests.faults.harness import Diary, assert_closed, assert_serves
from tests.support import Log, Stubborn, both_loops, ticks, virtual


def endless(key: str, lines: list[str], minds: bool, runs_in: Any = "loop") -> Collector:
    """A collector whose lifecycle does not end by itself, or at all."""

    @asynccontextmanager
    async def lifecycle(ctx: Context) -> AsyncIterator[None]:
        yield
        try:
            await asyncio.sleep(1000)
        except asyncio.CancelledError:
            lines.append(f"{key} is cancelled")
            if minds:
                raise
            await asyncio.sleep(1000)

    return Collector(key, Log(), lifecycle=lifecycle, runs_in=runs_in)


@pytest.mark.parametrize("runs_in", ["loop", "thread"])
@pytest.mark.parametrize("minds", [True, False])
@pytest.mark.parametrize("timeout", [0, 20])
@virtual
async def test_a_close_cancels_what_is_not_left_in_time_and_says_so(
    timeout: float, minds: bool, runs_in: Any
) -> None:
    diary = Diary()
    loop = asyncio.get_running_loop()
    queue = CollectorQueue(
        [
            diary.collector("a"),
            endless("b", diary.lines, minds, runs_in),
            diary.collector("c"),
        ]
    )
    await queue.start()
    begun = loop.time()
    with pytest.raises(ExceptionGroup) as caught:
        await queue.close(timeout)
    assert loop.time() - begun <= max(timeout, 5) + 0.21
    (error,) = caught.value.exceptions
    assert isinstance(error, TimeoutError)
    assert "'b' was not left in time" in str(error)
    assert diary.lines[2:] == ["c exits", "b is cancelled", "a exits"]
    assert_closed(queue)
    await asyncio.sleep(2000)


@virtual
async def test_a_close_cancels_a_removal_that_is_not_left_in_time() -> None:
    lines: list[str] = []
    queue = CollectorQueue([endless("a", lines, minds=True)])
    await queue.start()
    removing = asyncio.create_task(queue.remove_collector("a"))
    await asyncio.sleep(10)
    assert not removing.done()
    await queue.close(timeout=1)
    with pytest.raises(TimeoutError, match="not left in time"):
        await removing
    assert lines == ["a is cancelled"]


@pytest.mark.parametrize("how", ["again", "cancelled"])
@virtual
async def test_a_close_that_waits_for_a_lifecycle_can_be_cut_short(how: str) -> None:
    lines: list[str] = []
    queue = CollectorQueue([endless("a", lines, minds=True)])
    await queue.start()
    closing = asyncio.create_task(queue.close(None))
    await asyncio.sleep(100)
    assert not closing.done()
    if how == "again":
        with pytest.raises(ExceptionGroup, match="failed to exit"):
            await queue.close(timeout=0)
    else:
        closing.cancel()
    await asyncio.wait([closing], timeout=1)
    assert closing.done()
    assert lines == ["a is cancelled"]
    if how == "again":
        assert isinstance(closing.exception(), ExceptionGroup)
    else:
        assert closing.cancelled()
    assert_closed(queue)


@virtual
async def test_many_that_do_not_end_are_given_up_together() -> None:
    lines: list[str] = []
    queue = CollectorQueue([endless(str(each), lines, minds=False) for each in range(100)])
    loop = asyncio.get_running_loop()
    await queue.start()
    begun = loop.time()
    with pytest.raises(ExceptionGroup) as caught:
        await queue.close(timeout=1)
    assert loop.time() - begun <= 5.5
    assert len(caught.value.exceptions) == len(lines) == 100
    await asyncio.sleep(2000)


# -- while the queue is started -------------------------------------------------------


def held_up_entering(stubborn: Stubborn) -> Collector:
    """A collector whose lifecycle is entered when that opens, and minds no cancellation."""

    @asynccontextmanager
    async def lifecycle(ctx: Context) -> AsyncIterator[None]:
        await stubborn(Payload("entering"))
        yield

    return Collector("held up", Log(), lifecycle=lifecycle)


@pytest.mark.parametrize("held_up", ["entering", "leaving"])
@virtual
async def test_a_close_is_not_held_up_by_a_start(
    held_up: str, caplog: pytest.LogCaptureFixture
) -> None:
    lines: list[str] = []
    stubborn = Stubborn()
    collectors = [held_up_entering(stubborn)]
    if held_up == "leaving":
        collectors.insert(0, endless("a", lines, minds=True))
    queue = CollectorQueue(collectors)
    loop = asyncio.get_running_loop()
    starting = asyncio.create_task(queue.start())
    await ticks(5)
    begun = loop.time()
    closing = asyncio.create_task(queue.close(timeout=1))
    if held_up == "leaving":
        await ticks(5)
        stubborn.open()
    await closing
    assert loop.time() - begun <= 5.21
    with pytest.raises(QueueClosed):
        await starting
    assert "was not left in time" in caplog.text
    assert lines == (["a is cancelled"] if held_up == "leaving" else [])
    stubborn.open()
    await ticks(5)


@virtual
async def test_a_start_that_fails_is_not_held_up_by_what_was_entered() -> None:
    lines: list[str] = []
    diary = Diary(fail_enter="b")
    queue = CollectorQueue(
        [endless("a", lines, minds=True), diary.collector("b")], drain_timeout=8
    )
    loop = asyncio.get_running_loop()
    begun = loop.time()
    with pytest.raises(ValueError, match="enter b"):
        await queue.start()
    assert 8 <= loop.time() - begun <= 8.2
    assert lines == ["a is cancelled"]
    diary.fail_enter = ""
    await queue.start()
    await assert_serves(queue, keys="b")
    with pytest.raises(ExceptionGroup):
        await queue.close()


@pytest.mark.parametrize("when", ["entered", "left"])
@both_loops
async def test_a_lifecycle_may_close_the_queue_that_is_being_started(when: str) -> None:
    reports = []
    diary = Diary(fail_enter="b" if when == "left" else "")

    @asynccontextmanager
    async def closes(ctx: Context) -> AsyncIterator[None]:
        if when == "entered":
            reports.append(await queue.close())
        yield
        if when == "left":
            reports.append(await queue.close())

    queue = CollectorQueue([Collector("a", Log(), lifecycle=closes), diary.collector("b")])
    expected = QueueClosed if when == "entered" else ValueError
    async with asyncio.timeout(10):
        with pytest.raises(expected):
            await queue.start()
    assert [report.complete for report in reports] == [False]
    assert not queue.is_running


class Tidy:
    """A lifecycle that is not entered yet, and cleans up for some time if it never is."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.lines: list[str] = []

    def collector(self) -> Collector:
        @asynccontextmanager
        async def lifecycle(ctx: Context) -> AsyncIterator[None]:
            self.lines.append("enters")
            try:
                await asyncio.Event().wait()
            finally:
                await asyncio.sleep(self.seconds)
                self.lines.append("is tidy")
            yield

        return Collector("tidy", Log(), lifecycle=lifecycle)


@pytest.mark.parametrize("cancelled", [False, True])
@virtual
async def test_what_a_start_had_half_entered_has_until_the_deadline(cancelled: bool) -> None:
    tidy = Tidy(7)
    queue = CollectorQueue([tidy.collector()])
    loop = asyncio.get_running_loop()
    starting = asyncio.create_task(queue.start())
    await ticks(5)
    begun = loop.time()
    if cancelled:
        starting.cancel()
        await asyncio.sleep(1)
    await queue.close(timeout=20)
    assert tidy.lines == ["enters", "is tidy"]
    assert loop.time() - begun == pytest.approx(7)
    with pytest.raises(asyncio.CancelledError if cancelled else QueueClosed):
        await starting


@virtual
async def test_a_close_lets_an_addition_that_was_cancelled_clean_up() -> None:
    tidy = Tidy(7)
    queue = CollectorQueue()
    await queue.start()
    adding = asyncio.create_task(queue.add_collector(tidy.collector()))
    await ticks(5)
    adding.cancel()
    await asyncio.sleep(1)
    await queue.close(timeout=20)
    assert tidy.lines == ["enters", "is tidy"]
    with pytest.raises(asyncio.CancelledError):
        await adding


# -- while collectors come and go -----------------------------------------------------


@virtual
async def test_none_comes_and_none_goes_by_halves_while_lifecycles_are_left() -> None:
    diary = Diary()
    ready = asyncio.Event()

    @asynccontextmanager
    async def lifecycle(ctx: Context) -> AsyncIterator[None]:
        diary.lines.append("enters")
        yield
        await ready.wait()
        diary.lines.append("exits")

    collector = Collector("a", Log(), lifecycle=lifecycle)
    queue = CollectorQueue([collector])
    await queue.start()
    closing = asyncio.create_task(queue.close())
    await ticks(5)
    removing = asyncio.create_task(queue.remove_collector("a"))
    await ticks(5)
    assert not removing.done()
    with pytest.raises(QueueClosed):
        await queue.add_collector(diary.collector("b"))
    adding = asyncio.create_task(queue.add_collector(collector))
    await ticks(5)
    ready.set()
    await removing
    await closing
    with pytest.raises(QueueClosed):
        await adding
    assert diary.lines == ["enters", "exits"]
    assert_closed(queue)


@virtual
async def test_what_the_exit_raises_is_logged_if_nobody_waits_for_the_removal(
    caplog: pytest.LogCaptureFixture,
) -> None:
    diary = Diary(fail_exit="a")
    async with CollectorQueue([diary.collector("a")]) as queue:
        removing = asyncio.create_task(queue.remove_collector("a"))
        await ticks(1)
        removing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await removing
    assert diary.lines == ["a enters", "a fails to exit"]
    assert "a lifecycle failed to exit" in caplog.text
    assert "exit a" in caplog.text


@virtual
async def test_what_the_exit_raises_is_logged_if_the_addition_was_cancelled(
    caplog: pytest.LogCaptureFixture,
) -> None:
    stubborn = Stubborn()

    @asynccontextmanager
    async def lifecycle(ctx: Context) -> AsyncIterator[None]:
        await stubborn(Payload("entering"))
        yield
        raise ValueError("not flushed")

    async with CollectorQueue() as queue:
        adding = asyncio.create_task(
            queue.add_collector(Collector("a", Log(), lifecycle=lifecycle))
        )
        await ticks(5)
        adding.cancel()
        await ticks(5)
        stubborn.open()
        with pytest.raises(asyncio.CancelledError):
            await adding
    assert "not flushed" in caplog.text


@both_loops
async def test_two_may_remove_each_other_as_they_are_left() -> None:
    removed = []

    def removes(key: str, other: str) -> Collector:
        @asynccontextmanager
        async def lifecycle(ctx: Context) -> AsyncIterator[None]:
            yield
            with suppress(UnknownKey):
                await queue.remove_collector(other)
            removed.append(other)

        return Collector(key, Log(), lifecycle=lifecycle)

    queue = CollectorQueue([removes("a", "b"), removes("b", "a")])
    async with asyncio.timeout(4), queue:
        await assert_serves(queue)
    assert removed == ["a", "b"]


@both_loops
async def test_one_cannot_bring_its_own_collector_back_as_it_is_left() -> None:
    @asynccontextmanager
    async def lifecycle(ctx: Context) -> AsyncIterator[None]:
        yield
        await queue.add_collector(collector)

    collector = Collector("a", Log(), lifecycle=lifecycle)
    async with CollectorQueue([collector]) as queue:
        with pytest.raises(WouldDeadlock):
            await queue.remove_collector("a")
        assert not queue.collectors


@both_loops
async def test_one_may_remove_its_own_collector_as_it_is_left() -> None:
    removed = []

    @asynccontextmanager
    async def lifecycle(ctx: Context) -> AsyncIterator[None]:
        yield
        await queue.remove_collector("a")
        removed.append("a")

    async with CollectorQueue([Collector("a", Log(), lifecycle=lifecycle)]) as queue:
        await assert_serves(queue)
    assert removed == ["a"]
