"""Dead letters: what failed for good goes to its sink, and a sink that fails loses nothing."""

from __future__ import annotations

import asyncio
import logging
import sys
import time
from typing import Any

import pytest

from collectorqueue import (
    Collector,
    CollectorQueue,
    DeadLetter,
    Error,
    Outcome,
    Payload,
    ResultList,
    Retry,
    Router,
)
from collectorqueue.admin.observers import DeadLettered
from collectorqueue.errors import ConfigError, DuplicateKey, UnknownKey
from tests.policies.support import Clocked, Flaky
from tests.support import Gate, Stubborn, assert_closes, ticks, until, virtual


async def bad(payload: Payload[Any]) -> None:
    raise ValueError(payload.value)


@virtual
async def test_a_function_gets_the_letter_with_all_that_is_known() -> None:
    letters: list[DeadLetter] = []
    flaky = Flaky(9)
    retry = Retry(attempts=3, backoff=10, factor=1, jitter=0)
    collector = Collector("flaky", flaky, retry=retry, dead_letter=letters.append)
    async with CollectorQueue([collector]) as queue:
        before = time.time()
        await (await queue.publisher.send(7, ordering_key="k"))
        (letter,) = letters
        assert letter.payload.value == 7
        assert (letter.collector, letter.attempts, letter.ordering_key) == ("flaky", 3, "k")
        assert isinstance(letter.error.err, ValueError)
        assert before <= letter.last_failed <= time.time()
        assert letter.last_failed - letter.first_failed == pytest.approx(20, abs=0.01)
        assert letter.last_failed - letter.sent == pytest.approx(20, abs=0.01)
        assert queue.metrics.policies.dead_letters == 1
        assert queue.dead_letters == ()


@virtual
async def test_a_collector_gets_it_as_a_payload_and_no_broadcast_reaches_it() -> None:
    letters: list[DeadLetter] = []

    async def keep(payload: Payload[DeadLetter]) -> None:
        letters.append(payload.value)

    sink = Collector("keep", keep)
    queue = CollectorQueue(
        [Collector("bad", bad), Collector("good", Clocked())], dead_letter=sink
    )
    async with queue:
        event = await queue.publisher.send(7)
        await queue.publisher.wait()
        await ticks(5)
        assert (await event).keys() == ("bad", "good")
        await (await queue.publisher.send(8, keys="good"))
        assert "keep" not in queue.collectors
        assert queue.ledger.accepted == 3
        assert queue.metrics.collectors["keep"].ok == 1
    assert [(letter.collector, letter.payload.value) for letter in letters] == [("bad", 7)]


@virtual
async def test_an_async_function_is_waited_for_when_the_queue_closes() -> None:
    letters = []

    async def keep(letter: DeadLetter) -> None:
        await asyncio.sleep(2)
        letters.append(letter.payload.value)

    async with CollectorQueue([Collector("bad", bad)], dead_letter=keep) as queue:
        await (await queue.publisher.send(7))
    assert letters == [7]


@virtual
async def test_one_that_takes_too_long_is_cancelled_and_its_letter_kept() -> None:
    async def keep(letter: DeadLetter) -> None:
        await asyncio.sleep(1000)

    queue = CollectorQueue([Collector("bad", bad)], dead_letter=keep, drain_timeout=5)
    async with queue:
        await (await queue.publisher.send(7))
    assert [letter.payload.value for letter in queue.dead_letters] == [7]


@pytest.mark.parametrize("kind", ["function", "async function", "collector"])
@virtual
async def test_a_sink_that_fails_loses_nothing(
    kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(letter: Any) -> None:
        raise OSError("the disk is full")

    async def refuse_later(letter: Any) -> None:
        raise OSError("the disk is full")

    sink: Any = {
        "function": refuse,
        "async function": refuse_later,
        "collector": Collector("sink", refuse_later),
    }[kind]
    queue = CollectorQueue([Collector("bad", bad)], dead_letter=sink)
    with caplog.at_level(logging.ERROR, "collectorqueue.deadletters"):
        async with queue:
            for number in range(3):
                await (await queue.publisher.send(number))
            await queue.publisher.wait()
            assert_closes(queue)
    assert [letter.payload.value for letter in queue.dead_letters] == [0, 1, 2]
    assert "was not taken and is kept in memory (1 of 1000)" in caplog.text


@virtual
async def test_a_sink_that_is_registered_too_loses_nothing_either() -> None:
    sink = Collector("sink", bad)
    collectors = [sink, Collector("bad", bad), Collector("own", bad, dead_letter=sink)]
    async with CollectorQueue(collectors, dead_letter=sink) as queue:
        for key in "bad", "own":
            await queue.publisher.request(key, keys=key)
        await queue.publisher.wait()
        assert [letter.collector for letter in queue.dead_letters] == ["bad", "own"]
        # Sent on by hand, and failed by another: somebody's own business.
        await queue.publisher.request(queue.dead_letters[0], keys="bad")
        await queue.publisher.wait()
        assert len(queue.dead_letters) == 2


@virtual
async def test_what_is_kept_has_a_bound() -> None:
    def refuse(letter: Any) -> None:
        raise OSError

    async with CollectorQueue([Collector("bad", bad)], dead_letter=refuse) as queue:
        for number in range(1010):
            await queue.publisher.send(number)
        await queue.publisher.wait()
        kept = [letter.payload.value for letter in queue.dead_letters]
        assert kept == list(range(10, 1010))
        assert queue.metrics.policies.dead_letters == 1010


@virtual
async def test_a_collectors_own_sink_takes_the_place_of_the_queues() -> None:
    mine: list[DeadLetter] = []
    all_others: list[DeadLetter] = []
    collectors = [
        Collector("a", bad, dead_letter=mine.append),
        Collector("b", bad),
    ]
    async with CollectorQueue(collectors, dead_letter=all_others.append) as queue:
        event = await queue.publisher.send(7)
        await event
        assert event.outcome is Outcome.FAILED
        await (await queue.publisher.send(8, keys=["b", "unknown"]))
    assert [letter.collector for letter in mine] == ["a"]
    assert [letter.collector for letter in all_others] == ["b", "b", "unknown"]
    assert isinstance(all_others[2].error.err, UnknownKey)


@virtual
async def test_only_failures_for_good_are_dead_letters() -> None:
    letters: list[DeadLetter] = []
    gate = Gate()
    collectors = [
        Collector("flaky", Flaky(1), retry=Retry(backoff=0)),
        Collector("gate", gate),
    ]
    queue = CollectorQueue(collectors, dead_letter=letters.append, max_consumers=1)
    async with queue:
        await (await queue.publisher.send(1, keys="flaky"))
        await (await queue.publisher.send(1, topics="nobody"))
        running = await queue.publisher.send(1, keys="gate")
        await until(lambda: gate.started == [1])
        expired = await queue.publisher.send(1, keys="gate", ttl=1)
        await expired
        running.cancel()
        gate.open()
    assert letters == []


@virtual
async def test_a_dead_letter_is_taken_when_the_queue_is_full_and_when_it_drains() -> None:
    letters: list[Any] = []
    gate = Gate()

    async def keep(payload: Payload[DeadLetter]) -> None:
        letters.append(payload.value.payload.value)

    async def fail(payload: Payload[int]) -> None:
        await gate(payload)
        raise ValueError

    queue = CollectorQueue(
        [Collector("fail", fail)],
        dead_letter=Collector("keep", keep),
        capacity=2,
        max_consumers=1,
    )
    async with queue:
        await queue.publisher.send(0)
        await until(lambda: gate.started == [0])
        for number in (1, 2):
            await queue.publisher.send(number)
        asyncio.get_running_loop().call_later(1, gate.open)
    assert sorted(letters) == [0, 1, 2]
    assert queue.ledger.closes and queue.ledger.in_flight == 0


@virtual
async def test_observers_are_told() -> None:
    told: list[Any] = []
    async with CollectorQueue([Collector("bad", bad)], dead_letter=lambda _: None) as queue:
        queue.observe(told.append)
        await (await queue.publisher.send(7))
    (record,) = [each for each in told if isinstance(each, DeadLettered)]
    assert record.letter.payload.value == 7


@virtual
async def test_a_function_is_called_in_the_queues_context() -> None:
    import contextvars

    variable: contextvars.ContextVar[str] = contextvars.ContextVar("v", default="queue")
    seen = []

    async def handle(payload: Payload[int]) -> None:
        variable.set("handler")
        raise ValueError

    queue = CollectorQueue(
        [Collector("handle", handle)], dead_letter=lambda _: seen.append(variable.get())
    )
    async with queue:
        await (await queue.publisher.send(7))
    assert seen == ["queue"]


def test_bad_sinks_are_refused() -> None:
    with pytest.raises(TypeError, match="dead_letter must be a Collector or a function, got 3"):
        CollectorQueue(dead_letter=3)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="got 'sink'"):
        Collector("a", bad, dead_letter="sink")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="runs in a process"):
        Collector("a", bad, dead_letter=Collector("b", bad, runs_in="process"))
    with pytest.raises(ConfigError, match="has a dead_letter of its own"):
        Collector("a", bad, dead_letter=Collector("b", bad, dead_letter=print))
    with pytest.raises(DuplicateKey):
        CollectorQueue([Collector("a", bad)], dead_letter=Collector("a", bad))
    sink = Collector("a", bad)
    assert isinstance(CollectorQueue([sink], dead_letter=sink), CollectorQueue)


@virtual
async def test_the_error_of_a_shared_result_is_not_changed() -> None:
    shared = Error(ValueError("no"))

    async def refuse(payload: Payload[int]) -> Error:
        return shared

    collector = Collector("refuse", refuse, retry=Retry(backoff=0))
    async with CollectorQueue([collector]) as queue:
        (error,) = await (await queue.publisher.send(1))
        assert isinstance(error, Error)
        assert (error.attempts, shared.attempts) == (3, 1)
        assert error == shared


class Drawer(list[Any]):
    """A sink that is false while it is empty."""

    def __call__(self, letter: DeadLetter) -> None:
        self.append(letter)


@virtual
async def test_a_sink_may_be_false() -> None:
    drawer, others = Drawer(), Drawer()
    collector = Collector("fails", lambda payload: 1 / 0, dead_letter=drawer)
    async with CollectorQueue([collector], dead_letter=others) as queue:
        await queue.publisher.request(1)
    assert (len(drawer), len(others)) == (1, 0)


@pytest.mark.parametrize("is_replaced", [False, True])
@pytest.mark.parametrize("several", [False, True])
@virtual
async def test_what_fails_after_its_collector_was_removed_goes_to_its_sink(
    several: bool, is_replaced: bool
) -> None:
    own: list[Any] = []
    others: list[Any] = []
    gate = Gate()

    async def fails(payload: Payload[Any]) -> None:
        await gate(payload)
        raise ValueError

    collectors = [Collector("fails", fails, dead_letter=own.append)]
    if several:
        collectors.append(Collector("good", Clocked()))
    async with CollectorQueue(collectors, dead_letter=others.append) as queue:
        event = await queue.publisher.send(1)
        await until(lambda: gate.started)
        removing = asyncio.create_task(queue.remove_collector("fails"))
        await ticks(3)
        if is_replaced:
            await queue.add_collector(
                Collector("fails", Clocked(), dead_letter=others.append)
            )
        gate.open()
        await event
        await removing
        assert [letter.payload.value for letter in own] == [1]
        assert others == []


@pytest.mark.parametrize("is_replaced", [False, True])
@virtual
async def test_no_other_collector_gets_the_letters_of_a_sink_that_was_removed(
    is_replaced: bool,
) -> None:
    other = Gate()
    sink = Collector("sink", Clocked())
    collectors = [sink, Collector("bad", bad, dead_letter=sink)]
    async with CollectorQueue(collectors) as queue:
        await queue.publisher.request(1, keys="bad")
        await queue.remove_collector("sink")
        if is_replaced:
            await queue.add_collector(Collector("sink", other))
        await queue.publisher.request(2, keys="bad")
        await ticks(3)
        assert [letter.payload.value for letter in queue.dead_letters] == [2]
        assert other.started == []


@virtual
async def test_a_letter_whose_sink_fails_is_kept_though_its_collector_was_removed() -> None:
    sink_gate = Gate()

    async def fails_too(payload: Payload[Any]) -> None:
        await sink_gate(payload)
        raise OSError

    sink = Collector("sink", fails_too)
    collectors = [Collector("bad", bad, dead_letter=sink)]
    async with CollectorQueue(collectors) as queue:
        await queue.publisher.request(1, keys="bad")
        await until(lambda: sink_gate.started)
        await queue.remove_collector("bad")
        sink_gate.open()
        await queue.publisher.wait()
        assert [letter.payload.value for letter in queue.dead_letters] == [1]


@virtual
async def test_handlers_and_sinks_that_do_not_end_share_one_grace() -> None:
    stubborn = Stubborn()

    async def sink(letter: DeadLetter) -> None:
        await stubborn(letter.payload)

    collectors = [Collector("stubborn", stubborn), Collector("bad", bad)]
    queue = CollectorQueue(collectors, dead_letter=sink)
    await queue.start()
    await queue.publisher.send(1, keys="stubborn")
    await queue.publisher.request(2, keys="bad")
    report = await queue.close(timeout=1)
    assert report.seconds == pytest.approx(1.5)
    assert len(queue.dead_letters) == 1
    stubborn.open()
    await ticks(5)
    assert stubborn.ended == [1, 2]


@virtual
async def test_letters_that_are_taken_by_one_future_are_all_kept_if_it_fails() -> None:
    loop = asyncio.get_running_loop()
    written = loop.create_future()
    async with CollectorQueue([Collector("bad", bad)], dead_letter=lambda _: written) as queue:
        await queue.publisher.send_many(range(5))
        await queue.publisher.wait()
        written.set_exception(OSError("disk full"))
        await ticks(3)
        assert [letter.payload.value for letter in queue.dead_letters] == [*range(5)]


@virtual
async def test_a_letter_whose_sink_answers_with_a_future_of_another_loop_is_kept() -> None:
    elsewhere = asyncio.new_event_loop()
    own = asyncio.get_running_loop().create_future()
    answers = [own, elsewhere.create_future()]
    queue = CollectorQueue([Collector("bad", bad)], dead_letter=lambda _: answers.pop())
    async with queue:
        await queue.publisher.send_many([1, 2])
        await queue.publisher.wait()
        assert [letter.payload.value for letter in queue.dead_letters] == [1]
        own.set_result(None)
    assert len(queue.dead_letters) == 1
    elsewhere.close()


class ById:
    """It can be awaited, and is nothing else."""

    def __await__(self) -> Any:
        yield from asyncio.sleep(1).__await__()


@virtual
async def test_anything_that_can_be_awaited_is_waited_for() -> None:
    async with CollectorQueue([Collector("bad", bad)], dead_letter=lambda _: ById()) as queue:
        await queue.publisher.send(1)
        begun = asyncio.get_running_loop().time()
    assert asyncio.get_running_loop().time() - begun == pytest.approx(1)
    assert not queue.dead_letters


@pytest.mark.skipif(sys.version_info < (3, 12), reason="there are no eager tasks")
@virtual
async def test_a_sink_may_close_the_queue_whatever_makes_tasks() -> None:
    reports = []

    async def sink(letter: DeadLetter) -> None:
        reports.append(await queue.close())

    loop = asyncio.get_running_loop()
    loop.set_task_factory(asyncio.eager_task_factory)
    begun = loop.time()
    async with CollectorQueue([Collector("bad", bad)], dead_letter=sink) as queue:
        await queue.publisher.send(1)
        await asyncio.sleep(0)
    loop.set_task_factory(None)
    assert [report.complete for report in reports] == [False]
    assert loop.time() == begun


@virtual
async def test_letters_on_their_way_to_a_sink_that_is_removed_are_kept() -> None:
    gate = Gate()
    sink = Collector("sink", gate, topics="letters", max_concurrency=1)
    collectors = [Collector("bad", bad, topics="work", dead_letter=sink), sink]
    async with CollectorQueue(collectors) as queue:
        for number in range(5):
            await queue.publisher.send(number, topics="work")
        await until(lambda: gate.started)
        removing = asyncio.create_task(queue.remove_collector("sink"))
        await ticks(5)
        gate.open()
        await removing
        await queue.publisher.wait()
        taken = [letter.payload.value for letter in gate.ended]
        kept = [letter.payload.value for letter in queue.dead_letters]
        assert len(taken) == 1 and sorted(taken + kept) == [*range(5)]


@pytest.mark.parametrize("key", ["router", "other"])
@virtual
async def test_a_collector_that_a_custom_router_calls_has_its_own_sink(key: str) -> None:
    class Whole(Router):
        async def handle_event(self, payload: Payload[Any]) -> ResultList:
            return ResultList([await self.collectors[key].process(payload)], [key])

    own: list[DeadLetter] = []
    others: list[DeadLetter] = []
    collectors = [Collector(key, bad, dead_letter=own.append)]
    async with CollectorQueue(collectors, Whole, dead_letter=others.append) as queue:
        await queue.publisher.send(1)
    assert (len(own), len(others)) == (1, 0)
