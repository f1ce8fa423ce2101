"""Draining: what was accepted is collected until the deadline, the rest is reported."""

from __future__ import annotations

import asyncio
import sys
import threading
from typing import Any

import pytest

from collectorqueue import Collector, CollectorQueue, Outcome, Payload, QueueType
from collectorqueue.admin.observers import DrainStarted
from collectorqueue.errors import (
    ConfigError,
    EventAborted,
    QueueClosed,
    QueueFull,
    QueueNotStarted,
)
from tests.faults.harness import (
    assert_closed,
    assert_serves,
    consumer_tasks,
    me,
    queue_threads,
    until_thread,
)
from tests.support import (
    Gate,
    Log,
    Stubborn,
    assert_closes,
    both_loops,
    ticks,
    until,
    virtual,
)

KINDS = pytest.mark.parametrize("queue_type", list(QueueType))


async def endless(payload: Payload[Any]) -> None:
    """Never ends by itself."""
    await asyncio.Event().wait()


def values(payloads: Any) -> list[Any]:
    return [payload.value for payload in payloads]


# -- a clean exit -----------------------------------------------------------------


@KINDS
@pytest.mark.parametrize("consumers", [1, 2, 64])
@pytest.mark.parametrize("drain_timeout", [10.0, None])
@both_loops
async def test_a_clean_exit_loses_nothing(
    queue_type: QueueType, consumers: int, drain_timeout: float | None
) -> None:
    ran = []

    async def handler(payload: Payload[int]) -> None:
        await ticks(payload.value % 3)
        ran.append(payload.value)

    async with CollectorQueue(
        [Collector("h", handler)],
        max_consumers=consumers,
        queue_type=queue_type,
        drain_timeout=drain_timeout,
    ) as queue:
        events = [
            queue.publisher.send_nowait(value, priority=value % 5)
            for value in range(100)
        ]
        waiters = [asyncio.create_task(event.wait()) for event in events]
        await ticks(1)
    assert sorted(ran) == list(range(100))
    assert all(waiter.done() for waiter in waiters)
    report = queue.drain_report
    assert report is not None
    assert report.ledger == queue.ledger
    assert report.ledger.ok == 100
    assert report.aborted == ()
    assert report.abandoned == ()
    assert report.complete
    assert_closed(queue)


@KINDS
@both_loops
async def test_what_handlers_send_while_draining_is_collected(
    queue_type: QueueType,
) -> None:
    ran = []

    async def handler(payload: Payload[int]) -> None:
        await ticks(1)
        ran.append(payload.value)
        if payload.value:
            await queue.publisher.send(payload.value - 1)

    async with CollectorQueue(
        [Collector("h", handler)], max_consumers=1, queue_type=queue_type
    ) as queue:
        await queue.publisher.send(50)
    assert ran == list(range(50, -1, -1))
    assert_closed(queue)


@both_loops
async def test_while_draining_handlers_may_send_to_twice_the_capacity() -> None:
    refused = []

    async def handler(payload: Payload[int]) -> None:
        await begun.wait()
        if payload.value == "spread":
            for value in range(5):
                try:
                    queue.publisher.send_nowait(value)
                except QueueFull as exc:
                    refused.append(str(exc))

    begun = asyncio.Event()
    async with CollectorQueue(
        [Collector("h", handler)], max_consumers=1, capacity=2
    ) as queue:
        await queue.publisher.send("spread")
        closing = asyncio.create_task(queue.close())
        await ticks(3)
        begun.set()
        await closing
    assert len(refused) == 1
    assert queue.ledger.ok == 5
    assert_closed(queue)


@both_loops
async def test_a_task_of_a_running_handler_may_send_while_draining() -> None:
    go = asyncio.Event()

    async def handler(payload: Payload[int]) -> None:
        if payload.value == "first":
            await go.wait()
            await asyncio.create_task(queue.publisher.send("from its task"))

    async with CollectorQueue([Collector("h", handler)]) as queue:
        await queue.publisher.send("first")
        await ticks(3)
        closing = asyncio.create_task(queue.close())
        await ticks(3)
        with pytest.raises(QueueClosed):
            await queue.publisher.send("from outside")
        go.set()
        await closing
    assert queue.ledger.ok == 2
    assert_closed(queue)


@both_loops
async def test_blocked_senders_get_queue_closed() -> None:
    gate = Gate()
    queue = CollectorQueue([Collector("gate", gate)], max_consumers=1, capacity=1)
    await queue.start()
    await queue.publisher.send(0)
    await ticks(3)
    await queue.publisher.send(1)
    blocked = [asyncio.create_task(queue.publisher.send(each)) for each in range(2, 5)]
    many = asyncio.create_task(queue.publisher.send_many([5, 6]))
    await ticks(2)
    closing = asyncio.create_task(queue.close())
    await ticks(3)
    for task in [*blocked, many]:
        assert isinstance(task.exception(), QueueClosed)
    assert many.exception().accepted == []  # type: ignore[union-attr]
    gate.open()
    report = await closing
    assert gate.started == [0, 1]
    assert report.ledger.accepted == report.ledger.ok == 2
    assert_closed(queue)


@both_loops
async def test_sends_before_start_and_after_close_are_refused() -> None:
    queue = CollectorQueue([Collector("log", Log())])
    publisher = queue.publisher
    with pytest.raises(QueueNotStarted):
        await publisher.send(1)
    with pytest.raises(QueueNotStarted):
        publisher.send_nowait(1)
    async with queue:
        pass
    for _ in range(2):
        with pytest.raises(QueueClosed):
            await publisher.send(1)
        with pytest.raises(QueueClosed):
            publisher.send_nowait(1)
        with pytest.raises(QueueClosed):
            await publisher.send_many([1])
        with pytest.raises(QueueClosed):
            await publisher.request(1)
        assert queue.ledger.accepted == 0
        await queue.close()
    await publisher.wait()


# -- the deadline -----------------------------------------------------------------


@KINDS
@pytest.mark.parametrize("timeout", [0, 0.25, 3])
@virtual
async def test_at_the_deadline_what_is_left_is_aborted_and_reported_in_order(
    queue_type: QueueType, timeout: float, caplog: Any
) -> None:
    loop = asyncio.get_running_loop()
    queue = CollectorQueue(
        [Collector("endless", endless)], max_consumers=2, queue_type=queue_type
    )
    await queue.start()
    sent = [Payload(value, priority=100_000 - value) for value in range(6)]
    events = [await queue.publisher.send(payload) for payload in sent[:2]]
    await until(lambda: queue.load.busy == 2)
    events += [await queue.publisher.send(payload) for payload in sent[2:]]
    waiters = [asyncio.create_task(event.wait()) for event in events]
    begun = loop.time()
    report = await queue.close(timeout=timeout)
    assert timeout <= loop.time() - begun <= timeout + 0.001
    queued = values(sent[2:])
    if queue_type is not QueueType.FIFO:
        queued.reverse()
    assert sorted(values(report.aborted[:2])) == [0, 1]
    assert values(report.aborted[2:]) == queued
    assert all(payload in sent for payload in report.aborted)
    assert report.ledger.aborted == 6
    assert report.ledger == queue.ledger
    assert report.abandoned == ()
    assert {event.outcome for event in events} == {Outcome.ABORTED}
    for waiter in waiters:
        assert isinstance((await waiter).first().err, EventAborted)
    warned = [
        record.getMessage()
        for record in caplog.records
        if record.levelname == "WARNING" and "drain" in record.getMessage()
    ]
    assert warned == ["drain: aborted=6 abandoned=0 at the deadline"]
    assert_closed(queue)


@virtual
async def test_what_ends_before_the_deadline_is_not_touched() -> None:
    async def handler(payload: Payload[float]) -> None:
        await asyncio.sleep(payload.value)

    queue = CollectorQueue([Collector("h", handler)], max_consumers=8)
    await queue.start()
    events = await queue.publisher.send_many([0.1, 0.9, 1.1, 5])
    report = await queue.close(timeout=1)
    assert [event.outcome for event in events] == ["ok", "ok", "aborted", "aborted"]
    assert values(report.aborted) == [1.1, 5]
    assert report.ledger.ok == 2


@virtual
async def test_without_a_limit_it_waits_as_long_as_it_takes() -> None:
    async def handler(payload: Payload[Any]) -> None:
        await asyncio.sleep(1000)

    queue = CollectorQueue([Collector("h", handler)], drain_timeout=1)
    await queue.start()
    await queue.publisher.send_many(range(5))
    report = await queue.close(timeout=None)
    assert report.ledger.ok == 5
    assert report.aborted == ()


@virtual
async def test_drain_timeout_is_the_default_deadline() -> None:
    loop = asyncio.get_running_loop()
    for limit in (0.0, 2.5):
        async with CollectorQueue(
            [Collector("endless", endless)], drain_timeout=limit
        ) as queue:
            await queue.publisher.send(1)
            await ticks(2)
            begun = loop.time()
        assert loop.time() - begun == pytest.approx(limit, abs=0.001)
        assert queue.ledger.aborted == 1


@both_loops
async def test_a_negative_timeout_is_refused_and_nothing_is_closed() -> None:
    async with CollectorQueue([Collector("log", Log())]) as queue:
        with pytest.raises(
            ConfigError, match="timeout must be between 0 and 1e9 seconds, got -2"
        ):
            await queue.close(timeout=-2)
        await assert_serves(queue)


@virtual
async def test_cancelled_handlers_may_clean_up_for_half_a_second() -> None:
    loop = asyncio.get_running_loop()
    cleaned = []

    async def cleans_up(payload: Payload[float]) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(payload.value)
            cleaned.append(payload.value)

    queue = CollectorQueue([Collector("h", cleans_up)])
    await queue.start()
    events = await queue.publisher.send_many([0.0, 0.1, 0.4])
    await until(lambda: queue.load.busy == 3)
    begun = loop.time()
    report = await queue.close(timeout=1)
    assert loop.time() - begun == pytest.approx(1.4, abs=0.01)
    assert cleaned == [0.0, 0.1, 0.4]
    assert report.abandoned == ()
    assert {event.outcome for event in events} == {Outcome.ABORTED}


@virtual(leftovers=True)
async def test_a_handler_that_does_not_end_is_abandoned_named_and_warned(
    caplog: Any,
) -> None:
    loop = asyncio.get_running_loop()
    stubborn = Stubborn()
    queue = CollectorQueue([Collector("stubborn", stubborn)])
    await queue.start()
    event = await queue.publisher.send("the stubborn one")
    quick = await queue.publisher.send("x", keys=["nobody"])
    await until(lambda: queue.load.busy == 1)
    begun = loop.time()
    report = await queue.close(timeout=2)
    assert loop.time() - begun == pytest.approx(2.5, abs=0.01)
    assert event.outcome is Outcome.ABORTED
    assert isinstance(event.get_result().first().err, EventAborted)
    assert quick.is_done()
    assert values(report.aborted) == ["the stubborn one"]
    assert len(report.abandoned) == 1
    assert "the stubborn one" in report.abandoned[0]
    assert "stubborn" in caplog.text
    assert "await self._opened.wait()" in caplog.text, "its stack is not in the log"
    assert_closed(queue)
    await queue.start()
    results = event.get_result()
    stubborn.open()
    await ticks(5)
    assert stubborn.ended == ["the stubborn one"]
    assert event.get_result() == results
    await assert_serves(queue)
    assert queue.ledger.accepted == queue.ledger.ok == 1
    await queue.close()
    assert_closed(queue)


@pytest.mark.parametrize("place", [0, 1])
@virtual(leftovers=True)
async def test_one_stubborn_collector_of_several_is_abandoned(place: int) -> None:
    stubborn = Stubborn()
    collectors = [Collector("stubborn", stubborn), Collector("quick", Log())]
    if place:
        collectors.reverse()
    queue = CollectorQueue(collectors)
    await queue.start()
    event = await queue.publisher.send(1)
    await ticks(4)
    report = await queue.close(timeout=0)
    assert event.outcome is Outcome.ABORTED
    assert len(report.abandoned) == 1
    assert_closed(queue)
    stubborn.open()
    await ticks(5)
    assert stubborn.ended == [1]
    assert_closed(queue)


@virtual
async def test_a_thread_that_does_not_end_is_left_to_itself() -> None:
    release, started = threading.Event(), threading.Event()

    def handler(payload: Payload[Any]) -> None:
        started.set()
        release.wait(10)

    queue = CollectorQueue([Collector("h", handler, runs_in="thread")])
    await queue.start()
    event = await queue.publisher.send("in a thread")
    await until_thread(started.is_set)
    report = await queue.close(timeout=1)
    assert event.outcome is Outcome.ABORTED
    assert values(report.aborted) == ["in a thread"]
    assert_closed(queue)
    release.set()
    await until_thread(lambda: not queue_threads())


# -- several closes ---------------------------------------------------------------


@virtual
async def test_a_second_close_joins_the_first_and_gets_the_same_report() -> None:
    async def handler(payload: Payload[Any]) -> None:
        await asyncio.sleep(1)

    queue = CollectorQueue([Collector("h", handler)])
    await queue.start()
    await queue.publisher.send(1)
    reports = await asyncio.gather(*[queue.close(timeout=5) for _ in range(4)])
    assert all(report is reports[0] for report in reports)
    assert reports[0].ledger.ok == 1
    assert await queue.close() is queue.drain_report


@pytest.mark.parametrize(
    ("first", "second", "takes"),
    [
        (10, 2, 3),
        (10, 0, 1),
        (None, 4, 5),
        (2, 10, 2),
        (2, None, 2),
        (5, 4, 5),
        (0.5, 0.25, 0.5),
    ],
)
@virtual
async def test_a_second_close_may_only_shorten_the_deadline(
    first: float | None, second: float | None, takes: float
) -> None:
    """The second one comes a second later, or when it is over."""
    loop = asyncio.get_running_loop()
    queue = CollectorQueue([Collector("endless", endless)])
    await queue.start()
    await queue.publisher.send(1)
    await ticks(2)
    begun = loop.time()
    closing = asyncio.create_task(queue.close(timeout=first))
    await asyncio.sleep(1)
    await queue.close(timeout=second)
    await closing
    report = queue.drain_report
    assert report is not None
    assert report.ledger.aborted == 1
    assert loop.time() - begun == pytest.approx(max(1, takes), abs=0.01)


@pytest.mark.parametrize("turns", range(8))
@virtual
async def test_a_second_close_that_comes_late_leaves_no_timer(turns: int) -> None:
    queue = CollectorQueue([Collector("log", Log())])
    await queue.start()
    first = asyncio.create_task(queue.close(timeout=None))
    await ticks(turns)
    await queue.close(timeout=5)
    await first
    scheduled = asyncio.get_running_loop()._scheduled  # type: ignore[attr-defined]
    left = [handle for handle in scheduled if not handle.cancelled()]
    assert not [handle for handle in left if "Deadline" in repr(handle)]


@virtual
async def test_a_cancelled_close_goes_to_abort_and_re_raises() -> None:
    loop = asyncio.get_running_loop()
    queue = CollectorQueue([Collector("endless", endless)], max_consumers=1)
    await queue.start()
    events = await queue.publisher.send_many(range(3))
    await ticks(2)
    closing = asyncio.create_task(queue.close(timeout=100))
    other = asyncio.create_task(queue.close(timeout=None))
    await asyncio.sleep(1)
    begun = loop.time()
    closing.cancel()
    await asyncio.wait([closing])
    assert closing.cancelled()
    assert loop.time() - begun < 0.6
    assert {event.outcome for event in events} == {Outcome.ABORTED}
    assert values((await other).aborted) == [0, 1, 2]
    assert_closed(queue)
    assert not queue.is_running


@virtual
async def test_a_close_that_is_cancelled_again_and_again_still_finishes() -> None:
    left = []

    class Lifecycle:
        async def __aenter__(self) -> None:
            pass

        async def __aexit__(self, *_: Any) -> None:
            await asyncio.sleep(0.1)
            left.append(1)

    queue = CollectorQueue(
        [Collector("endless", endless, lifecycle=lambda ctx: Lifecycle())]
    )
    await queue.start()
    await queue.publisher.send(1)
    closing = asyncio.create_task(queue.close(timeout=100))
    for _ in range(20):
        await ticks(1)
        closing.cancel()
    await asyncio.wait([closing])
    assert closing.cancelled()
    assert left == [1]
    assert_closed(queue)
    async with queue:
        pass


@virtual
async def test_close_with_a_timeout_around_it_aborts() -> None:
    queue = CollectorQueue([Collector("endless", endless)])
    await queue.start()
    await queue.publisher.send(1)
    await ticks(2)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1):
            await queue.close(timeout=None)
    assert me().cancelling() == 0
    assert not queue.is_running
    assert_closed(queue)


@pytest.mark.parametrize("runs", ["in the handler", "in a task of the handler"])
@both_loops
async def test_close_inside_a_handler_starts_the_drain_and_returns(runs: str) -> None:
    reports = []

    async def handler(payload: Payload[Any]) -> None:
        if payload.value == "closes":
            if runs == "in the handler":
                reports.append(await queue.close())
            else:
                reports.append(await asyncio.create_task(queue.close()))

    queue = CollectorQueue([Collector("h", handler)], max_consumers=1)
    await queue.start()
    events = await queue.publisher.send_many(["closes", 1, 2, 3])
    for event in events:
        await event.wait(timeout=5)
        assert event.outcome is Outcome.OK
    assert not reports[0].complete
    report = await queue.close()
    assert report.complete
    assert report.ledger.ok == 4
    assert not queue.is_running
    assert_closed(queue)


@both_loops
async def test_close_of_another_queue_inside_a_handler_waits_for_it() -> None:
    async def work(payload: Payload[Any]) -> None:
        await ticks(3)

    async def closes(payload: Payload[Any]) -> Any:
        return await second.close()

    first = CollectorQueue([Collector("closes", closes)])
    second = CollectorQueue([Collector("work", work)])
    async with first:
        await second.start()
        await second.publisher.send(1)
        report = await first.publisher.call("closes", 1)
        assert report.complete
        assert report.ledger.ok == 1
        assert not second.is_running


# -- the body of `async with` -----------------------------------------------------


@pytest.mark.parametrize(
    "error", [ValueError, asyncio.CancelledError, KeyboardInterrupt, GeneratorExit]
)
@both_loops
async def test_the_bodys_exception_is_kept_and_the_queue_drains(error: Any) -> None:
    log = Log()
    own = error("of the body")
    queue = CollectorQueue([Collector("log", log)], max_consumers=1)

    async def body() -> None:
        async with queue:
            await queue.publisher.send_many(range(20))
            raise own

    with pytest.raises(error) as caught:
        await body()
    assert caught.value is own
    assert own.__cause__ is None
    assert log.values == list(range(20))
    assert_closed(queue)


@both_loops
async def test_a_failing_exit_does_not_replace_the_bodys_exception(caplog: Any) -> None:
    class Lifecycle:
        async def __aenter__(self) -> None:
            pass

        async def __aexit__(self, *_: Any) -> None:
            raise RuntimeError("exit failed")

    queue = CollectorQueue([Collector("log", Log(), lifecycle=lambda ctx: Lifecycle())])
    with pytest.raises(ValueError, match="of the body"):
        async with queue:
            raise ValueError("of the body")
    assert "exit failed" in caplog.text
    with pytest.raises(BaseExceptionGroup) as caught:
        async with queue:
            pass
    assert [str(each) for each in caught.value.exceptions] == ["exit failed"]
    assert not queue.is_running
    assert_closed(queue)


@virtual
async def test_close_ends_in_time_whatever_handlers_do() -> None:
    """I12: never later than the deadline and the half second of grace."""
    loop = asyncio.get_running_loop()

    async def nasty(payload: Payload[int]) -> None:
        while True:
            try:
                await asyncio.sleep(0.05 * (payload.value % 7))
                if payload.value % 5 == 0:
                    queue.publisher.send_nowait(payload.value + 1)
                if payload.value % 3 == 0:
                    return
                await asyncio.sleep(1)
            except asyncio.CancelledError:
                if payload.value % 11 or loop.time() > ends:
                    raise

    for timeout in (0, 0.01, 0.3, 2):
        ends = loop.time() + 100
        queue = CollectorQueue([Collector("nasty", nasty)], max_consumers=10)
        await queue.start()
        await queue.publisher.send_many(range(40))
        await asyncio.sleep(0.1)
        begun = loop.time()
        report = await queue.close(timeout=timeout)
        assert loop.time() - begun <= timeout + 0.501
        assert report.ledger == queue.ledger
        assert_closed(queue)
        ends = 0
        for task in asyncio.all_tasks() - {me()}:
            task.cancel()
        await ticks(3)


# -- the same object again --------------------------------------------------------


@KINDS
@both_loops
async def test_the_same_object_starts_again_with_a_fresh_ledger(
    queue_type: QueueType,
) -> None:
    log = Log()
    queue = CollectorQueue([Collector("log", log)], queue_type=queue_type)
    for round_ in range(5):
        async with queue:
            assert queue.ledger.accepted == 0
            events = await queue.publisher.send_many(range(10))
            await queue.publisher.wait()
            assert queue.consumers >= 1
        assert queue.ledger.ok == 10
        assert {event.outcome for event in events} == {Outcome.OK}
        assert len(log.values) == 10 * (round_ + 1)
        assert_closed(queue)


def test_the_same_object_runs_on_one_loop_after_another() -> None:
    log = Log()
    queue = CollectorQueue([Collector("log", log)])

    async def program() -> None:
        async with queue:
            assert (await queue.publisher.request(1)).first().ok()

    for _ in range(3):
        asyncio.run(program())
    assert log.values == [1, 1, 1]


@pytest.mark.parametrize(
    "collectors", [["stubborn"], ["stubborn", "quick"], ["quick", "stubborn"]]
)
@virtual
async def test_what_an_earlier_run_abandoned_does_not_touch_the_next(
    collectors: list[str],
) -> None:
    stubborn = Stubborn()
    handlers = {"stubborn": stubborn, "quick": Log()}
    gate = Gate()
    queue = CollectorQueue(
        [Collector(key, handlers[key], topics="all") for key in collectors]
        + [Collector("gate", gate)],
        max_consumers=1,
        autoscale=False,
    )
    await queue.start()
    await queue.publisher.send(1, topics="all")
    await ticks(4)
    removal = asyncio.create_task(queue.remove_collector("stubborn"))
    await ticks(1)
    report = await queue.close(timeout=0)
    assert len(report.abandoned) == 1
    await removal
    assert queue.consumers == 0
    async with queue:
        await queue.publisher.send_many([1, 2, 3])
        await ticks(5)
        stubborn.open()
        await ticks(5)
        assert stubborn.ended == [1]
        assert queue.consumers == queue.metrics.busy == 1
        assert gate.started == [1]
        assert_closes(queue)
        gate.open()
    assert queue.ledger.ok == 3
    assert queue.consumers == 0


@pytest.mark.parametrize("collectors", [["stubborn", "quick"], ["quick", "stubborn"]])
@virtual
async def test_nor_does_what_lost_its_consumer_before(collectors: list[str]) -> None:
    stubborn = Stubborn()
    handlers = {"stubborn": stubborn, "quick": Log()}
    queue = CollectorQueue(
        [
            Collector(key, handlers[key], topics="all", max_concurrency=1)
            for key in collectors
        ],
        max_consumers=2,
        autoscale=False,
    )
    await queue.start()
    await queue.publisher.send(1, topics="all")
    await ticks(4)
    for consumer in consumer_tasks()[:1]:
        consumer.cancel()
    await ticks(4)
    await queue.close(timeout=0)
    async with queue:
        event = await queue.publisher.send(1, topics="all")
        await ticks(5)
        assert queue.metrics.collectors["stubborn"].running == 1
        stubborn.open()
        await event
        assert queue.metrics.collectors["stubborn"].received == 1
        assert queue.metrics.collectors["stubborn"].peak_running == 1
        assert_closes(queue)
    assert queue.ledger.ok == 1


@both_loops
async def test_events_of_an_earlier_run_stay_as_they_were() -> None:
    queue = CollectorQueue([Collector("endless", endless)], max_consumers=1)
    await queue.start()
    events = await queue.publisher.send_many(range(3))
    await ticks(2)
    await queue.close(timeout=0)
    async with queue:
        assert [event.cancel() for event in events] == [False] * 3
        for event in events:
            assert isinstance((await event).first().err, EventAborted)
        assert queue.ledger.accepted == 0
        await ticks(1)
    assert_closed(queue)


@pytest.mark.parametrize("turns", range(8))
@pytest.mark.parametrize("order", [1, -1])
@virtual
async def test_only_what_was_aborted_is_reported_as_aborted(
    order: int, turns: int
) -> None:
    """One of two collectors ends about the deadline, at any turn of the loop."""

    async def late(payload: Payload[Any]) -> str:
        await asyncio.sleep(1)
        await ticks(turns)
        return "late"

    async def early(payload: Payload[Any]) -> str:
        await ticks(1)
        return "early"

    collectors = [Collector("late", late), Collector("early", early)][::order]
    queue = CollectorQueue(collectors)
    await queue.start()
    event = await queue.publisher.send("value")
    await ticks(1)
    report = await queue.close(timeout=1)
    aborted = event.outcome is Outcome.ABORTED
    assert values(report.aborted) == ["value"] * aborted
    assert report.ledger.aborted == aborted
    assert_closed(queue)


@both_loops
async def test_a_drain_costs_no_turn_of_the_loop() -> None:
    """While it waits for one handler it sleeps: no looking again, turn after turn."""
    loop = asyncio.get_running_loop()
    original, called = loop.call_soon, []

    def call_soon(*arguments: Any, **options: Any) -> Any:
        called.append(arguments)
        return original(*arguments, **options)

    try:
        loop.call_soon = call_soon  # type: ignore[method-assign]
    except AttributeError:
        pytest.skip("this loop cannot be watched")
    gate = Gate()
    queue = CollectorQueue([Collector("gate", gate)])
    await queue.start()
    await queue.publisher.send("value")
    await until(lambda: gate.started)
    closing = asyncio.create_task(queue.close(timeout=None))
    await ticks(5)
    called.clear()
    await asyncio.sleep(0.05)
    assert len(called) <= 2, called  # thousands, if it looked all the time
    assert not closing.done()
    gate.open()
    assert (await closing).ledger.ok == 1


@pytest.mark.parametrize("turns", range(8))
@both_loops
async def test_after_close_there_are_no_consumers(turns: int) -> None:
    """Though one was spent by its handler and waits for its successor."""

    async def handler(payload: Payload[Any]) -> None:
        await ticks(turns)
        me().cancel()

    for timeout in (0, 5):
        queue = CollectorQueue(
            [Collector("h", handler)], max_consumers=3, autoscale=False
        )
        await queue.start()
        await queue.publisher.send_many(range(3))
        await ticks(3)
        await queue.close(timeout=timeout)
        await ticks(3)
        assert queue.consumers == 0
        assert queue.load.busy == 0
        assert_closed(queue)


@pytest.mark.parametrize("how", ["shorter", "cancelled", "timed"])
@virtual
async def test_a_sink_that_does_not_end_ends_with_the_deadline(how: str) -> None:
    loop = asyncio.get_running_loop()

    async def sink(letter: Any) -> None:
        await asyncio.sleep(3600)

    def fails(payload: Payload[Any]) -> None:
        raise ValueError

    queue = CollectorQueue([Collector("fails", fails)], dead_letter=sink)
    await queue.start()
    await queue.publisher.request(1)
    closing = asyncio.create_task(queue.close(timeout=None))
    await asyncio.sleep(10)
    begun = loop.time()
    if how == "cancelled":
        closing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await closing
    else:
        await queue.close(timeout=5 if how == "timed" else 0)
        await closing
    assert loop.time() - begun == pytest.approx(5 if how == "timed" else 0, abs=0.01)
    assert len(queue.dead_letters) == 1


@virtual
async def test_an_observer_that_closes_too_begins_no_second_drain() -> None:
    """Where tasks begin at once, as asyncio's eager factory has it."""
    if sys.version_info < (3, 12):
        pytest.skip("tasks are never eager there")
    asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)
    told: list[str] = []
    closings: list[Any] = []

    def observe(what: Any) -> None:
        told.append(type(what).__name__)
        if isinstance(what, DrainStarted) and len(told) < 10:
            closings.append(asyncio.ensure_future(queue.close()))

    queue = CollectorQueue([Collector("log", Log())])
    queue.observe(observe)
    await queue.start()
    await queue.close()
    await asyncio.gather(*closings)
    assert told == ["QueueStarted", "DrainStarted", "DrainFinished"]
