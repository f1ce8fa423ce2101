"""delay: an event does not start before its time, and starts then."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from collectorqueue import Collector, CollectorQueue, Outcome, Payload
from collectorqueue.errors import ConfigError
from tests.policies.support import Clocked
from tests.support import Gate, assert_closes, ticks, virtual


@virtual
async def test_delayed_events_start_on_time_and_in_order() -> None:
    clocked = Clocked()
    async with CollectorQueue([Collector("log", clocked)]) as queue:
        for seconds in (3, 1, 2, 0, 2):
            await queue.publisher.send(seconds, delay=seconds)
        assert queue.ledger.queued == 5
        await queue.publisher.wait()
        assert_closes(queue)
    assert clocked.begun == [(0, 0), (1, 1), (2, 2), (2, 2), (3, 3)]


@virtual
async def test_a_delay_holds_no_consumer() -> None:
    clocked = Clocked()
    async with CollectorQueue([Collector("log", clocked)], max_consumers=1) as queue:
        later = await queue.publisher.send("later", delay=10)
        await (await queue.publisher.send("now"))
        assert clocked.values == ["now"]
        await later


@virtual
async def test_a_delayed_event_counts_against_the_capacity_and_can_be_cancelled() -> None:
    async with CollectorQueue([Collector("log", Clocked())], capacity=2) as queue:
        events = [await queue.publisher.send(n, delay=100) for n in range(2)]
        blocked = asyncio.ensure_future(queue.publisher.send("next"))
        await ticks(5)
        assert not blocked.done()
        assert events[0].cancel()
        assert events[0].outcome is Outcome.ABORTED
        await (await blocked)
        assert events[1].cancel()


@virtual
async def test_a_delay_that_ends_after_the_deadline_is_given_up_at_once() -> None:
    clocked = Clocked()
    queue = CollectorQueue([Collector("log", clocked)], drain_timeout=5)
    loop = asyncio.get_running_loop()
    async with queue:
        soon = await queue.publisher.send("soon", delay=2)
        late = await queue.publisher.send("late", delay=6)
        begun = loop.time()
    assert loop.time() - begun == pytest.approx(2, abs=0.01)
    assert (soon.outcome, late.outcome) == (Outcome.OK, Outcome.ABORTED)
    report = queue.drain_report
    assert report is not None
    assert [payload.value for payload in report.aborted] == ["late"]
    assert report.ledger.closes


@virtual
async def test_without_a_deadline_a_drain_waits_for_all() -> None:
    clocked = Clocked()
    queue = CollectorQueue([Collector("log", clocked)], drain_timeout=None)
    async with queue:
        await queue.publisher.send("late", delay=1e6)
    assert clocked.values == ["late"]


@virtual
async def test_it_joins_the_line_of_its_key_when_its_time_comes() -> None:
    clocked = Clocked(1)
    async with CollectorQueue([Collector("log", clocked)], min_consumers=4) as queue:
        await queue.publisher.send("delayed", ordering_key="k", delay=0.5)
        await queue.publisher.send("first", ordering_key="k")
        await queue.publisher.send("second", ordering_key="k")
        await queue.publisher.wait()
    assert clocked.begun == [(0, "first"), (1, "second"), (2, "delayed")]


@virtual
async def test_the_ttl_counts_from_the_send() -> None:
    gate = Gate()
    async with CollectorQueue([Collector("gate", gate)], max_consumers=1) as queue:
        await queue.publisher.send("stuck")
        await ticks(5)
        event = await queue.publisher.send(1, delay=1, ttl=2)
        await event
        assert event.outcome is Outcome.DROPPED
        gate.open()


@pytest.mark.parametrize(
    ("terms", "kind", "text"),
    [
        ({"delay": -1}, ConfigError,
         "delay must be at least 0 and at most 1e9 seconds, got -1"),
        ({"delay": float("nan")}, ConfigError, "got nan"),
        ({"delay": "1"}, TypeError, "delay must be a number of seconds, got '1'"),
        ({"delay": True}, TypeError, "got True"),
        ({"delay": 2, "ttl": 2}, ConfigError, "could never start, got delay=2, ttl=2"),
    ],
)
def test_bad_delays_are_refused(
    terms: dict[str, Any], kind: type[Exception], text: str
) -> None:
    with pytest.raises(kind, match=text):
        Payload(1, **terms)


@virtual
async def test_many_that_are_cancelled_do_not_stay_in_memory() -> None:
    async with CollectorQueue([Collector("log", Clocked())], capacity=100_000) as queue:
        for _ in range(20):
            events = [await queue.publisher.send(n, delay=1e6) for n in range(1000)]
            for event in events:
                event.cancel()
        assert queue._core.deadlines < 5000
