"""Workers that are killed, crash, hang or cannot start: it costs what they were running."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from collectorqueue import (
    Collector,
    CollectorQueue,
    Context,
    Error,
    Outcome,
    Payload,
)
from collectorqueue.errors import RemoteError, RunTimeout, WorkerLost, WorkersFailed
from collectorqueue.workers import staff
from tests.support import both_loops
from tests.workers import handlers
from tests.workers.support import is_alive, lost_by, queue_of, stats_of, until

pytestmark = pytest.mark.slow  # each starts processes, and waits for some to end


@both_loops
@pytest.mark.parametrize(
    ("how", "number", "code"),
    [("kill", signal.SIGKILL, None), ("segv", signal.SIGSEGV, None),
     ("abort", signal.SIGABRT, None), ("exit", None, 0),
     ("c-exit", None, 7)],
)  # fmt: skip
async def test_a_death_fails_the_event_that_ran_and_says_what_of(
    how: str, number: int | None, code: int | None
) -> None:
    async with queue_of(handlers.die, handlers.add_one, workers=1) as queue:
        waiting = [queue.publisher.send_nowait(how, keys="die")]
        waiting += [queue.publisher.send_nowait(i, keys="add_one") for i in range(100)]
        await queue.publisher.wait()
        assert [event.outcome for event in waiting] == [Outcome.FAILED] + [Outcome.OK] * 100
        result = (await waiting[0]).first()
        assert isinstance(result, Error) and isinstance(result.err, WorkerLost)
        assert isinstance(result.err, RemoteError)
        assert (result.err.signal, result.err.exit_code) == (number, code)
        if how in ("segv", "abort"):
            assert "in die" in result.err.traceback
        assert stats_of(queue).collectors["die"].lost == 1


@both_loops
async def test_a_worker_that_closed_our_files_is_replaced() -> None:
    """Its result was in shared memory by then: it stands."""
    async with queue_of(handlers.die, handlers.add_one, workers=1) as queue:
        assert await queue.publisher.call("die", "close") == "close"
        await until(lambda: stats_of(queue).restarts == 1)
        assert await queue.publisher.call("add_one", 1) == 2


@both_loops
async def test_a_lost_worker_is_replaced_soon() -> None:
    async with queue_of(handlers.die, handlers.pid) as queue:
        for _ in range(5):
            before = stats_of(queue).restarts
            await lost_by(queue, "kill")
            begun = time.monotonic()
            await until(lambda: len(stats_of(queue).workers) == 2)
            assert time.monotonic() - begun < 1.0  # 0.05 s on a machine that is idle
            assert stats_of(queue).restarts == before + 1
        stats = stats_of(queue)
        assert (stats.started, stats.died, stats.failed_starts) == (7, 5, 0)
        assert 0 < stats.start_s < 7 * 5


@both_loops
async def test_workers_share_no_file() -> None:
    """Else the end of one would not be seen by others, and a lock of one held by all."""
    async with queue_of(handlers.open_files, workers=3) as queue:
        found: dict[int, list[str]] = {}

        async def ask_all() -> None:
            while not {each.pid for each in stats_of(queue).workers} <= set(found):
                for event in await queue.publisher.send_many([None] * 30):
                    pid, files = (await event).first().unwrap()
                    found[pid] = files

        await ask_all()
        os.kill(next(iter(found)), signal.SIGKILL)
        await until(lambda: stats_of(queue).restarts == 1)
        await until(lambda: len(stats_of(queue).workers) == 3)
        await ask_all()
    for files in found.values():
        kinds = sorted(file.split(":")[0] for file in files)
        assert kinds == ["/memfd", "socket"], files
    everything = [file for files in found.values() for file in files]
    assert len(everything) == len(set(everything)) == 8


@both_loops
async def test_all_workers_die_at_once() -> None:
    async with queue_of(handlers.spin, handlers.add_one, workers=3) as queue:
        running = [queue.publisher.send_nowait(30.0, keys="spin") for _ in range(3)]
        waiting = [queue.publisher.send_nowait(i, keys="add_one") for i in range(300)]
        await until(lambda: all(each.outstanding for each in stats_of(queue).workers))
        await asyncio.sleep(0.05)
        for each in stats_of(queue).workers:
            os.kill(each.pid, signal.SIGKILL)
        await queue.publisher.wait()
        assert all(event.outcome is Outcome.FAILED for event in running)
        assert all(event.outcome is Outcome.OK for event in waiting)


@both_loops
async def test_an_idempotent_event_is_run_again_up_to_three_times(tmp_path: Any) -> None:
    async with queue_of(handlers.die_once, idempotent=True) as queue:
        for times, good in ((3, True), (9, False)):
            folder = tmp_path / str(times)
            folder.mkdir()
            result = (await queue.publisher.request(f"{folder}:{times}")).first()
            assert result.ok() is good
            assert len(list(folder.iterdir())) == 4
        assert stats_of(queue).collectors["die_once"].reruns == 6


@both_loops
@pytest.mark.parametrize("processor", [handlers.spin, handlers.ignore_term])
async def test_a_run_that_overruns_its_timeout_is_ended(processor: Any) -> None:
    queue = CollectorQueue(
        [Collector("long", processor, timeout=0.1, runs_in="process"),
         Collector("add_one", handlers.add_one, runs_in="process")],
        workers=1,
    )  # fmt: skip
    async with queue:
        late = queue.publisher.send_nowait(60.0, keys="long")
        others = [queue.publisher.send_nowait(i, keys="add_one") for i in range(50)]
        result = (await late).first()
        assert isinstance(result, Error) and isinstance(result.err, RunTimeout)
        assert isinstance(result.err, TimeoutError)
        await queue.publisher.wait()
        assert all(each.outcome is Outcome.OK for each in others)


@both_loops
async def test_a_stopped_worker_is_killed_at_its_timeout() -> None:
    async with queue_of(handlers.die, workers=1, timeout=0.2) as queue:
        result = (await queue.publisher.request("stop")).first()
        assert isinstance(result, Error) and isinstance(result.err, RunTimeout)


def pids_of(queue: CollectorQueue) -> list[int]:
    return [each.pid for each in stats_of(queue).workers]


@both_loops
async def test_an_idle_worker_that_was_stopped_is_replaced_and_loses_nothing() -> None:
    async with queue_of(handlers.add_one, workers=1, timeout=0.2) as queue:
        await queue.publisher.request(1)
        (stopped,) = stats_of(queue).workers
        os.kill(stopped.pid, signal.SIGSTOP)
        event = queue.publisher.send_nowait(2)
        assert (await event.wait(timeout=10)).first().value == 3
        await until(lambda: stopped.pid not in pids_of(queue))


@both_loops
async def test_an_async_run_that_overruns_its_timeout_costs_no_worker() -> None:
    async with queue_of(handlers.sleep, workers=1, timeout=0.1) as queue:
        late = queue.publisher.send_nowait(60.0)
        good = queue.publisher.send_nowait(0.001)
        result = (await late).first()
        assert isinstance(result, Error) and isinstance(result.err, RunTimeout)
        await good
        assert good.outcome is Outcome.OK and stats_of(queue).restarts == 0


@both_loops
async def test_what_waits_behind_a_stuck_run_goes_to_another_worker() -> None:
    async with queue_of(handlers.spin, handlers.add_one, workers=2) as queue:
        stuck = queue.publisher.send_nowait(5.0, keys="spin")
        others = [queue.publisher.send_nowait(i, keys="add_one") for i in range(500)]
        begun = time.monotonic()
        for each in others:
            await each
        assert time.monotonic() - begun < 4.0 and not stuck.is_done()
        stuck.cancel()
        await queue.close(0)


@both_loops
async def test_a_part_of_an_event_is_lost_alone() -> None:
    queue = CollectorQueue(
        [Collector("die", handlers.die, runs_in="process"),
         Collector("same", handlers.same, runs_in="process"),
         Collector("loop", lambda payload: payload.value)],
        workers=2,
    )  # fmt: skip
    async with queue:
        results = await queue.publisher.request("kill")
        assert [each.ok() for each in results] == [False, True, True]


@both_loops
async def test_running_out_of_memory_costs_the_event_and_replaces_the_worker() -> None:
    async with queue_of(handlers.run_out_of_memory, workers=1) as queue:
        before = await queue.publisher.call("run_out_of_memory", "")
        result = (await queue.publisher.request("out")).first()
        assert isinstance(result, Error) and isinstance(result.err, RemoteError)
        assert result.err.type_name == "MemoryError"
        await until(lambda: [w.pid for w in stats_of(queue).workers] not in ([before], []))
        assert await queue.publisher.call("run_out_of_memory", "") != before


@both_loops
@pytest.mark.parametrize("limit", [1, 2, 3])
async def test_a_worker_is_replaced_after_so_many_events(limit: int) -> None:
    queue = CollectorQueue(
        [Collector("pid", handlers.pid, runs_in="process")],
        workers=1,
        max_events_per_worker=limit,
    )
    async with queue:
        events = await queue.publisher.send_many(range(12))
        pids = [(await event).first().unwrap() for event in events]
    assert max(pids.count(pid) for pid in pids) <= limit
    assert len(set(pids)) >= 12 // limit


@both_loops
async def test_a_worker_is_replaced_above_so_many_bytes() -> None:
    queue = CollectorQueue(
        [Collector("eat", handlers.eat_memory, runs_in="process")],
        workers=1,
        max_worker_bytes=120_000_000,
    )
    async with queue:
        first = await queue.publisher.call("eat", 150_000_000)
        deadline = time.monotonic() + 10
        while await queue.publisher.call("eat", 0) == first:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.05)
        assert stats_of(queue).restarts == 1


@both_loops
async def test_children_of_a_worker_go_with_it(tmp_path: Any) -> None:
    async with queue_of(handlers.fork_child, workers=1) as queue:
        note = tmp_path / "child"
        await queue.publisher.request(str(note))
        child = int(note.read_text())
        await until(lambda: not is_alive(child))


@both_loops
async def test_workers_survive_the_fork_server_and_new_ones_are_made() -> None:
    async with queue_of(handlers.die, handlers.pid, workers=2) as queue:
        running = queue._running
        assert running is not None and running.workforce.pool is not None
        server = running.workforce.pool.staff.nursery.pid
        assert server is not None
        before = {each.pid for each in stats_of(queue).workers}
        os.kill(server, signal.SIGKILL)
        await until(lambda: not is_alive(server))
        assert await queue.publisher.call("pid", None) in before
        error = await lost_by(queue, "kill")
        assert (error.signal, error.exit_code) == (None, None)
        await until(lambda: len(stats_of(queue).workers) == 2)
        assert await queue.publisher.call("pid", None)


@both_loops
async def test_starts_that_keep_failing_degrade_the_pool_and_events_wait() -> None:
    async with queue_of(handlers.die, handlers.add_one, workers=1) as queue:
        running = queue._running
        assert running is not None and running.workforce.pool is not None
        nursery = running.workforce.pool.staff.nursery
        fork = nursery.fork

        def refuse(*_: object) -> None:
            raise OSError("no more processes")

        nursery.fork = refuse  # type: ignore[method-assign]
        await lost_by(queue, "kill")
        waiting = await queue.publisher.send(1, keys="add_one")
        await until(lambda: stats_of(queue).degraded)
        assert not waiting.is_done()
        nursery.fork = fork  # type: ignore[method-assign]
        assert (await waiting).first().unwrap() == 2
        stats = stats_of(queue)
        assert not stats.degraded and stats.failed_starts >= 4 and stats.died == 1


DEPLOYED = """
import asyncio, pathlib, sys
import collectorqueue as cq

def work(payload):
    return payload.value

async def main():
    file = pathlib.Path(__file__)
    collector = cq.Collector("work", work, runs_in="process")
    async with cq.CollectorQueue([collector], workers=1, max_events_per_worker=1) as queue:
        text = file.read_text()
        file.unlink()
        sys.argv.append(5)
        events = [queue.publisher.send_nowait(number) for number in range(9)]
        while not queue.metrics.workers.degraded:
            await asyncio.sleep(0.01)
        print("degraded")
        file.write_text(text)
        print([(await event).first().value for event in events])

if __name__ == "__main__":
    cq.run(main())
"""


def test_a_program_whose_file_has_gone_is_told_and_goes_on_when_it_is_back(
    tmp_path: Path,
) -> None:
    """As in a deploy. What stands in `sys.argv` need not be text."""
    file = tmp_path / "program.py"
    file.write_text(DEPLOYED)
    run = subprocess.run(
        [sys.executable, str(file)], capture_output=True, text=True, timeout=60, check=False
    )
    assert run.stdout.splitlines() == ["degraded", str(list(range(9)))], run.stderr
    assert "a worker could not be started" in run.stderr


def test_a_module_that_is_run_without_a_guard_is_refused_as_a_script_is(
    tmp_path: Path,
) -> None:
    program = DEPLOYED.replace('if __name__ == "__main__":\n    cq', "print('run')\ncq")
    (tmp_path / "prog.py").write_text(program)
    for how in ["-m", "prog"], ["prog.py"]:
        run = subprocess.run(
            [sys.executable, *how], cwd=tmp_path, capture_output=True, text=True, check=False,
            timeout=60,
        )  # fmt: skip
        assert run.stdout == "run\n", run.stderr
        assert "has no `if __name__ == '__main__':`" in run.stderr


@both_loops
async def test_lifecycles_that_fail_to_exit_are_logged_and_the_last_ones_kept(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(staff, "EXIT_FAILURES_KEPT", 3)
    collector = Collector(
        "a", handlers.same, lifecycle=handlers.lifecycle_failing_at_exit, runs_in="process"
    )
    queue = CollectorQueue([collector], workers=1, max_events_per_worker=1)
    await queue.start()
    for number in range(6):
        await queue.publisher.request(number)
    with pytest.raises(ExceptionGroup) as caught:
        await queue.close()
    assert len(caught.value.exceptions) == 3
    told = [each for each in caplog.messages if "failed to exit" in each]
    assert len(told) >= 6


@both_loops
async def test_closing_does_not_wait_for_what_workers_run() -> None:
    queue = queue_of(handlers.spin, handlers.sleep, workers=2)
    await queue.start()
    pids = [each.pid for each in stats_of(queue).workers]
    events = [queue.publisher.send_nowait(30.0, keys="spin") for _ in range(5)]
    events += [queue.publisher.send_nowait(30.0, keys="sleep") for _ in range(5)]
    begun = time.monotonic()
    report = await queue.close(0.2)
    assert time.monotonic() - begun < 0.2 + 0.8
    assert report.ledger.aborted == len(report.aborted) == 10
    assert all(event.outcome is Outcome.ABORTED for event in events)
    assert not any(map(is_alive, pids))


@both_loops
async def test_closing_leaves_no_file_and_no_process() -> None:
    def state() -> tuple[int, int]:
        children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
        return len(os.listdir("/proc/self/fd")), len(children)

    before = state()
    for _ in range(2):
        async with queue_of(handlers.die, handlers.add_one) as queue:
            await lost_by(queue, "kill")
            await queue.publisher.call("add_one", 1)
    assert state() == before


@both_loops
async def test_capacity_bounds_what_waits_for_workers() -> None:
    queue = CollectorQueue(
        [Collector("spin", handlers.spin, runs_in="process")], workers=1, capacity=10
    )
    async with queue:
        for _ in range(300):
            await queue.publisher.send(0.0005)
            assert queue.ledger.queued <= 10
        await queue.publisher.wait()
        assert queue.ledger.ok == 300


@both_loops
async def test_large_values_both_ways_do_not_block() -> None:
    async with queue_of(handlers.same, workers=2) as queue:
        big = bytes(16_000_000)
        lags = []

        async def tick() -> None:
            while True:
                before = time.monotonic()
                await asyncio.sleep(0.001)
                lags.append(time.monotonic() - before)

        ticking = asyncio.create_task(tick())
        events = [await queue.publisher.send(big) for _ in range(8)]
        for event in events:
            assert len((await event).first().unwrap()) == len(big)
        ticking.cancel()
        assert max(lags) < 2.0


@both_loops
async def test_garbage_from_a_worker_costs_its_event() -> None:
    async with queue_of(handlers.write_garbage, handlers.add_one, workers=1) as queue:
        result = (await queue.publisher.request(None, keys="write_garbage")).first()
        assert isinstance(result, Error) and isinstance(result.err, WorkerLost)
        assert await queue.publisher.call("add_one", 1) == 2


@both_loops
async def test_a_module_that_cannot_be_imported_fails_the_start(
    tmp_path: Any, monkeypatch: Any
) -> None:
    (tmp_path / "only_once.py").write_text(
        "import os\n"
        f"if os.getpid() != {os.getpid()}: raise RuntimeError('not in a worker')\n"
        "def collect(payload): ...\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    import only_once  # type: ignore[import-not-found]

    queue = queue_of(only_once.collect)
    with pytest.raises(WorkersFailed, match="not in a worker"):
        await queue.start()


PROGRAM = """
import sys
sys.path.insert(0, {root!r})
from tests.workers import handlers
from tests.workers.support import is_alive, lost_by, queue_of, stats_of, until
import collectorqueue
from collectorqueue import *

def own(payload): return payload.value * 2

async def main():
    queue = CollectorQueue([Collector("own", own, runs_in="process"),
                            Collector("spin", handlers.spin, runs_in="process"),
                            Collector("hold", handlers.hold_the_lock, runs_in="process")],
                           workers=2)
    async with queue:
        assert await queue.publisher.call("own", 4) == 8
        {body}
{guard}collectorqueue.run(main())
"""
GUARD = "if __name__ == '__main__': "
ROOT = Path(__file__).parents[2]


def run_program(path: Path, body: str, guard: str) -> subprocess.CompletedProcess[str]:
    path.write_text(PROGRAM.format(root=str(ROOT), body=body, guard=guard))
    return subprocess.run(
        [sys.executable, path], capture_output=True, text=True, timeout=30, check=False
    )


def test_a_program_s_own_functions_are_found_behind_its_guard(tmp_path: Path) -> None:
    done = run_program(tmp_path / "program.py", "print('good')", GUARD)
    assert (done.returncode, done.stdout) == (0, "good\n"), done.stderr


def test_a_program_without_a_guard_is_refused(tmp_path: Path) -> None:
    done = run_program(tmp_path / "program.py", "pass", "")
    assert done.returncode == 1
    assert "has no `if __name__ == '__main__':`" in done.stderr


def test_a_program_at_a_prompt_is_refused() -> None:
    program = PROGRAM.format(root=str(ROOT), body="pass", guard=GUARD)
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert done.returncode == 1 and "python -c" in done.stderr


@pytest.mark.parametrize("how", ["spin", "hold", "stop", "fork"])
def test_no_worker_outlives_its_program(tmp_path: Path, how: str) -> None:
    key = "hold" if how == "hold" else "spin"
    body = (
        f"[queue.publisher.send_nowait(60.0, keys={key!r}) for _ in range(4)]\n"
        "        import asyncio, os, signal\n"
        "        await asyncio.sleep(0.2)\n"
        "        pids = [each.pid for each in queue.metrics.workers.workers]\n"
    )
    if how == "stop":
        body += "        for pid in pids: os.kill(pid, signal.SIGSTOP)\n"
    if how == "fork":
        body += (
            "        child = os.fork()\n"
            "        if not child:\n"
            "            for each in (0, 1, 2): os.close(each)\n"
            "            signal.pause()\n"
            "        print(child)\n"
        )
    body += "        print(*pids, flush=True)\n        os.kill(os.getpid(), 9)"
    done = run_program(tmp_path / "program.py", body, GUARD)
    assert done.returncode == -signal.SIGKILL, done.stderr
    *child, pids = done.stdout.splitlines()
    end = time.monotonic() + 1.0
    while left := [pid for pid in map(int, pids.split()) if is_alive(pid)]:
        assert time.monotonic() < end, left
        time.sleep(0.01)
    if child:
        os.kill(int(child[0]), signal.SIGKILL)


@both_loops
@pytest.mark.parametrize(("queue_type", "order"), [("lifo", [9, 1]), ("priority", [1, 9])])
async def test_what_waits_for_a_worker_keeps_the_order_of_the_queue(
    queue_type: str, order: list[int]
) -> None:
    queue = CollectorQueue(
        [Collector("spin", handlers.in_turn, runs_in="process")],
        workers=1,
        queue_type=queue_type,
        ageing=0,
    )
    async with queue:
        for _ in range(40):
            queue.publisher.send_nowait(0.002, priority=0)
        later = {
            number: queue.publisher.send_nowait(0.0, priority=number)
            for number in range(1, 10)
        }
        turns = {number: (await event).first().unwrap() for number, event in later.items()}
        assert turns[order[0]] < turns[order[1]] and len(set(turns.values())) == 9


@both_loops
async def test_a_ttl_ends_an_event_that_waits_for_a_worker() -> None:
    async with queue_of(handlers.spin, workers=1) as queue:
        busy = [queue.publisher.send_nowait(Payload(0.05)) for _ in range(30)]
        late = queue.publisher.send_nowait(Payload(0.0, ttl=0.05))
        await late
        assert late.outcome is Outcome.DROPPED
        for event in busy:
            event.cancel()
        await queue.publisher.wait()
        assert queue.ledger.queued == queue.ledger.in_flight == 0


@both_loops
async def test_a_short_timeout_is_not_kept_waiting_by_a_long_one() -> None:
    queue = CollectorQueue(
        [Collector("patient", handlers.same, timeout=60.0, runs_in="process"),
         Collector("spin", handlers.spin, timeout=0.1, runs_in="process")],
        workers=1,
    )  # fmt: skip
    async with queue:
        assert await queue.publisher.call("patient", 1) == 1
        result = (await queue.publisher.request(60.0, keys="spin")).first()
        assert isinstance(result, Error) and isinstance(result.err, RunTimeout)


@both_loops
async def test_lifecycles_are_left_in_workers_though_there_is_no_time(
    tmp_path: Any,
) -> None:
    queue = CollectorQueue(
        [Collector("a", handlers.from_context, lifecycle=handlers.lifecycle,
                   ctx=Context({"folder": str(tmp_path)}), runs_in="process")],
        workers=2,
    )  # fmt: skip
    await queue.start()
    await queue.close(0)
    assert len(list(tmp_path.iterdir())) == 2
