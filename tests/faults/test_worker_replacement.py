"""One worker takes another's place: what is lost meanwhile, and that there is always one."""

from __future__ import annotations

import asyncio
import os
import socket
from typing import Any

import msgspec
import pytest

from collectorqueue import Collector, CollectorQueue, Error, Outcome
from collectorqueue.errors import DuplicateKey, RunTimeout, WorkerLost, WorkersFailed
from tests.faults.harness import script
from tests.support import both_loops
from tests.workers import handlers
from tests.workers.support import lost_by, queue_of, stats_of, until

pytestmark = pytest.mark.slow  # each starts processes, and waits for some to end


@both_loops
async def test_a_worker_that_is_about_to_be_killed_takes_nothing_with_it() -> None:
    queue = CollectorQueue(
        [Collector("stubborn", handlers.ignore_term, timeout=0.1, runs_in="process"),
         Collector("same", handlers.same, runs_in="process")],
        workers=1,
    )  # fmt: skip
    async with queue:
        late = queue.publisher.send_nowait(60.0, keys="stubborn")
        behind = [queue.publisher.send_nowait(each, keys="same") for each in range(20)]
        await until(lambda: stats_of(queue).restarts)
        behind += [queue.publisher.send_nowait(each, keys="same") for each in range(20)]
        for each in behind:
            await each
        assert {each.outcome for each in behind} == {Outcome.OK}
        assert not late.is_done()  # it is given half a second, which they did not wait for
        result = (await late).first()
        assert isinstance(result, Error) and isinstance(result.err, RunTimeout)
        assert stats_of(queue).restarts == 1


@both_loops
async def test_async_runs_beside_one_that_overruns_have_a_while_to_end() -> None:
    queue = CollectorQueue(
        [Collector("hang", handlers.hang_on_request, timeout=0.1, runs_in="process"),
         Collector("sleep", handlers.sleep, runs_in="process")],
        workers=1,
    )  # fmt: skip
    async with queue:
        beside = queue.publisher.send_nowait(1.2, keys="sleep")
        late = queue.publisher.send_nowait("hang", keys="hang")
        result = (await late).first()
        assert isinstance(result, Error) and isinstance(result.err, RunTimeout)
        await beside
        assert beside.outcome is Outcome.OK
        assert await queue.publisher.call("hang", "on") == "on"


@both_loops
async def test_a_run_that_hangs_holds_up_no_other() -> None:
    async with queue_of(handlers.hang_on_request, workers=1) as queue:
        stuck = queue.publisher.send_nowait("hang")
        for _ in range(25):
            async with asyncio.timeout(10):
                for event in await queue.publisher.send_many(["on"] * 100):
                    await event
        stuck.cancel()
        await stuck
        await queue.close(0)


@both_loops
async def test_the_newest_is_first_though_a_worker_is_not_free_for_it() -> None:
    queue = CollectorQueue(
        [Collector("turn", handlers.in_turn, runs_in="process")],
        workers=1,
        queue_type="lifo",
    )
    async with queue:
        queue.publisher.send_nowait(0.2)
        events = [queue.publisher.send_nowait(0.002) for _ in range(400)]
        turns = [(await event).first().unwrap() for event in events]
    # The window that the worker had filled by then comes before all others.
    waited = [turn for turn in turns if turn > 30]
    assert waited == sorted(waited, reverse=True) and len(waited) > 300


@both_loops
async def test_a_worker_whose_process_cannot_be_watched_is_not_used(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with queue_of(handlers.die, handlers.same, workers=1) as queue:
        receive = socket.recv_fds

        def receive_none(*arguments: Any) -> Any:
            """As it is where no file can be opened any more."""
            data, files, flags, sender = receive(*arguments)
            for each in files:
                os.close(each)
            if files:
                monkeypatch.undo()
            return data, [], flags, sender

        monkeypatch.setattr(socket, "recv_fds", receive_none)
        await lost_by(queue, "kill")
        assert await queue.publisher.call("same", 1) == 1
        assert len(stats_of(queue).workers) == 1
    assert "no file can be opened any more" in caplog.text


@both_loops
@pytest.mark.parametrize("option", ["events", "events and bytes"])
async def test_there_is_a_worker_however_they_are_replaced(option: str) -> None:
    queue = CollectorQueue(
        [Collector("eat", handlers.eat_memory, runs_in="process")],
        workers=1,
        max_events_per_worker=50,
        max_worker_bytes=100_000_000 if "bytes" in option else None,
    )
    async with queue, asyncio.timeout(30):
        for _ in range(3):
            before = await queue.publisher.call("eat", 150_000_000)
            if "bytes" in option:
                while await queue.publisher.call("eat", 0) == before:
                    await asyncio.sleep(0.05)
            else:
                await queue.add_collector(
                    Collector(f"{before}", handlers.same, runs_in="process")
                )
            events = [queue.publisher.send_nowait(0, keys="eat") for _ in range(120)]
            assert all([(await event).first().ok() for event in events])


@both_loops
async def test_workers_that_fail_to_take_over_leave_the_old_ones_at_work() -> None:
    async with queue_of(handlers.die, handlers.same, workers=2) as queue:
        for _ in range(2):
            with pytest.raises(WorkersFailed, match="it cannot be entered"):
                await queue.add_collector(
                    Collector("bad", handlers.same, lifecycle=handlers.failing_lifecycle,
                              runs_in="process")
                )  # fmt: skip
            assert await queue.publisher.call("same", 1) == 1
            await lost_by(queue, "kill")  # so that a start is due while they fail
        await queue.add_collector(
            Collector("good", handlers.add_one, runs_in="process")
        )
        assert await queue.publisher.call("good", 1) == 2
        await until(lambda: len(stats_of(queue).workers) == 2)


@both_loops
async def test_events_go_to_an_added_collector_once_all_workers_have_it() -> None:
    async with queue_of(handlers.spin, workers=2) as queue:
        events = []
        adding = asyncio.ensure_future(
            queue.add_collector(Collector("same", handlers.same, runs_in="process"))
        )
        while not adding.done():
            events.append(queue.publisher.send_nowait(0.0005))
            await asyncio.sleep(0.001)
        events.append(queue.publisher.send_nowait(0.0005))
        for event in events:
            await event
        assert {event.outcome for event in events} == {Outcome.OK}
        assert len(await events[-1]) == 2


@both_loops
async def test_a_key_that_is_being_added_is_taken() -> None:
    async with queue_of(handlers.spin, workers=1) as queue:
        first, second = await asyncio.gather(
            *(
                queue.add_collector(Collector("same", handlers.same, runs_in="process"))
                for _ in range(2)
            ),
            return_exceptions=True,
        )
        assert first is None and isinstance(second, DuplicateKey)
        assert await queue.publisher.call("same", 1) == 1


@both_loops
async def test_what_faulthandler_wrote_is_the_traceback_of_the_result() -> None:
    async with queue_of(handlers.die, workers=1) as queue:
        result = (await queue.publisher.request("segv")).first()
        assert isinstance(result, Error) and isinstance(result.err, WorkerLost)
        assert "Segmentation fault" in result.traceback


@both_loops
async def test_what_is_kept_undecoded_stays_as_it_was() -> None:
    queue = CollectorQueue(
        [Collector("keep", handlers.keep_raw, payload_type=msgspec.Raw,
                   runs_in="process")],
        workers=1,
    )  # fmt: skip
    values = [f"{number:08d}" + "x" * 3_000_000 for number in range(10)]
    async with queue:
        for value in values:
            seen = await queue.publisher.call("keep", value)
    assert seen == beginnings(values)


def beginnings(values: list[str]) -> list[str]:
    """As msgpack writes them: five bytes of head come first."""
    return [msgspec.msgpack.encode(each)[5:13].decode("latin-1") for each in values]


@both_loops
async def test_closing_at_once_leaves_no_file() -> None:
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(2):
        queue = queue_of(handlers.spin)
        await queue.start()
        for _ in range(10):
            queue.publisher.send_nowait(30.0)
        await until(lambda: stats_of(queue).out)
        await queue.close(0)
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
@pytest.mark.parametrize("how", ["the loop ends", "the queue is dropped"])
def test_workers_end_with_the_loop_or_the_queue(loop: str, how: str) -> None:
    code, out, err = script(
        """
        import asyncio, gc, os, sys, time, uvloop, warnings
        from collectorqueue import Collector, CollectorQueue
        from tests.workers import handlers
        from tests.workers.support import is_alive, stats_of

        loop_kind, how = sys.argv[1:]

        async def main():
            queue = CollectorQueue(
                [Collector("spin", handlers.spin, runs_in="process")], workers=2)
            await queue.start()
            queue.publisher.send_nowait(30.0)
            await asyncio.sleep(0.05)
            return queue, [each.pid for each in stats_of(queue).workers]

        if __name__ == "__main__":
            module = uvloop if loop_kind == "uvloop" else asyncio
            if how == "the loop ends":
                with asyncio.Runner(loop_factory=module.new_event_loop) as runner:
                    queue, pids = runner.run(main())
            else:
                loop = module.new_event_loop()
                queue, pids = loop.run_until_complete(main())
                loop.close()
                del queue
                gc.collect()
            end = time.monotonic() + 2
            while any(map(is_alive, pids)):
                assert time.monotonic() < end, "workers live on"
                time.sleep(0.01)
            assert len(pids) == 2
            print("done")
        """,
        loop,
        how,
        PYTHONWARNINGS="always::ResourceWarning",
    )
    assert (code, out.split()) == (0, ["done"]), err
    assert "a queue was dropped without close()" in err, err
