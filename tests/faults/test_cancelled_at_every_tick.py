"""Cancelled from outside at every turn of the loop: each public coroutine ends with
CancelledError or had ended before; the sum closes, nothing hangs, no task is left.
"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from collectorqueue import Collector, CollectorQueue, Outcome, Payload, QueueType
from collectorqueue.errors import CollectorQueueError
from tests.faults.every_tick import Steps, at_every_tick, cancelled_after
from tests.faults.harness import assert_closed, assert_serves, me
from tests.support import Gate, Log, both_loops, ticks

pytestmark = pytest.mark.repetitive


@pytest.mark.parametrize("queue_type", list(QueueType))
@both_loops
@at_every_tick("Sender.send")
async def test_a_blocked_send(offset: int, queue_type: QueueType) -> None:
    gate = Gate()
    async with CollectorQueue(
        [Collector("gate", gate)], max_consumers=1, capacity=1, queue_type=queue_type
    ) as queue:
        publisher = queue.publisher
        await publisher.send(0)
        await ticks(3)
        await publisher.send(1)
        behind: list[asyncio.Task[Any]] = []

        async def open_later() -> None:
            await ticks(2)
            behind.append(asyncio.create_task(publisher.send("behind")))
            await ticks(offset % 5)
            gate.open()

        opener = asyncio.create_task(open_later())
        event = await cancelled_after(offset, publisher.send("cancelled"))
        await opener
        follower = await asyncio.wait_for(behind[0], 5)
        await follower.wait(timeout=5)
        await publisher.wait()
        assert ("cancelled" in gate.started) == (event is not None)
        assert queue.ledger.accepted == 3 + (event is not None)
        await assert_serves(queue)
    assert_closed(queue)


@both_loops
@at_every_tick("Sender.send")
async def test_a_blocked_send_when_others_are_cancelled_too(offset: int) -> None:
    gate = Gate()
    async with CollectorQueue(
        [Collector("gate", gate)], max_consumers=1, capacity=2
    ) as queue:
        for value in range(3):
            await queue.publisher.send(value)
            await ticks(2)
        senders = [
            asyncio.create_task(queue.publisher.send(f"blocked {at}"))
            for at in range(9)
        ]
        await ticks(1)
        asyncio.get_running_loop().call_soon(gate.open)
        for at in (0, 1, 4, 8):
            await ticks(offset // 4)
            senders[at].cancel()
        results = await asyncio.gather(*senders, return_exceptions=True)
        await queue.publisher.wait()
        sent = [
            f"blocked {at}"
            for at, result in enumerate(results)
            if not isinstance(result, asyncio.CancelledError)
        ]
        assert [each for each in gate.started if isinstance(each, str)] == sent
        assert len(sent) >= 5
        await assert_serves(queue)
    assert_closed(queue)


@both_loops
@at_every_tick("EventPublisher.send_many")
async def test_send_many(offset: int) -> None:
    log = Log()

    async def slow(payload: Payload[Any]) -> None:
        await ticks(1)
        log(payload)

    async with CollectorQueue(
        [Collector("slow", slow)], max_consumers=1, capacity=2
    ) as queue:
        carried: list[Any] = []

        async def send_all() -> Any:
            try:
                return await queue.publisher.send_many(range(8))
            except asyncio.CancelledError as exc:
                carried.extend(exc.accepted)  # type: ignore[attr-defined]
                raise

        events = await cancelled_after(offset, send_all())
        accepted = carried if events is None else events
        await queue.publisher.wait()
        assert [event.payload.value for event in accepted] == log.values
        assert {event.outcome for event in accepted} <= {Outcome.OK}
        assert queue.ledger.accepted == len(log.values)
        await assert_serves(queue)
    assert_closed(queue)


@both_loops
@at_every_tick("CollectorEvent.wait")
async def test_waiting_for_an_event(offset: int) -> None:
    gate = Gate()
    async with CollectorQueue([Collector("gate", gate)], max_consumers=1) as queue:
        event = await queue.publisher.send("value")
        asyncio.get_running_loop().call_later(0, gate.open)
        await cancelled_after(offset, event.wait(timeout=5))
        gate.open()
        assert (await event).first().value == "value"
        assert event.outcome is Outcome.OK
    assert_closed(queue)


@pytest.mark.parametrize("collectors", [1, 2])
@pytest.mark.parametrize("what", ["request", "call", "request with timeout"])
@both_loops
@at_every_tick("EventPublisher.request", "EventPublisher.call")
async def test_a_request(offset: int, collectors: int, what: str) -> None:
    async def slow(payload: Payload[Any]) -> Any:
        assert me().cancelling() == 0
        await ticks(2)
        async with asyncio.timeout(5):
            await ticks(2)
        return payload.value

    made = [Collector(f"slow-{at}", slow) for at in range(collectors)]
    async with CollectorQueue(made, max_consumers=1) as queue:
        publisher = queue.publisher
        operation: Any = {
            "request": lambda: publisher.request(1),
            "call": lambda: publisher.call("slow-0", 1),
            "request with timeout": lambda: publisher.request(1, timeout=5),
        }[what]()
        done = await cancelled_after(offset, operation)
        await publisher.wait()
        ledger = queue.ledger
        assert ledger.ok + ledger.aborted == ledger.accepted
        if done is not None:
            assert ledger.aborted == 0
        await assert_serves(queue)
        await ticks(2)
        assert queue.consumers == 1
    assert_closed(queue)


@both_loops
@at_every_tick("EventPublisher.request")
async def test_a_request_that_is_blocked_by_a_full_queue(offset: int) -> None:
    async def slow(payload: Payload[Any]) -> Any:
        await ticks(3)
        return payload.value

    async with CollectorQueue(
        [Collector("slow", slow)], max_consumers=1, capacity=1
    ) as queue:
        await queue.publisher.send("running")
        await ticks(2)
        await queue.publisher.send("queued")
        await cancelled_after(offset, queue.publisher.request("cancelled", timeout=5))
        await queue.publisher.wait()
        ledger = queue.ledger
        assert ledger.ok + ledger.aborted == ledger.accepted
        await assert_serves(queue)
    assert_closed(queue)


@both_loops
@at_every_tick("EventPublisher.wait")
async def test_waiting_for_all(offset: int) -> None:
    async def slow(payload: Payload[Any]) -> None:
        await ticks(2)

    async with CollectorQueue([Collector("slow", slow)], max_consumers=1) as queue:
        events = await queue.publisher.send_many(range(3))
        other = asyncio.create_task(queue.publisher.wait())
        await cancelled_after(offset, queue.publisher.wait())
        await asyncio.wait_for(other, 5)
        assert all(event.is_done() for event in events)
        await asyncio.wait_for(queue.publisher.wait(), 5)
    assert_closed(queue)


@both_loops
@at_every_tick("EventPublisher.wait")
async def test_waiting_for_all_inside_a_handler(offset: int) -> None:
    async def handler(payload: Payload[Any]) -> None:
        if payload.value == "waits":
            await queue.publisher.wait()
        elif payload.value == "slow":
            await ticks(4)

    async with CollectorQueue(
        [Collector("handler", handler)], max_consumers=2
    ) as queue:
        waits = await queue.publisher.send("waits")
        await queue.publisher.send_many(["slow"] * 3)
        await ticks(offset)
        waits.cancel()
        await waits.wait(timeout=5)
        await asyncio.wait_for(queue.publisher.wait(), 5)
        await assert_serves(queue)
        await ticks(5)
        assert 1 <= queue.consumers <= 2
    assert_closed(queue)


@both_loops
@at_every_tick("CollectorQueue.start")
async def test_start(offset: int) -> None:
    steps = Steps()
    queue = CollectorQueue(
        [Collector(key, Log(), lifecycle=steps(key)) for key in "abc"]
    )

    async def start() -> bool:
        await queue.start()
        return True

    if await cancelled_after(offset, start()):
        await assert_serves(queue)
        await queue.close()
    assert not queue.is_running
    assert steps.balanced
    assert steps.left == steps.entered[::-1]
    async with queue:
        await assert_serves(queue)
    assert steps.balanced
    assert_closed(queue)


@pytest.mark.parametrize("handler", ["quick", "endless", "cleans up"])
@both_loops
@at_every_tick("CollectorQueue.close", first=1)
async def test_close(offset: int, handler: str) -> None:
    steps = Steps()

    async def handle(payload: Payload[Any]) -> None:
        if handler == "endless":
            await asyncio.Event().wait()
        try:
            await ticks(3)
        finally:
            if handler == "cleans up":
                await ticks(3)

    queue = CollectorQueue(
        [Collector(key, handle, lifecycle=steps(key)) for key in "ab"], max_consumers=2
    )
    await queue.start()
    events = await queue.publisher.send_many(range(5))
    await ticks(2)
    report = await cancelled_after(offset, queue.close(timeout=5))
    assert not queue.is_running
    assert all(event.is_done() for event in events)
    assert_closed(queue)
    assert steps.balanced
    assert queue.drain_report is not None
    assert queue.drain_report.ledger == queue.ledger
    assert report is None or report == queue.drain_report
    if handler == "endless":
        assert queue.ledger.aborted == 5
    async with queue:
        await ticks(1)
    assert steps.balanced


@both_loops
@at_every_tick("CollectorQueue.close", first=1)
async def test_close_while_a_second_close_waits(offset: int) -> None:
    async def handle(payload: Payload[Any]) -> None:
        await ticks(10)

    queue = CollectorQueue([Collector("handle", handle)], max_consumers=2)
    await queue.start()
    await queue.publisher.send_many(range(3))
    second = asyncio.create_task(queue.close())
    await cancelled_after(offset, queue.close())
    report = await asyncio.wait_for(second, 5)
    assert report.ledger == queue.ledger
    assert_closed(queue)


@both_loops
@at_every_tick("CollectorQueue.__aenter__", "CollectorQueue.__aexit__")
async def test_the_body_of_async_with(offset: int) -> None:
    steps = Steps()

    async def handle(payload: Payload[Any]) -> None:
        await ticks(2)

    queue = CollectorQueue(
        [Collector(key, handle, lifecycle=steps(key)) for key in "ab"]
    )

    async def program() -> str:
        async with queue:
            for value in range(3):
                await queue.publisher.request(value)
        return "done"

    await cancelled_after(offset, program())
    assert not queue.is_running
    assert_closed(queue)
    assert steps.balanced


@both_loops
@at_every_tick("CollectorQueue.add_collector")
async def test_add_collector(offset: int) -> None:
    steps = Steps()
    async with CollectorQueue([Collector("first", Log())]) as queue:
        added = Collector("added", Log(), lifecycle=steps("added"))

        async def add() -> bool:
            await queue.add_collector(added)
            return True

        done = await cancelled_after(offset, add())
        assert ("added" in queue.collectors) == (done is not None)
        if done is None:
            assert steps.balanced
            await queue.add_collector(added)
        await assert_serves(queue, keys="added")
        await assert_serves(queue)
    assert steps.balanced
    assert_closed(queue)


@both_loops
@at_every_tick("CollectorQueue.remove_collector")
async def test_remove_collector(offset: int) -> None:
    steps = Steps()

    async def slow(payload: Payload[Any]) -> str:
        await ticks(4)
        assert steps.left == []
        return "value"

    removed = Collector("removed", slow, lifecycle=steps("removed"))
    async with CollectorQueue([Collector("first", Log()), removed]) as queue:
        event = await queue.publisher.send(1, keys="removed")
        await ticks(2)
        await cancelled_after(offset, queue.remove_collector("removed"))
        await event
        assert event.outcome is Outcome.OK
        if offset:
            assert "removed" not in queue.collectors
        await assert_serves(queue, keys="first")
    assert steps.entered == steps.left == ["removed"]
    assert_closed(queue)


@both_loops
@at_every_tick("CollectorQueue.remove_collector")
async def test_remove_collector_and_add_it_again(offset: int) -> None:
    steps = Steps()

    async def slow(payload: Payload[Any]) -> None:
        await ticks(4)

    removed = Collector("removed", slow, lifecycle=steps("removed"))
    async with CollectorQueue([Collector("first", Log()), removed]) as queue:
        await queue.publisher.send(1, keys="removed")
        await ticks(2)
        await cancelled_after(offset, queue.remove_collector("removed"))
        if "removed" not in queue.collectors:
            await queue.add_collector(removed)
        await assert_serves(queue, keys="removed")
    assert steps.balanced
    assert_closed(queue)


@both_loops
@at_every_tick("CollectorQueue.shutdown_on_signals")
async def test_shutdown_on_signals(offset: int) -> None:
    queue = CollectorQueue([Collector("log", Log())])

    async def program() -> str:
        async with queue, queue.shutdown_on_signals():
            await queue.publisher.request(1)
            await ticks(3)
        return "done"

    await cancelled_after(offset, program())
    assert not queue.is_running
    assert_closed(queue)


@both_loops
async def test_start_refuses_a_second_start_and_survives_it() -> None:
    queue = CollectorQueue([Collector("log", Log(), lifecycle=Steps()("log"))])
    starting = asyncio.create_task(queue.start())
    await ticks(1)
    with pytest.raises(CollectorQueueError):
        await queue.start()
    await starting
    await assert_serves(queue)
    await queue.close()
