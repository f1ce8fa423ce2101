"""Workers under load, late, and while they are replaced: what a hostile reader tried."""

from __future__ import annotations

import asyncio
import gc
import os
import subprocess
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import pytest

from collectorqueue import Collector, CollectorQueue, Error, Outcome, Router
from collectorqueue.errors import QueueClosed, RunTimeout, WorkersFailed
from tests.faults.harness import environment
from tests.support import assert_closes, both_loops
from tests.workers import handlers
from tests.workers.support import lost_by, queue_of, stats_of, until

pytestmark = pytest.mark.slow  # each starts processes, and waits for some to end


class FiveTimes(Router):
    async def handle_event(self, payload: Any) -> Any:
        return [await self.collectors["size"].process(payload) for _ in range(5)][:1]


@both_loops
async def test_a_socket_that_is_full_when_a_frame_is_open() -> None:
    queue = CollectorQueue(
        [Collector("size", handlers.size, runs_in="process")],
        FiveTimes,
        workers=1,
        max_consumers=100,
        autoscale=False,
    )
    async with queue, asyncio.timeout(60):
        events: list[Any] = []
        for _ in range(100):
            events += [await queue.publisher.send(b"x" * 7000) for _ in range(50)]
            await asyncio.sleep(0)
        assert {(await event).first().unwrap() for event in events} == {7000}
        assert stats_of(queue).restarts == 0


def spin_and_nap(spin_timeout: float | None, nap_timeout: float | None) -> CollectorQueue:
    return CollectorQueue(
        [Collector("spin", handlers.spin, timeout=spin_timeout, runs_in="process"),
         Collector("nap", handlers.nap, timeout=nap_timeout, runs_in="process")],
        workers=1,
    )  # fmt: skip


async def short_runs_and_a_long_one(queue: CollectorQueue, seconds: float) -> Any:
    await queue.publisher.call("spin", 0.0)
    short = [queue.publisher.send_nowait(7e-5, keys="spin") for _ in range(3)]
    return short, queue.publisher.send_nowait(seconds, keys="nap")


@both_loops
async def test_a_result_is_told_though_the_next_run_is_a_long_one() -> None:
    async with spin_and_nap(None, None) as queue:
        short, long = await short_runs_and_a_long_one(queue, 1.0)
        for event in short:
            await event
        assert not long.is_done()
        await long


@both_loops
async def test_a_run_that_has_ended_is_not_overdue() -> None:
    async with spin_and_nap(0.2, None) as queue:
        short, long = await short_runs_and_a_long_one(queue, 1.0)
        await long
        assert {each.outcome for each in [*short, long]} == {Outcome.OK}
        assert stats_of(queue).restarts == 0
        # The loop looks late: what ended meanwhile was in time.
        event = queue.publisher.send_nowait(0.05, keys="spin")
        await asyncio.sleep(0.01)
        time.sleep(0.4)
        await event
        assert event.outcome is Outcome.OK and stats_of(queue).restarts == 0


@both_loops
async def test_a_timeout_holds_behind_results_that_were_not_rung_for() -> None:
    async with spin_and_nap(None, 0.2) as queue:
        for _ in range(2):
            begun = time.monotonic()
            _, long = await short_runs_and_a_long_one(queue, 3.0)
            result = (await long).first()
            assert isinstance(result, Error) and isinstance(result.err, RunTimeout)
            assert time.monotonic() - begun < 2.0
        await until(lambda: len(stats_of(queue).workers) == 1)


@both_loops
async def test_a_worker_whose_late_run_ends_after_all_is_let_go() -> None:
    queue = CollectorQueue(
        [Collector("late", handlers.end_late, timeout=0.1, runs_in="process"),
         Collector("sleep", handlers.sleep, runs_in="process")],
        workers=1,
    )  # fmt: skip
    async with queue:
        for _ in range(2):
            beside = queue.publisher.send_nowait(1.3, keys="sleep")
            late = queue.publisher.send_nowait(1.0, keys="late")
            await beside
            await late
            assert beside.outcome is Outcome.OK
        await until(lambda: len(stats_of(queue).workers) == 1)


def bad(key: str = "bad") -> Collector:
    return Collector(
        key, handlers.same, lifecycle=handlers.lifecycle_failing_late, runs_in="process"
    )


@both_loops
@pytest.mark.parametrize("spent", [False, True])
async def test_workers_go_on_after_a_collector_could_not_be_added(spent: bool) -> None:
    queue = CollectorQueue(
        [Collector("die", handlers.die, runs_in="process"),
         Collector("same", handlers.same, runs_in="process")],
        workers=1,
        max_events_per_worker=50 if spent else None,
    )  # fmt: skip
    async with queue, asyncio.timeout(30):
        if not spent:
            await lost_by(queue, "kill")  # another is being born
        adding = asyncio.ensure_future(queue.add_collector(bad()))
        await asyncio.sleep(0.05)
        events = [queue.publisher.send_nowait(each, keys="same") for each in range(200)]
        with pytest.raises(WorkersFailed):
            await adding
        assert [(await event).first().unwrap() for event in events] == list(range(200))


@both_loops
async def test_collectors_that_are_added_at_once_each_get_their_own_answer() -> None:
    async with queue_of(handlers.spin, workers=1) as queue, asyncio.timeout(30):
        answers = await asyncio.gather(
            queue.add_collector(Collector("good", handlers.same, runs_in="process")),
            queue.add_collector(bad()),
            queue.add_collector(bad("worse")),
            queue.add_collector(Collector("too", handlers.add_one, runs_in="process")),
            return_exceptions=True,
        )
        assert [type(each) for each in answers] == [
            type(None), WorkersFailed, WorkersFailed, type(None),
        ]  # fmt: skip
        assert list(queue.collectors) == ["spin", "good", "too"]
        assert await queue.publisher.call("good", 1) == 1
        assert await queue.publisher.call("too", 1) == 2


@both_loops
async def test_a_collector_that_is_added_while_the_queue_closes_is_told_so() -> None:
    queue = queue_of(handlers.same, workers=1)
    await queue.start()
    adding = asyncio.ensure_future(
        queue.add_collector(
            Collector("late", handlers.same, lifecycle=handlers.slow_lifecycle,
                      runs_in="process")
        )
    )  # fmt: skip
    await asyncio.sleep(0.1)
    await queue.close()
    async with asyncio.timeout(10):
        with pytest.raises(QueueClosed):
            await adding


@both_loops
@pytest.mark.parametrize("queue_type", ["lifo", "priority"])
async def test_what_a_limit_holds_back_keeps_the_order_of_the_queue(queue_type: str) -> None:
    queue = CollectorQueue(
        [Collector("turn", handlers.in_turn, max_concurrency=1, runs_in="process")],
        workers=2,
        queue_type=queue_type,
    )
    async with queue:
        others = [queue.publisher.send_nowait(0.01, priority=5) for _ in range(40)]
        await asyncio.sleep(0.05)
        first = queue.publisher.send_nowait(0.01, priority=-9)
        await first
        assert sum(each.is_done() for each in others) < 20
        cancelled = [each for each in others if not each.is_done()][-5:]
        assert sum(each.cancel() for each in cancelled) == len(cancelled)
        await queue.publisher.wait()
        assert_closes(queue)


@both_loops
async def test_a_folder_that_was_removed_keeps_no_worker_from_starting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "gone"
    folder.mkdir()
    monkeypatch.chdir(folder)
    async with queue_of(handlers.die, handlers.same, workers=1) as queue:
        folder.rmdir()
        await lost_by(queue, "kill")
        async with asyncio.timeout(10):
            assert await queue.publisher.call("same", 1) == 1
    monkeypatch.undo()


def test_arguments_that_are_no_text_reach_workers(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(
        "import asyncio, os, sys\n"
        "from collectorqueue import Collector, CollectorQueue\n"
        "def argument(payload): return list(os.fsencode(sys.argv[1]))\n"
        "async def main():\n"
        "    async with CollectorQueue([Collector('a', argument, runs_in='process')],"
        " workers=1) as queue:\n"
        "        print(await queue.publisher.call('a', None))\n"
        "if __name__ == '__main__': asyncio.run(main())\n"
    )
    done = subprocess.run(
        [sys.executable, program, b"\xff\xfe"],
        capture_output=True, text=True, timeout=30, env=environment(),
    )  # fmt: skip
    assert (done.returncode, done.stdout.strip()) == (0, "[255, 254]"), done.stderr


@both_loops
async def test_no_worker_runs_more_events_than_it_may() -> None:
    queue = CollectorQueue(
        [Collector("pid", handlers.pid, runs_in="process")],
        workers=2,
        max_events_per_worker=10,
    )
    async with queue:
        pids: list[int] = []
        for _ in range(10):
            events = [queue.publisher.send_nowait(None) for _ in range(13)]
            pids += [(await event).first().unwrap() for event in events]
    assert max(map(pids.count, pids)) <= 10


def test_loops_that_end_without_close_leave_no_file() -> None:
    async def main() -> CollectorQueue:
        queue = queue_of(handlers.spin, workers=2)
        await queue.start()
        queue.publisher.send_nowait(30.0)
        await asyncio.sleep(0.05)
        return queue

    counts = []
    for _ in range(3):
        queue = asyncio.run(main())
        counts.append(len(os.listdir("/proc/self/fd")))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)  # "dropped without close()"
            del queue
            gc.collect()
    assert counts[0] == counts[2]


@both_loops
async def test_a_close_does_not_wait_for_workers_that_do_not_get_ready(tmp_path: Path) -> None:
    collectors = [
        Collector("a", handlers.same, lifecycle=handlers.lifecycle, runs_in="process"),
        Collector(
            "b", handlers.same, ctx={"folder": str(tmp_path)},
            lifecycle=handlers.exclusive_lifecycle, runs_in="process",
        ),
    ]  # fmt: skip
    queue = CollectorQueue(collectors, workers=1)
    await queue.start()
    removing = asyncio.create_task(queue.remove_collector("a"))
    await asyncio.sleep(0.3)  # a new worker waits for the old one's lock
    assert not removing.done()
    async with asyncio.timeout(10):
        report = await queue.close(timeout=0.5)
        await removing
    assert report.seconds < 5


@both_loops
async def test_no_workers_are_left_of_collectors_that_come_as_the_queue_closes() -> None:
    queue = CollectorQueue(workers=1)
    await queue.start()
    adding = [
        asyncio.create_task(
            queue.add_collector(Collector(key, handlers.same, runs_in="process"))
        )
        for key in "ab"
    ]
    await asyncio.sleep(0.01)
    running = queue._running
    assert running is not None
    await queue.close(timeout=0.5)
    answers = await asyncio.gather(*adding, return_exceptions=True)
    assert [type(each) for each in answers] == [QueueClosed, QueueClosed]
    assert running.workforce.pool is None or not running.workforce.pool.staff.everyone()


@both_loops
async def test_one_that_takes_the_place_of_another_stays_as_that_is_left() -> None:
    collectors = [Collector("a", handlers.nap, runs_in="process")]
    queue = CollectorQueue(collectors, workers=1, max_events_per_worker=2)
    async with queue, asyncio.timeout(30):
        event = await queue.publisher.send(0.5)
        await until(lambda: stats_of(queue).out)
        removing = asyncio.create_task(queue.remove_collector("a"))
        await asyncio.sleep(0)
        await queue.add_collector(Collector("a", handlers.same, runs_in="process"))
        await event
        await removing
        for number in range(8):  # by several workers
            assert await queue.publisher.call("a", number) == number


@both_loops
@pytest.mark.parametrize("lifecycle", [None, handlers.lifecycle])
@pytest.mark.parametrize("queue_type", ["fifo", "lifo", "priority"])
async def test_what_waits_for_workers_is_unrouted_when_its_collector_is_removed(
    queue_type: str, lifecycle: Any
) -> None:
    collectors = [
        Collector("spin", handlers.spin, runs_in="process"),
        Collector("gone", handlers.same, runs_in="process", lifecycle=lifecycle),
    ]
    queue = CollectorQueue(collectors, workers=1, queue_type=queue_type)
    async with queue, asyncio.timeout(30):
        keys = ["spin"] * 300 + ["gone"] * 300
        if queue_type == "lifo":
            keys.reverse()
        events = [queue.publisher.send_nowait(0.001, keys=key) for key in keys]
        busy = [event for event in events if event.payload.keys == ("spin",)]
        gone = [event for event in events if event.payload.keys == ("gone",)]
        await until(lambda: stats_of(queue).waiting > 100)
        await queue.remove_collector("gone")
        for event in events:
            await event
        assert {event.outcome for event in busy} == {Outcome.OK}
        assert {event.outcome for event in gone} <= {Outcome.OK, Outcome.UNROUTED}
        assert sum(event.outcome is Outcome.UNROUTED for event in gone) > 100
        assert stats_of(queue).died == 0
        assert_closes(queue)


@both_loops
async def test_a_worker_that_has_come_in_vain_leaves_its_lifecycles(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    async with queue_of(handlers.same, workers=2) as queue, asyncio.timeout(30):
        for_one_only = Collector(
            "b", handlers.same, ctx={"folder": str(tmp_path)},
            lifecycle=handlers.lifecycle_for_one_only, runs_in="process",
        )  # fmt: skip
        with pytest.raises(WorkersFailed):
            await queue.add_collector(for_one_only)
        await until(lambda: not lock.exists())
        assert await queue.publisher.call("same", 1) == 1
