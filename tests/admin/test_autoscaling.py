"""The consumer pool follows the load: at once up, slowly down, and never without need."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from collectorqueue import Collector, CollectorQueue, Payload, RateLimit
from collectorqueue.admin.autoscaler import Scaling
from collectorqueue.admin.scaler import Decision, PoolState
from collectorqueue.errors import ConfigError, WrongLoop, WrongThread
from collectorqueue.flow.pool import ConsumerPool
from tests.support import Gate, assert_closes, both_loops, ticks, virtual
from tests.workers import handlers


async def wait_for(payload: Payload[float]) -> None:
    await asyncio.sleep(payload.value)


def queue_of(**options: Any) -> CollectorQueue:
    return CollectorQueue([Collector("wait", wait_for)], **options)


def sizes(queue: CollectorQueue) -> list[int]:
    return [each.after for each in queue.metrics.scaling.recent]


@virtual
async def test_a_burst_is_one_decision() -> None:
    async with queue_of(max_consumers=64) as queue:
        await queue.publisher.send_many([1.0] * 30)
        await ticks(5)
        assert sizes(queue) == [30] and queue.consumers == 30
        assert queue.load.ratio == 1.0
        await asyncio.sleep(1.5)
        assert queue.ledger.ok == 30 and queue.consumers == 30


@virtual
async def test_the_pool_comes_back_to_its_minimum_and_then_no_timer_runs() -> None:
    loop: Any = asyncio.get_running_loop()
    async with queue_of(min_consumers=2) as queue:
        await ticks(3)
        idle = len(loop._scheduled)
        await queue.publisher.send_many([0.5] * 40)
        await asyncio.sleep(60)
        assert queue.consumers == 2
        assert sizes(queue)[0] == 40 and sizes(queue)[-1] == 2
        assert len([each for each in loop._scheduled if not each.cancelled()]) == idle


@both_loops
async def test_a_consumer_that_never_waits_needs_no_help() -> None:
    async with CollectorQueue([Collector("add", lambda p: p.value + 1)]) as queue:
        await queue.publisher.send_many(range(10_000))
        await queue.publisher.wait()
        assert queue.metrics.scaling.grown == 0 and queue.metrics.peak_consumers == 1


@pytest.mark.slow  # more than a minute in asyncio's debug mode
@virtual
async def test_many_events_make_no_more_tasks_than_the_maximum() -> None:
    async with queue_of(max_consumers=50, capacity=100_000) as queue:
        before = len(asyncio.all_tasks())
        sent = asyncio.ensure_future(queue.publisher.send_many([0.01] * 100_000))
        most = grown = 0
        while queue.consumers < 50:
            await asyncio.sleep(0)
            now = queue.metrics.scaling.grown
            assert now - grown <= 1  # in one turn of the loop
            grown = now
        while queue.ledger.ok < 100_000:
            await asyncio.sleep(0.5)
            most = max(most, len(asyncio.all_tasks()))
        await sent
        assert most <= before + 1 + 50 and queue.metrics.peak_consumers == 50


@virtual
async def test_the_bounds_can_be_changed_while_it_runs() -> None:
    async with queue_of(max_consumers=4) as queue:
        await queue.publisher.send_many([1.0] * 40)
        await ticks(5)
        assert queue.consumers == 4
        queue.max_consumers = 10
        await asyncio.sleep(1.01)
        assert queue.consumers == 10 and queue.max_consumers == 10
        queue.max_consumers = 3
        assert queue.consumers == 3
        await asyncio.sleep(1.01)
        assert queue.load.busy == 3  # those that ran went on to their event's end
        queue.min_consumers = 2
        await asyncio.sleep(60)
        assert queue.consumers == 2
        assert_closes(queue)
        with pytest.raises(ConfigError, match="min_consumers <= max_consumers"):
            queue.min_consumers = 5
        assert queue.min_consumers == 2


@virtual
async def test_a_fixed_pool_follows_its_maximum() -> None:
    async with queue_of(max_consumers=4, autoscale=False) as queue:
        await ticks(2)
        queue.max_consumers = 6
        await ticks(2)
        assert queue.consumers == 6
        queue.max_consumers = 1
        await ticks(2)
        assert queue.consumers == 1


class OneByOne:
    """A policy of the user's: one consumer more each time, all but one away after 5 s."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def on_send(self, now: float, state: PoolState) -> Decision:
        self.asked.append("send")
        return Decision(state.pool + 1, now + 5.0, "one more")

    def on_finish(self, now: float, state: PoolState) -> Decision:
        self.asked.append("finish")
        return Decision(state.pool, now + 5.0)

    def on_timer(self, now: float, state: PoolState) -> Decision:
        self.asked.append("timer")
        return Decision(0, None, "rest")


@virtual
async def test_a_policy_of_one_s_own() -> None:
    policy = OneByOne()
    async with queue_of(max_consumers=3, scaling=policy) as queue:
        await queue.publisher.send_many([1.0] * 10)
        await asyncio.sleep(20)
        assert queue.ledger.ok == 10
        recent = queue.metrics.scaling.recent
        assert [each.after for each in recent] == [2, 3, 1]  # kept within the bounds
        assert [each.reason for each in recent] == ["one more", "one more", "rest"]
    assert set(policy.asked) == {"send", "finish", "timer"}


class Broken(OneByOne):
    def on_send(self, now: float, state: PoolState) -> Decision:
        raise RuntimeError("on purpose")


@virtual
async def test_a_policy_that_fails_costs_nothing_but_its_advice(caplog: Any) -> None:
    async with queue_of(max_consumers=3, scaling=Broken()) as queue:
        await queue.publisher.send_many([1.0] * 3)
        await queue.publisher.wait()
        assert queue.ledger.ok == 3 and queue.consumers == 1
    assert "a scaling policy failed" in caplog.text


def test_what_is_no_policy_is_refused() -> None:
    with pytest.raises(TypeError, match=r"scaling must have on_send\(\)"):
        CollectorQueue(scaling=object())  # type: ignore[arg-type]


@virtual
async def test_load_says_what_holds_the_pool_back() -> None:
    gate = Gate()
    async with CollectorQueue([Collector("gate", gate)], max_consumers=2) as queue:
        assert queue.load.limited_by is None
        await queue.publisher.send_many(range(5))
        await ticks(5)
        assert queue.load.limited_by == "max_consumers"
        gate.open()
        await queue.publisher.wait()
        assert queue.load.limited_by is None


@both_loops
async def test_a_loop_that_is_kept_busy_is_named() -> None:
    seen = set()

    def spin(payload: Payload[int]) -> None:
        sum(range(20_000))

    async with CollectorQueue([Collector("spin", spin)]) as queue:
        await queue.publisher.send_many(range(300))
        while queue.ledger.queued:
            seen.add(queue.load.limited_by)
            await asyncio.sleep(0)
        assert "loop" in seen and queue.consumers == 1
        await queue.publisher.wait()
        assert queue.load.limited_by is None


class ScalingLog:
    def __init__(self, sizes: list[int]) -> None:
        self._sizes = sizes

    def on_scaled(self, scaling: Scaling) -> None:
        self._sizes.append(scaling.after)


@virtual
async def test_a_pool_that_is_being_stopped_does_not_grow(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    loop: Any = asyncio.get_running_loop()
    stop = ConsumerPool.stop

    async def stop_as_a_timer_comes(pool: ConsumerPool) -> None:
        loop.call_soon(loop.clock.elapse, 10.0)
        await stop(pool)

    queue = queue_of()
    scaled: list[int] = []
    queue.observe(ScalingLog(scaled))
    async with asyncio.timeout(1000), queue:
        await queue.publisher.send_many([0.1] * 8)
        await asyncio.sleep(0.05)
        monkeypatch.setattr(ConsumerPool, "stop", stop_as_a_timer_comes)
    assert queue.consumers == 0 and scaled == [8]


class Policy:
    """Answers each question with what it was made with; an exception is raised."""

    def __init__(self, *answers: Any) -> None:
        self._answers = list(answers)
        self.asked = 0

    def on_send(self, now: float, state: PoolState) -> Decision:
        self.asked += 1
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, BaseException):
            raise answer
        target, timer = answer(now, state)
        return Decision(target, timer)

    on_finish = on_timer = on_send


@pytest.mark.parametrize(
    "answer",
    [asyncio.CancelledError(), lambda now, state: (8, float("nan")),
     lambda now, state: (8, float("inf")), lambda now, state: (float("nan"), None)],
)  # fmt: skip
@virtual
async def test_a_policy_that_fails_in_any_way_leaves_the_pool_as_it_is(
    answer: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async with queue_of(scaling=Policy(answer)) as queue:
        await queue.publisher.send_many([0.1] * 10)
        async with asyncio.timeout(60):
            await queue.publisher.wait()
        assert queue.consumers == 1 and queue.ledger.ok == 10
        assert "a scaling policy failed" in caplog.text


@virtual
async def test_a_lowered_maximum_holds_whatever_the_policy_says() -> None:
    policy = Policy(lambda now, state: (50, None), RuntimeError("on purpose"))
    async with queue_of(scaling=policy) as queue:
        await queue.publisher.send_many([1.0] * 100)
        await ticks(3)
        assert queue.consumers == 50
        queue.max_consumers = 2
        assert queue.consumers == 2
        await asyncio.sleep(1.5)
        assert queue.load.busy == 2


@virtual
async def test_a_policy_that_wants_to_be_asked_at_once_does_not_hold_the_loop() -> None:
    policy = Policy(lambda now, state: (4, now - 1.0))
    async with queue_of(scaling=policy) as queue:
        await queue.publisher.send_many([0.1] * 10)
        await asyncio.sleep(1.0)
        assert queue.ledger.ok == 10 and policy.asked < 1100


@pytest.mark.parametrize("turns", range(12))
@virtual
async def test_a_fixed_pool_that_is_changed_while_it_closes_does_not_come_back(
    turns: int,
) -> None:
    queue = queue_of(autoscale=False, max_consumers=2)
    await queue.start()
    closing = asyncio.ensure_future(queue.close())
    await ticks(turns)
    queue.max_consumers = 9
    async with asyncio.timeout(60):
        await closing
    assert queue.consumers == 0


@virtual
async def test_bounds_that_are_changed_while_the_queue_starts_or_ends_are_kept() -> None:
    queue: CollectorQueue

    @asynccontextmanager
    async def change(_: Any) -> AsyncIterator[None]:
        queue.min_consumers, queue.max_consumers = 10, 20
        yield
        queue.min_consumers, queue.max_consumers = 3, 40
        await asyncio.sleep(1)

    queue = CollectorQueue([Collector("wait", wait_for, lifecycle=change)], max_consumers=10)
    before = len(asyncio.all_tasks())
    async with queue:
        assert queue.consumers == 10
        await queue.publisher.send_many([0.1] * 50)
        await ticks(3)
        assert queue.consumers == 20
    assert queue.consumers == 0 and len(asyncio.all_tasks()) == before


@both_loops
async def test_workers_that_are_changed_before_there_are_any_count() -> None:
    async with CollectorQueue(workers=1) as queue:
        queue.workers = 2
        await queue.add_collector(
            Collector("add_one", handlers.add_one, runs_in="process")
        )
        workers = queue.metrics.workers
        assert workers is not None and len(workers.workers) == 2


class Setting:
    """A policy that sets the bound itself, and sends."""

    def __init__(self) -> None:
        self.queue: Any = None

    def on_send(self, now: float, state: PoolState) -> Decision:
        self.queue.max_consumers = 10
        if state.queued < 50:
            self.queue.publisher.send_nowait(1.0)
        return Decision(10, None)

    on_finish = on_timer = on_send


@virtual
async def test_a_policy_that_sets_a_bound_or_sends_is_not_asked_meanwhile() -> None:
    policy = Setting()
    policy.queue = queue = queue_of(max_consumers=5, scaling=policy)
    async with queue:
        await queue.publisher.send_many([1.0] * 40)
        await ticks(5)
        assert queue.consumers == 10
        policy.queue = queue_of()


class Slow(Policy):
    """Wants to be asked again at a time that has come before it has said so."""

    def on_send(self, now: float, state: PoolState) -> Decision:
        decision = super().on_send(now, state)
        begun = time.monotonic()
        while time.monotonic() < begun + 0.005:
            pass
        return decision

    on_finish = on_timer = on_send


@both_loops
async def test_a_timer_that_is_due_when_it_is_set(caplog: pytest.LogCaptureFixture) -> None:
    """uvloop makes a plain call of that."""
    policy = Slow(lambda now, state: (state.pool + 1, now))
    async with queue_of(max_consumers=10, scaling=policy) as queue:
        for _ in range(5):
            await queue.publisher.send_many([0.0] * 10)
            await queue.publisher.wait()
        assert policy.asked > 5
    assert "a scaling policy failed" not in caplog.text


@pytest.mark.parametrize(
    "bound", ["min_consumers", "max_consumers", "workers", "rate_limit", "max_concurrency"]
)
@both_loops
async def test_no_bound_is_set_in_another_thread_while_the_queue_runs(bound: str) -> None:
    collector = Collector("gate", Gate())
    queue = CollectorQueue([collector], min_consumers=2, max_consumers=3)
    what: Any = queue if hasattr(queue, bound) else collector
    new = RateLimit(5) if bound == "rate_limit" else 2
    before = getattr(what, bound)
    async with queue:
        with pytest.raises(WrongThread, match=f"{bound} is set in the thread"):
            await asyncio.to_thread(setattr, what, bound, new)
        assert getattr(what, bound) == before
        setattr(what, bound, new)
    await asyncio.to_thread(setattr, what, bound, before)


@both_loops
async def test_collectors_come_and_go_on_the_loop_of_the_queue_only() -> None:
    def elsewhere(doing: Any) -> None:
        with pytest.raises(WrongLoop):
            asyncio.run(doing)

    async with CollectorQueue([Collector("gate", Gate())]) as queue:
        await asyncio.to_thread(elsewhere, queue.remove_collector("gate"))
        await asyncio.to_thread(elsewhere, queue.add_collector(Collector("b", Gate())))
        assert list(queue.collectors) == ["gate"]


@virtual
async def test_a_reason_that_is_no_text_is_made_one() -> None:
    class Odd:
        def on_send(self, now: float, state: PoolState) -> Decision:
            return Decision(state.pool + 1, None, 7)  # type: ignore[arg-type]

        on_finish = on_timer = on_send

    gate = Gate()
    queue = CollectorQueue([Collector("gate", gate)], max_consumers=2, scaling=Odd())
    async with queue:
        await queue.publisher.send_many(range(3))
        await ticks(5)
        assert queue.metrics.scaling.recent[-1].reason == "7"
        gate.open()
