"""max_bytes: what is queued is bounded by bytes as well."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import pytest

from collectorqueue import Collector, CollectorQueue, Ok, Outcome, Payload
from collectorqueue.errors import ConfigError, PayloadTooLarge, QueueFull, Unrouted
from tests.support import Gate, assert_closes, both_loops, ticks, until, virtual


def gated(**options: Any) -> tuple[CollectorQueue, Gate]:
    gate = Gate()
    return CollectorQueue([Collector("gate", gate)], max_consumers=1, **options), gate


async def stuck(queue: CollectorQueue, gate: Gate) -> None:
    await queue.publisher.send(b"")
    await until(lambda: gate.started == [b""])


@virtual
async def test_a_send_waits_until_there_are_bytes_for_it() -> None:
    queue, gate = gated(max_bytes=10)
    async with queue:
        await stuck(queue, gate)
        await queue.publisher.send(b"123456")
        large = asyncio.ensure_future(queue.publisher.send("äöü"))
        small = asyncio.ensure_future(queue.publisher.send(b"1"))
        await ticks(5)
        assert not large.done()
        assert not small.done()  # it does not pass the one before
        assert queue.metrics.queued_bytes == 6
        gate.open()
        for sending in (large, small):
            await (await sending)
        assert gate.started == [b"", b"123456", "äöü", b"1"]
        assert queue.metrics.queued_bytes == 0
        assert_closes(queue)


@virtual
async def test_a_sender_that_gives_up_lets_the_smaller_one_pass() -> None:
    queue, gate = gated(max_bytes=10)
    async with queue:
        await stuck(queue, gate)
        await queue.publisher.send(b"123456")
        large = asyncio.ensure_future(queue.publisher.send(b"1234567"))
        small = asyncio.ensure_future(queue.publisher.send(b"1"))
        await ticks(5)
        large.cancel()
        await ticks(5)
        assert small.done()
        assert queue.metrics.queued_bytes == 7
        gate.open()


@pytest.mark.parametrize("overflow", ["wait", "reject", "drop_oldest", "drop_incoming"])
@both_loops
async def test_what_never_fits_is_refused_under_every_policy(overflow: str) -> None:
    queue, gate = gated(max_bytes=10, overflow=overflow)
    async with queue:
        for send in (queue.publisher.send, queue.publisher.request):
            with pytest.raises(PayloadTooLarge, match="11 bytes never fits: at most 10"):
                await send(b"x" * 11)
        with pytest.raises(PayloadTooLarge):
            queue.publisher.send_nowait("x" * 11)
        with pytest.raises(PayloadTooLarge):
            await asyncio.to_thread(queue.publisher.send_threadsafe, "x" * 11)
        assert queue.ledger.accepted == 0
        gate.open()


@virtual
async def test_a_full_queue_refuses_or_drops_by_bytes() -> None:
    queue, gate = gated(max_bytes=10, overflow="reject")
    async with queue:
        await stuck(queue, gate)
        await queue.publisher.send(b"12345678")
        with pytest.raises(QueueFull, match="10000 events and 10 bytes"):
            await queue.publisher.send(b"123")
        gate.open()
    queue, gate = gated(max_bytes=10, overflow="drop_oldest")
    async with queue:
        await stuck(queue, gate)
        events = [await queue.publisher.send(b"1234") for _ in range(4)]
        large = await queue.publisher.send(b"123456789")
        assert [event.outcome for event in events] == [Outcome.DROPPED] * 4
        assert queue.metrics.queued_bytes == 9
        gate.open()
        assert await large == [Ok(b"123456789")]
    queue, gate = gated(max_bytes=10, overflow="drop_incoming")
    async with queue:
        await stuck(queue, gate)
        await queue.publisher.send(b"12345678")
        event = await queue.publisher.send(b"123")
        assert event.outcome is Outcome.DROPPED
        assert queue.metrics.queued_bytes == 8
        gate.open()


@virtual
async def test_other_values_need_size_of() -> None:
    queue, gate = gated(max_bytes=100)
    async with queue:
        with pytest.raises(TypeError, match="the bytes of a dict are not known"):
            await queue.publisher.send({"a": 1})
        gate.open()
    queue, gate = gated(max_bytes=100, size_of=len)
    async with queue:
        await stuck(queue, gate)
        await queue.publisher.send({"a": 1, "b": 2})
        await queue.publisher.send(memoryview(bytes(30)))
        await queue.publisher.send(bytearray(5))
        assert queue.metrics.queued_bytes == 37
        gate.open()


@pytest.mark.parametrize(
    ("size_of", "kind", "text"),
    [
        (lambda value: -1, ConfigError, "size_of must return 0 or more, got -1"),
        (lambda value: "1", TypeError, "size_of must return an int, got '1'"),
        (lambda value: 1 // 0, ZeroDivisionError, "division"),
    ],
)
@virtual
async def test_a_size_of_that_fails_fails_the_send(
    size_of: Any, kind: type[Exception], text: str
) -> None:
    queue, _ = gated(max_bytes=100, size_of=size_of)
    async with queue:
        with pytest.raises(kind, match=text):
            await queue.publisher.send({})
        assert queue.ledger.accepted == 0


@both_loops
async def test_threads_wait_for_bytes_too() -> None:
    queue, gate = gated(max_bytes=10)
    async with queue:
        await stuck(queue, gate)
        await queue.publisher.send(b"12345678")
        sending = asyncio.ensure_future(
            asyncio.to_thread(queue.publisher.send_threadsafe, b"1234")
        )
        with pytest.raises(QueueFull):
            await asyncio.to_thread(
                queue.publisher.send_threadsafe, b"1234", timeout=0.02
            )
        assert not sending.done()
        gate.open()
        await sending
        await queue.publisher.wait()
        assert queue.metrics.queued_bytes == 0


def test_bad_bounds_are_refused() -> None:
    with pytest.raises(ConfigError, match="max_bytes must be between 1 and"):
        CollectorQueue(max_bytes=0)
    with pytest.raises(TypeError, match=r"max_bytes must be an int, got 1\.5"):
        CollectorQueue(max_bytes=1.5)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="size_of must be callable, got 3"):
        CollectorQueue(max_bytes=10, size_of=3)  # type: ignore[arg-type]


@virtual
async def test_what_ends_where_it_waits_gives_its_bytes_back() -> None:
    queue, gate = gated(max_bytes=10)
    async with queue:
        await stuck(queue, gate)
        cancelled = await queue.publisher.send(b"1234")
        await queue.publisher.send(b"123456", ttl=1)
        blocked = asyncio.ensure_future(queue.publisher.send(b"12"))
        await ticks(5)
        assert not blocked.done()
        cancelled.cancel()
        await ticks(5)
        assert blocked.done()
        assert queue.metrics.queued_bytes == 8
        await asyncio.sleep(2)  # over the ttl
        assert queue.metrics.queued_bytes == 2
        queue.publisher.send_nowait(b"12345678")
        assert queue.metrics.queued_bytes == 10
        gate.open()
        await queue.publisher.wait()
        assert queue.metrics.queued_bytes == 0


@virtual
async def test_they_are_not_counted_unless_bounded() -> None:
    queue, gate = gated()
    async with queue:
        await queue.publisher.send({"any": "thing"})
        assert queue.metrics.queued_bytes is None
        gate.open()


@both_loops
async def test_what_was_refused_is_measured_again_and_not_kept() -> None:
    queue, gate = gated(max_bytes=100, overflow="reject", size_of=len)
    async with queue:
        await stuck(queue, gate)
        queue.publisher.send_nowait([0] * 95)
        payload = Payload([0] * 10)
        count = sys.getrefcount(payload)
        with pytest.raises(QueueFull):
            queue.publisher.send_nowait(payload)
        assert sys.getrefcount(payload) == count
        payload.value.extend([0] * 1000)
        with pytest.raises(PayloadTooLarge):
            queue.publisher.send_nowait(payload)
        gate.open()


@both_loops
async def test_what_a_route_refuses_is_not_kept() -> None:
    queue, gate = gated(max_bytes=100, on_unrouted="error")
    async with queue:
        payload = Payload(b"1", keys="nobody")
        count = sys.getrefcount(payload)
        with pytest.raises(Unrouted):
            queue.publisher.send_nowait(payload)
        assert sys.getrefcount(payload) == count
        gate.open()
