"""Batches: many payloads for one call, each sender its own result."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest

from collectorqueue import (
    Batch,
    Collector,
    CollectorEvent,
    CollectorQueue,
    Error,
    Ok,
    Outcome,
    Payload,
    RateLimit,
    Retry,
)
from collectorqueue.errors import ConfigError, EventAborted, RunTimeout
from tests.policies.support import Clocked
from tests.support import assert_closes, both_loops, ticks, virtual


class Batches:
    """A batch handler that remembers what it was given, and when, and why."""

    def __init__(self, answer: Callable[[list[Any]], Any] = lambda values: values) -> None:
        self.answer = answer
        self.seen: list[list[Any]] = []
        self.triggers: list[str] = []
        self.times: list[float] = []

    async def __call__(self, payloads: list[Payload[Any]]) -> Any:
        values = [payload.value for payload in payloads]
        self.seen.append(values)
        self.triggers.append(payloads.trigger)  # type: ignore[attr-defined]
        self.times.append(round(asyncio.get_running_loop().time() - 1000, 3))
        return self.answer(values)


@virtual
async def test_it_is_handed_over_when_it_is_full_or_has_waited() -> None:
    batches = Batches()
    collector = Collector("batch", batches, batch=Batch(size=4, wait=2))
    async with CollectorQueue([collector], max_consumers=1) as queue:
        events = [await queue.publisher.send(n) for n in range(10)]
        assert [await event for event in events] == [[Ok(n)] for n in range(10)]
        assert (await events[0]).keys() == ("batch",)
        assert_closes(queue)
        stats = queue.collector_stats()["batch"]
        assert (stats.received, stats.ok, stats.running) == (10, 10, 0)
    assert batches.seen == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    assert batches.triggers == ["size", "size", "wait"]
    assert batches.times == [0, 0, 2]


@virtual
async def test_the_wait_counts_from_the_first_payload_and_holds_no_consumer() -> None:
    batches, clocked = Batches(), Clocked()
    collectors = [
        Collector("batch", batches, batch=Batch(size=10, wait=3)),
        Collector("other", clocked),
    ]
    async with CollectorQueue(collectors, max_consumers=1) as queue:
        for number in range(5):
            await queue.publisher.send(number, keys="batch")
            assert await (await queue.publisher.send(number, keys="other")) == [Ok(number)]
            assert (queue.ledger.queued, queue.load.busy) == (number + 1, 0)
            await asyncio.sleep(0.5)
        await queue.publisher.wait()
    assert batches.times == [3]


@pytest.mark.parametrize(
    ("answer", "results"),
    [
        (lambda values: "same", ["same", "same", "same"]),
        (lambda values: Ok([1]), [[1], [1], [1]]),
        (lambda values: None, [None, None, None]),
        (lambda values: [Ok(1), Error("two"), 3], [1, "two", 3]),
        (lambda values: Error("all"), ["all", "all", "all"]),
        (lambda values: (1, 2), [(1, 2)] * 3),
    ],
)
@virtual
async def test_what_it_may_return(answer: Any, results: list[Any]) -> None:
    collector = Collector("batch", Batches(answer), batch=Batch(size=3))
    async with CollectorQueue([collector]) as queue:
        events = [await queue.publisher.send(n) for n in range(3)]
        got = [(await event).first() for event in events]
        assert [each.err if isinstance(each, Error) else each.value for each in got] == results


@virtual
async def test_a_list_of_another_length_fails_them_all_and_says_so() -> None:
    collector = Collector("batch", Batches(lambda values: [1]), batch=Batch(size=3))
    async with CollectorQueue([collector]) as queue:
        events = [await queue.publisher.send(n) for n in range(3)]
        for event in events:
            (error,) = await event
            assert isinstance(error, Error)
            assert "a batch of 3 needs a list of 3 results" in str(error.err)


@virtual
async def test_one_that_raises_fails_all_of_its_batch_only() -> None:
    def answer(values: list[int]) -> list[int]:
        if 4 in values:
            raise ValueError("four")
        return values

    collector = Collector("batch", Batches(answer), batch=Batch(size=3))
    async with CollectorQueue([collector]) as queue:
        events = [await queue.publisher.send(n) for n in range(9)]
        await queue.publisher.wait()
        failed = [n for n in range(9) if events[n].outcome is Outcome.FAILED]
        assert failed == [3, 4, 5]
        assert_closes(queue)


@virtual
async def test_groups_are_kept_apart() -> None:
    batches = Batches()
    collector = Collector(
        "batch", batches, batch=Batch(size=3, wait=1, by=lambda payload: payload.value % 2)
    )
    async with CollectorQueue([collector]) as queue:
        for number in range(8):
            await queue.publisher.send(number)
        await queue.publisher.wait()
    assert sorted(batches.seen) == [[0, 2, 4], [1, 3, 5], [6], [7]]


@virtual
async def test_a_group_that_cannot_be_told_fails_its_event_only() -> None:
    def by(payload: Payload[int]) -> Any:
        return [] if payload.value == 1 else 1 // payload.value

    batches = Batches()
    collectors = [
        Collector("batch", batches, batch=Batch(size=10, wait=1, by=by)),
        Collector("other", Clocked()),
    ]
    async with CollectorQueue(collectors) as queue:
        events = [await queue.publisher.send(n, keys="batch") for n in range(4)]
        part = await queue.publisher.send(0)
        await queue.publisher.wait()
        assert [event.outcome for event in events] == [
            Outcome.FAILED, Outcome.FAILED, Outcome.OK, Outcome.OK,
        ]  # fmt: skip
        assert isinstance((await part)["batch"], Error)
        assert (await part)["other"] == Ok(0)
        assert_closes(queue)


@virtual
async def test_bytes_bound_it_too() -> None:
    batches = Batches()
    collector = Collector("batch", batches, batch=Batch(size=100, wait=1, bytes=10))
    async with CollectorQueue([collector]) as queue:
        for text in ("aaaa", "bbbb", "cccc", "dddddd", "e" * 20, "f"):
            await queue.publisher.send(text)
        await queue.publisher.wait()
    assert batches.seen == [["aaaa", "bbbb"], ["cccc", "dddddd"], ["e" * 20], ["f"]]
    assert batches.triggers == ["bytes", "bytes", "bytes", "wait"]


@virtual
async def test_closing_hands_over_what_there_is() -> None:
    batches = Batches()
    collector = Collector("batch", batches, batch=Batch(size=100, wait=60))
    loop = asyncio.get_running_loop()
    async with CollectorQueue([collector]) as queue:
        for number in range(3):
            await queue.publisher.send(number)
        begun = loop.time()
    assert loop.time() == begun
    assert batches.seen == [[0, 1, 2]]
    assert batches.triggers == ["flush"]


@virtual
async def test_closing_waits_for_what_can_still_come_to_the_batch() -> None:
    batches = Batches()
    queue = CollectorQueue(
        [Collector("batch", batches, batch=Batch(size=100, wait=60))], drain_timeout=10
    )

    async def feed(payload: Payload[int]) -> None:
        await asyncio.sleep(2)
        await queue.publisher.send(payload.value, keys="batch")

    await queue.add_collector(Collector("feed", feed))
    async with queue:
        await queue.publisher.send(1, keys="batch")
        await queue.publisher.send(2, keys="feed")
        await queue.publisher.send(3, keys="batch", delay=5)
    assert batches.seen == [[1, 2, 3]]
    assert batches.times == [5]


@virtual
async def test_items_can_be_cancelled_before_and_while_it_runs() -> None:
    release = asyncio.Event()
    seen: list[list[int]] = []

    async def handle(payloads: list[Payload[int]]) -> list[int]:
        seen.append([payload.value for payload in payloads])
        await release.wait()
        return [payload.value for payload in payloads]

    collector = Collector("batch", handle, batch=Batch(size=4, wait=1))
    async with CollectorQueue([collector]) as queue:
        events = [await queue.publisher.send(n) for n in range(3)]
        await ticks(5)
        assert events[0].cancel()
        events.append(await queue.publisher.send(3))
        await asyncio.sleep(2)
        assert seen == [[1, 2, 3]]
        assert events[1].cancel()
        release.set()
        await queue.publisher.wait()
        assert [event.outcome for event in events] == [
            Outcome.ABORTED, Outcome.ABORTED, Outcome.OK, Outcome.OK,
        ]  # fmt: skip
        assert_closes(queue)
    assert seen == [[1, 2, 3]]


@virtual
async def test_a_batch_of_which_all_are_cancelled_is_cancelled() -> None:
    ended = []

    async def handle(payloads: list[Payload[int]]) -> None:
        try:
            await asyncio.sleep(1000)
        finally:
            ended.append(len(payloads))

    collector = Collector("batch", handle, batch=Batch(size=2))
    async with CollectorQueue([collector]) as queue:
        events = [await queue.publisher.send(n) for n in range(2)]
        await asyncio.sleep(1)
        for event in events:
            assert event.cancel()
        await ticks(5)
        assert ended == [2]
        assert queue.load.busy == 0


@virtual
async def test_the_deadline_aborts_a_batch_that_runs() -> None:
    async def handle(payloads: list[Payload[int]]) -> None:
        await asyncio.sleep(1000)

    queue = CollectorQueue([Collector("batch", handle, batch=Batch(size=2))], drain_timeout=1)
    async with queue:
        events = [await queue.publisher.send(n) for n in range(4)]
        await asyncio.sleep(0.1)
    for event in events:
        assert event.outcome is Outcome.ABORTED
        assert isinstance((await event).first().err, EventAborted)  # type: ignore[union-attr]
    assert queue.drain_report is not None
    assert sorted(payload.value for payload in queue.drain_report.aborted) == [0, 1, 2, 3]


class Canceller:
    """Cancels an event that begins, as an observer or by converting its payload."""

    def __init__(self, victims: list[int], at: int) -> None:
        self.victims = victims
        self.at = at  # when this one begins
        self.events: list[CollectorEvent] = []
        self.answers: list[bool] = []

    def on_started(self, event: CollectorEvent) -> None:
        self.look(event.payload.value)

    def decode(self, kind: type, value: Any) -> Any:
        self.look(value)
        return Number(value)

    def look(self, value: int) -> None:
        if value == self.at:
            self.answers += [self.events[victim].cancel() for victim in self.victims]


class Number:
    def __init__(self, value: int) -> None:
        self.value = value


@pytest.mark.parametrize("how", ["observer", "hook"])
@pytest.mark.parametrize("at", range(3))
@pytest.mark.parametrize("victims", [[0], [1], [2], [0, 2], [0, 1, 2]])
@pytest.mark.parametrize("runs_in", ["loop", "thread"])
@both_loops
async def test_events_may_be_cancelled_while_their_batch_begins(
    runs_in: Any, victims: list[int], at: int, how: str
) -> None:
    given: list[int] = []

    def handle(payloads: list[Payload[Any]]) -> None:
        given.extend(getattr(each.value, "value", each.value) for each in payloads)

    canceller = Canceller(victims, at)
    by_hook: dict[str, Any] = {}
    if how == "hook":
        by_hook = {"payload_type": Number, "dec_hook": canceller.decode}
    collector = Collector(
        "batch", handle, batch=Batch(size=3, wait=60), runs_in=runs_in, **by_hook
    )
    async with CollectorQueue([collector], max_consumers=1) as queue:
        if how == "observer":
            queue.observe(canceller)
        canceller.events += [queue.publisher.send_nowait(number) for number in range(3)]
        for event in canceller.events:
            await event
        assert queue.load.busy == 0
    assert canceller.answers == [True] * len(victims)
    left = [number for number in range(3) if number not in victims]
    assert given == left
    for number, event in enumerate(canceller.events):
        assert event.outcome is (Outcome.OK if number in left else Outcome.ABORTED)
    assert_closes(queue)


@pytest.mark.parametrize("retry", [None, Retry(2, backoff=0)])
@pytest.mark.parametrize("fails", [False, True])
@pytest.mark.parametrize("runs_in", ["loop", "thread"])
@both_loops
async def test_an_event_may_be_cancelled_while_its_batch_is_settled(
    runs_in: Any, fails: bool, retry: Retry | None
) -> None:
    events: list[CollectorEvent] = []
    answers: list[bool] = []

    class Observer:
        def on_settled(self, event: CollectorEvent) -> None:
            if event is events[0]:
                answers.append(events[1].cancel())

    def handle(payloads: list[Payload[int]]) -> None:
        if fails:
            raise ValueError

    collectors = [
        Collector("batch", handle, batch=Batch(size=2), runs_in=runs_in, retry=retry),
        Collector("after", lambda payload: payload.value),
    ]
    async with CollectorQueue(collectors, max_consumers=1) as queue:
        queue.observe(Observer())
        events += [queue.publisher.send_nowait(number, keys="batch") for number in range(2)]
        for event in events:
            await event
        assert events[0].outcome is (Outcome.FAILED if fails else Outcome.OK)
        assert answers == [True]
        assert events[1].outcome is Outcome.ABORTED
        assert await queue.publisher.call("after", 1) == 1
    assert_closes(queue)


class Longer(list[int]):
    """Says that it is longer than it is, or shorter, or has other items."""

    def __len__(self) -> int:
        return 2

    def __iter__(self) -> Any:
        raise RuntimeError("not now")


@pytest.mark.parametrize("count", [0, 1, 3, 5000])
@both_loops
async def test_a_list_cannot_lie_about_its_length(count: int) -> None:
    def handle(payloads: list[Payload[int]]) -> list[int]:
        return Longer(range(count))

    async with CollectorQueue([Collector("b", handle, batch=Batch(size=2))]) as queue:
        for event in [queue.publisher.send_nowait(number) for number in range(2)]:
            result = (await event).first()
            assert isinstance(result, Error)
            assert f"got a list of {count}" in str(result.err)
    assert_closes(queue)


class Group:
    """Its hash and what it equals may change, or not be had any more."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.refuses = False

    def __hash__(self) -> int:
        if self.refuses:
            raise RuntimeError("no hash")
        return hash(self.name)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Group) and self.name == other.name


@pytest.mark.parametrize("how", ["changes", "refuses", "becomes another"])
@pytest.mark.parametrize("cancel", [False, True])
@both_loops
async def test_a_group_may_change_while_its_batch_fills(cancel: bool, how: str) -> None:
    groups: list[Group] = []

    def by(payload: Payload[str]) -> Group:
        groups.append(Group(payload.value))
        return groups[-1]

    batches = Batches()
    collector = Collector(
        "b", batches, batch=Batch(size=9, wait=0.02, by=by), max_concurrency=1
    )
    async with CollectorQueue([collector], max_consumers=1) as queue:
        events = [queue.publisher.send_nowait(each) for each in "aabb"]
        await ticks(5)
        for group in groups:
            if how == "refuses":
                group.refuses = True
            elif how == "changes" or group.name == "b":
                group.name = "a" if how == "becomes another" else f"{group.name} changed"
        if cancel:
            assert events[0].cancel() and events[1].cancel()
        later = [queue.publisher.send_nowait(each) for each in "aabbcdef" * 20]
        for event in [*events, *later]:
            await event
        outcomes = [event.outcome for event in events]
    expected = [Outcome.ABORTED] * 2 if cancel else [Outcome.OK] * 2
    assert outcomes == [*expected, Outcome.OK, Outcome.OK]
    assert {event.outcome for event in later} <= {Outcome.OK, Outcome.FAILED}
    assert_closes(queue)


@virtual
async def test_what_was_cancelled_in_it_before_is_not_reported_as_left() -> None:
    async def handle(payloads: list[Payload[int]]) -> None:
        await asyncio.sleep(1000)

    queue = CollectorQueue([Collector("batch", handle, batch=Batch(size=3))], drain_timeout=1)
    async with queue:
        events = [await queue.publisher.send(n) for n in range(3)]
        await asyncio.sleep(0.1)
        assert events[1].cancel()
    assert queue.drain_report is not None
    assert sorted(payload.value for payload in queue.drain_report.aborted) == [0, 2]
    assert queue.drain_report.ledger.aborted == 3


@virtual
async def test_a_timeout_is_for_the_whole_batch() -> None:
    async def handle(payloads: list[Payload[int]]) -> None:
        await asyncio.sleep(1000)

    collector = Collector("batch", handle, batch=Batch(size=2), timeout=3)
    async with CollectorQueue([collector]) as queue:
        events = [await queue.publisher.send(n) for n in range(2)]
        for event in events:
            assert isinstance((await event).first().err, RunTimeout)  # type: ignore[union-attr]


@virtual
async def test_what_fails_is_tried_again_alone() -> None:
    batches = Batches(lambda values: [Error(ValueError()) if v == 2 else v for v in values])
    collector = Collector(
        "batch", batches, batch=Batch(size=4), retry=Retry(attempts=3, backoff=1, jitter=0)
    )
    async with CollectorQueue([collector]) as queue:
        events = [await queue.publisher.send(n) for n in range(4)]
        await queue.publisher.wait()
        assert [event.outcome for event in events] == [
            Outcome.OK, Outcome.OK, Outcome.FAILED, Outcome.OK,
        ]  # fmt: skip
        assert (await events[2]).first().attempts == 3  # type: ignore[union-attr]
        assert_closes(queue)
    assert batches.seen == [[0, 1, 2, 3], [2], [2]]
    assert batches.triggers == ["size", "retry", "retry"]


@virtual
async def test_a_batch_that_raises_is_tried_again_one_by_one() -> None:
    def answer(values: list[int]) -> list[int]:
        if 2 in values:
            raise ValueError
        return values

    batches = Batches(answer)
    collector = Collector("batch", batches, batch=Batch(size=4), retry=Retry(backoff=1))
    async with CollectorQueue([collector]) as queue:
        events = [await queue.publisher.send(n) for n in range(4)]
        await queue.publisher.wait()
        assert [event.outcome for event in events].count(Outcome.OK) == 3
    assert sorted(batches.seen[1:]) == [[0], [1], [2], [2], [3]]


@virtual
async def test_several_of_one_key_go_together_in_order_and_hold_the_key() -> None:
    seen: list[list[Any]] = []
    running: set[Any] = set()

    async def handle(payloads: list[Payload[Any]]) -> None:
        keys = {payload.ordering_key for payload in payloads}
        assert not keys & running
        running.update(keys)
        seen.append([payload.value for payload in payloads])
        await asyncio.sleep(1)
        running.difference_update(keys)

    collector = Collector("batch", handle, batch=Batch(size=6, wait=0.5))
    async with CollectorQueue([collector], min_consumers=8) as queue:
        for number in range(20):
            await queue.publisher.send((number % 2, number), ordering_key=number % 2)
        await queue.publisher.wait()
        assert_closes(queue)
    for key in (0, 1):
        mine = [value for batch in seen for value in batch if value[0] == key]
        assert mine == [(key, n) for n in range(key, 20, 2)]
    assert max(map(len, seen)) == 6
    assert len(seen) == 4


@virtual
async def test_retries_of_one_key_keep_their_order() -> None:
    tried: list[int] = []

    async def handle(payloads: list[Payload[int]]) -> list[Any]:
        answers: list[Any] = []
        for payload in payloads:
            tried.append(payload.value)
            fails = payload.value in (1, 2) and tried.count(payload.value) < 2
            answers.append(Error(ValueError()) if fails else payload.value)
        return answers

    collector = Collector(
        "batch", handle, batch=Batch(size=4, wait=0.5), retry=Retry(backoff=1, jitter=0.5)
    )
    async with CollectorQueue([collector], min_consumers=4) as queue:
        for number in range(7):
            await queue.publisher.send(number, ordering_key="k")
        await queue.publisher.wait()
    assert tried == [0, 1, 2, 3, 1, 2, 4, 5, 6]


@virtual
async def test_a_batch_may_be_one_collector_of_several() -> None:
    batches = Batches(lambda values: [v * 10 for v in values])
    collectors = [
        Collector("one", Clocked()),
        Collector("batch", batches, batch=Batch(size=3, wait=1)),
    ]
    async with CollectorQueue(collectors, max_consumers=2) as queue:
        events = [await queue.publisher.send(n) for n in range(4)]
        await asyncio.sleep(0.5)
        assert (queue.ledger.queued, queue.ledger.in_flight) == (1, 0)
        assert [await event for event in events] == [[Ok(n), Ok(n * 10)] for n in range(4)]
        assert_closes(queue)
    assert batches.seen == [[0, 1, 2], [3]]


@virtual
async def test_at_most_so_many_batches_at_once() -> None:
    running, most = 0, 0

    async def handle(payloads: list[Payload[int]]) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(1)
        running -= 1

    collector = Collector("batch", handle, batch=Batch(size=2), max_concurrency=2)
    async with CollectorQueue([collector], min_consumers=8) as queue:
        for number in range(20):
            await queue.publisher.send(number)
        await queue.publisher.wait()
        assert_closes(queue)
    assert most == 2


@both_loops
async def test_threads_take_batches_too() -> None:
    def handle(payloads: list[Payload[int]]) -> list[int]:
        return [payload.value + 1 for payload in payloads]

    collector = Collector("batch", handle, runs_in="thread", batch=Batch(size=5))
    async with CollectorQueue([collector]) as queue:
        events = [await queue.publisher.send(n) for n in range(10)]
        assert [await event for event in events] == [[Ok(n + 1)] for n in range(10)]


@both_loops
async def test_the_tail_does_not_wait_much_longer_than_it_says() -> None:
    batches = Batches()
    collector = Collector("batch", batches, batch=Batch(size=100, wait=0.05))
    loop = asyncio.get_running_loop()
    async with CollectorQueue([collector]) as queue:
        begun = loop.time()
        await (await queue.publisher.send(1))
        assert loop.time() - begun + 0.001 >= 0.05
        assert loop.time() - begun < 0.5


@pytest.mark.parametrize(
    ("options", "kind", "text"),
    [
        ({"size": 0}, ConfigError, "size must be between 1 and 2147483647, got 0"),
        ({"wait": -1}, ConfigError, "wait must be between 0 and 1e9 seconds, got -1"),
        ({"bytes": 0}, ConfigError, "bytes must be between 1 and"),
        ({"by": 3}, TypeError, "by must be callable, got 3"),
    ],
)
def test_bad_batches_are_refused(
    options: dict[str, Any], kind: type[Exception], text: str
) -> None:
    with pytest.raises(kind, match=text):
        Batch(**options)
    with pytest.raises(TypeError, match="batch must be a Batch, got 5"):
        Collector("a", Clocked(), batch=5)  # type: ignore[arg-type]


@virtual
async def test_a_drain_looks_at_what_waits_for_a_limit_but_once() -> None:
    """Not at all of it whenever an event ends and a batch fills."""
    took: list[float] = []
    for is_filling in (False, True):
        limited = Collector("limited", len_of, rate_limit=RateLimit(1000))
        batch = Collector("batch", len_of, batch=Batch(100, wait=3600))
        queue = CollectorQueue([limited, batch], capacity=100_000)
        await queue.start()
        if is_filling:
            queue.publisher.send_nowait(1, keys="batch")
        for value in range(10_000):
            queue.publisher.send_nowait(value, keys="limited")
        begun = time.process_time()
        await queue.close(None)
        took.append(time.process_time() - begun)
        assert queue.ledger.ok == 10_000 + is_filling
    assert took[1] < 4 * took[0]


def len_of(given: Any) -> int:
    return 1
