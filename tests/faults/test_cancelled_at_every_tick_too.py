"""Cancelled at every turn: policies, custom routers, the test kit, worker processes; and
that nothing which a program may await was forgotten.
"""

from __future__ import annotations

from typing import Any

import pytest

from collectorqueue import (
    Batch,
    Collector,
    CollectorQueue,
    Outcome,
    Payload,
    ResultList,
    Retry,
    Router,
)
from collectorqueue.testing import TestQueue
from tests.faults import test_cancelled_at_every_tick  # noqa: F401 - it registers its names
from tests.faults.every_tick import (
    COVERED,
    Steps,
    at_every_tick,
    cancelled_after,
    public_awaits,
)
from tests.faults.harness import assert_closed, assert_serves, me
from tests.support import both_loops, ticks
from tests.workers import handlers


async def slow(payload: Payload[Any]) -> Any:
    """Takes some turns, in which nobody else's cancel may be left."""
    assert me().cancelling() == 0
    await ticks(4)
    return payload.value


@both_loops
@at_every_tick("CollectorEvent.__await__")
async def test_awaiting_an_event(offset: int) -> None:
    async with CollectorQueue([Collector("slow", slow)], max_consumers=1) as queue:
        event = await queue.publisher.send("value")

        async def wait() -> ResultList:
            return await event

        await cancelled_after(offset, wait())
        assert (await event).first().value == "value"
        assert event.outcome is Outcome.OK
    assert_closed(queue)


@pytest.mark.parametrize("policies", ["batch", "retry", "limit", "key", "delay"])
@both_loops
@at_every_tick("EventPublisher.request")
async def test_a_request_under_a_policy(offset: int, policies: str) -> None:
    async def fails_once(payload: Any) -> Any:
        await ticks(2)
        if policies == "retry" and not tried:
            tried.append(payload)
            raise ValueError
        return (
            payload.value if policies != "batch" else [each.value for each in payload]
        )

    tried: list[Any] = []
    options: dict[str, Any] = {
        "batch": {"batch": Batch(2, wait=0)},
        "retry": {"retry": Retry(2, backoff=0)},
        "limit": {"max_concurrency": 1},
    }.get(policies, {})
    terms: dict[str, Any] = {
        "key": {"ordering_key": "a"},
        "delay": {"delay": 0.0001},
    }.get(policies, {})
    async with CollectorQueue([Collector("it", fails_once, **options)]) as queue:
        before = await queue.publisher.send(
            "before", ordering_key=terms.get("ordering_key")
        )
        await cancelled_after(offset, queue.publisher.request("cancelled", **terms))
        await queue.publisher.wait()
        assert before.outcome is Outcome.OK
        ledger = queue.ledger
        assert ledger.ok + ledger.aborted == ledger.accepted
        await assert_serves(queue, **terms)
    assert_closed(queue)


class Whole(Router):
    """A router that runs its collectors itself."""

    async def handle_event(self, payload: Payload[Any]) -> ResultList:
        return await super().handle_event(payload)

    def select(self, payload: Payload[Any]) -> Any:
        return list(self.collectors)


@pytest.mark.parametrize("collectors", [1, 2])
@both_loops
@at_every_tick("Collector.process", "Router.handle_event")
async def test_an_event_whose_router_runs_the_collectors(
    offset: int, collectors: int
) -> None:
    made = [
        Collector(f"slow-{at}", slow, max_concurrency=1) for at in range(collectors)
    ]
    async with CollectorQueue(made, router=Whole, max_consumers=2) as queue:
        other = await queue.publisher.send("other")
        await cancelled_after(offset, queue.publisher.request("cancelled"))
        await queue.publisher.wait()
        assert other.outcome is Outcome.OK
        await assert_serves(queue)
        assert {stats.running for stats in queue.collector_stats().values()} == {0}
    assert_closed(queue)


@both_loops
@at_every_tick("Collector.process")
async def test_processing_without_a_queue(offset: int) -> None:
    collector = Collector("slow", slow)
    result = await cancelled_after(offset, collector.process(Payload("value")))
    assert result is None or result.value == "value"
    assert (await collector.process(Payload("again"))).value == "again"


@pytest.mark.parametrize("what", ["deliver", "settle"])
@both_loops
@at_every_tick("TestQueue.deliver", "TestQueue.settle")
async def test_the_kit_waits(offset: int, what: str) -> None:
    async with TestQueue([Collector("slow", slow)], max_consumers=1) as queue:
        event = await queue.publisher.send("value")
        waiting: Any = (
            queue.deliver("cancelled") if what == "deliver" else queue.settle()
        )
        await cancelled_after(offset, waiting)
        await queue.settle()
        assert event.outcome is Outcome.OK
    assert_closed(queue)


@both_loops
@at_every_tick("TestQueue.__aexit__")
async def test_the_body_of_the_kits_queue(offset: int) -> None:
    steps = Steps()
    queue = TestQueue([Collector("slow", slow, lifecycle=steps("slow"))])

    async def program() -> str:
        async with queue:
            await queue.publisher.send_many(range(3))
        return "done"

    await cancelled_after(offset, program())
    assert not queue.is_running
    assert_closed(queue)
    assert steps.balanced


def with_a_worker() -> CollectorQueue:
    return CollectorQueue(
        [Collector("work", handlers.add_one, runs_in="process")], workers=1
    )


@pytest.mark.slow
@both_loops
@at_every_tick("CollectorQueue.start", step=25)
async def test_starting_with_a_worker_process(offset: int) -> None:
    queue = with_a_worker()

    async def start() -> bool:
        await queue.start()
        return True

    if await cancelled_after(offset, start()):
        await queue.close()
    assert not queue.is_running
    assert_closed(queue)


@pytest.mark.slow
@both_loops
@at_every_tick("EventPublisher.request", "CollectorQueue.close", first=1, step=24)
async def test_a_request_of_a_worker_process_and_the_close(offset: int) -> None:
    queue = with_a_worker()
    await queue.start()
    await cancelled_after(offset, queue.publisher.request(2))
    assert await queue.publisher.call("work", 3, timeout=10) == 4
    await cancelled_after(offset, queue.close(timeout=5))
    assert not queue.is_running
    assert_closed(queue)


def test_nothing_that_a_program_may_await_was_forgotten() -> None:
    """A name here has no test yet that cancels it; or it is gone."""
    assert public_awaits() - COVERED == set()
    assert COVERED - public_awaits() == set()
