"""What can be sent but not looked at, returned but not read, logged but not by the book."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path
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
    Retry,
)
from collectorqueue.errors import (
    ConfigError,
    NotEncodable,
    RemoteError,
    RunTimeout,
    WorkersFailed,
)
from tests.faults.harness import environment
from tests.liars import LIARS
from tests.support import assert_closes, both_loops
from tests.workers import handlers, oddities
from tests.workers.support import queue_of, stats_of, until

pytestmark = pytest.mark.slow  # each starts a process

UNFIT = ["shy", "gone", "exits"]


def batches() -> Collector:
    return Collector(
        "values", oddities.values, runs_in="process", batch=Batch(size=3, wait=60)
    )


@pytest.mark.parametrize("name", UNFIT)
@both_loops
async def test_what_cannot_be_encoded_nor_described_fails_its_event_only(name: str) -> None:
    async with queue_of(handlers.same, workers=1) as queue:
        sent = [queue.publisher.send_nowait(each) for each in (1, oddities.VALUES[name], 2)]
        first, unfit, last = [(await event).first() for event in sent]
        assert (first, last) == (Ok(1), Ok(2))
        assert isinstance(unfit, Error) and isinstance(unfit.err, NotEncodable)
        assert stats_of(queue).died == 0
    assert_closes(queue)


@pytest.mark.parametrize("name", UNFIT)
@both_loops
async def test_in_a_batch_it_fails_alone(name: str) -> None:
    async with CollectorQueue([batches()], workers=1) as queue:
        sent = [
            queue.publisher.send_nowait(each) for each in ("1", oddities.VALUES[name], "2")
        ]
        await queue.close()
    results = [event.get_result().first() for event in sent]
    assert results[::2] == [Ok("1"), Ok("2")]
    assert isinstance(results[1], Error) and isinstance(results[1].err, NotEncodable)
    assert_closes(queue)


@pytest.mark.parametrize("name", oddities.VALUES)
@both_loops
async def test_so_it_is_with_what_a_collector_returns(name: str) -> None:
    plain = queue_of(oddities.value, oddities.value_later, workers=1)
    for queue in plain, CollectorQueue([batches()], workers=1):
        async with queue:
            for key in queue.collectors:
                sent = [
                    queue.publisher.send_nowait(each, keys=key) for each in ("1", name, "2")
                ]
                first, odd, last = [(await event).first() for event in sent]
                assert (first, last) == (Ok("1"), Ok("2"))
                assert isinstance(odd, Error) and isinstance(odd.err, RemoteError)
                assert odd.err.type_name == "collectorqueue.errors.NotEncodable"
            assert stats_of(queue).died == 0
        assert_closes(queue)


@both_loops
async def test_a_worker_with_a_loop_says_all_that_it_has_to_say(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A loop makes the socket that it reads such that a write may find no room."""
    async with queue_of(
        oddities.large, oddities.talk, oddities.value_later, workers=1
    ) as queue:
        for _ in range(2):
            assert await queue.publisher.call("large", 20_000_000) == b"x" * 20_000_000
            assert await queue.publisher.call("talk", 3_000) == "talked"
        await until(lambda: caplog.text.count("line 2999") == 2)
        assert stats_of(queue).died == 0
    assert caplog.text.count("line ") == 6_000


@pytest.mark.parametrize("retry", [None, Retry(2, backoff=0)])
@pytest.mark.parametrize("name", LIARS)
@both_loops
async def test_an_exception_that_lies_costs_its_event_not_its_worker(
    name: str, retry: Retry | None
) -> None:
    async with queue_of(oddities.lie, oddities.lie_later, workers=1, retry=retry) as queue:
        for key in "lie", "lie_later":
            event = await queue.publisher.send(name, keys=key)
            result = (await event).first()
            assert isinstance(result, Error) and isinstance(result.err, RemoteError)
            assert event.outcome is Outcome.FAILED
        assert stats_of(queue).died == 0
    assert_closes(queue)


class CancelsAll:
    def on_started(self, event: CollectorEvent) -> None:
        event.cancel()


@both_loops
async def test_what_an_observer_cancels_as_its_batch_begins_is_not_handed_over() -> None:
    async with CollectorQueue([batches()], workers=1) as queue:
        queue.observe(CancelsAll())
        sent = [queue.publisher.send_nowait(str(number)) for number in range(3)]
        await queue.close()
    assert {event.outcome for event in sent} == {Outcome.ABORTED}
    assert_closes(queue)


@both_loops
async def test_context_variables_do_not_pass_from_one_async_run_to_the_next() -> None:
    async with queue_of(oddities.note_user, workers=1) as queue:
        events = [queue.publisher.send_nowait(number) for number in range(200)]
        found = [(await event).first() for event in events]
    assert found == [Ok(None)] * 200


@pytest.mark.parametrize(
    "function", [oddities.ends_late, oddities.fails_late, oddities.ignores_sigterm]
)
@both_loops
async def test_what_ends_after_its_timeout_has_timed_out(function: Any) -> None:
    async with queue_of(function, workers=1, timeout=0.1) as queue:
        event = await queue.publisher.send("late")
        result = (await event).first()
        assert isinstance(result, Error) and isinstance(result.err, RunTimeout)
        assert "0.1 s" in str(result.err)
    assert_closes(queue)


@both_loops
async def test_what_a_lifecycle_raises_may_be_no_text(caplog: Any) -> None:
    queue = CollectorQueue(
        [Collector("a", handlers.same, lifecycle=oddities.no_text, runs_in="process")],
        workers=1,
    )  # fmt: skip
    with pytest.raises(WorkersFailed, match=r"caf\\udce9\.txt"):
        await queue.start()
    assert "makes no sense" not in caplog.text


def test_a_key_that_is_no_text_is_refused_where_workers_must_be_told() -> None:
    collector = Collector("caf\udce9", handlers.same, runs_in="process")
    with pytest.raises(ConfigError, match="no worker can be told"):
        asyncio.run(CollectorQueue([collector], workers=1).start())


@both_loops
async def test_a_path_that_is_no_text_is_passed_over_as_python_does(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path, tmp_path])
    async with queue_of(handlers.same, workers=1) as queue:
        assert await queue.publisher.call("same", 1) == 1


@pytest.mark.parametrize("count", [0, 1, 3])
@both_loops
async def test_a_list_for_a_batch_cannot_lie_about_its_length(count: int) -> None:
    collector = Collector("b", oddities.longer, runs_in="process", batch=Batch(size=2))
    async with CollectorQueue([collector], workers=1) as queue:
        for event in [queue.publisher.send_nowait(count) for _ in range(2)]:
            result = (await event).first()
            assert isinstance(result, Error)
            assert f"got a list of {count}" in str(result.err)


@both_loops
async def test_a_batch_may_be_answered_with_a_result_list() -> None:
    collector = Collector(
        "b", oddities.as_result_list, runs_in="process", batch=Batch(size=2)
    )
    async with CollectorQueue([collector], workers=1) as queue:
        events = [queue.publisher.send_nowait(number) for number in range(2)]
        assert [(await event).first() for event in events] == [Ok(0), Ok(1)]


@both_loops
async def test_a_record_made_by_hand_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    async with queue_of(oddities.log_oddly, workers=1) as queue:
        assert await queue.publisher.call("log_oddly", "by hand") == "logged"
        await until(lambda: "by hand" in caplog.text)
        assert stats_of(queue).died == 0


@both_loops
async def test_processes_of_a_collector_may_log(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """Not through their worker: its frames are numbered, and its socket is its own."""
    async with queue_of(oddities.with_processes, workers=1) as queue:
        assert await queue.publisher.call("with_processes", 4) == [0, 1, 2, 3]
        await until(lambda: "all" in caplog.text)
        assert stats_of(queue).died == 0
    assert "part 3" in capfd.readouterr().err


@both_loops
async def test_a_fork_of_a_worker_does_not_answer_for_it(
    capfd: pytest.CaptureFixture[str],
) -> None:
    async with queue_of(oddities.come_back_twice, workers=1) as queue:
        for _ in range(3):
            answer: Any = await queue.publisher.call("come_back_twice", 1)
            assert answer == "the child ended with 1"
        assert stats_of(queue).died == 0
    assert_closes(queue)
    assert "the child came back" in capfd.readouterr().err


@both_loops
async def test_a_close_cut_short_kills_workers_whose_lifecycle_does_not_end() -> None:
    collector = Collector(
        "same", handlers.same, runs_in="process", lifecycle=oddities.never_left
    )
    for cut in ("again", "cancelled"):
        queue = CollectorQueue([collector], workers=1)
        await queue.start()
        assert await queue.publisher.call("same", 1) == 1
        closing = asyncio.create_task(queue.close(timeout=None))
        await asyncio.sleep(0.05)
        assert not closing.done()
        async with asyncio.timeout(5):
            if cut == "again":
                with pytest.raises(ExceptionGroup, match="failed to exit"):
                    await queue.close(timeout=0)
            else:
                closing.cancel()
            await asyncio.wait([closing])
            assert closing.cancelled() == (cut == "cancelled")
            assert cut == "cancelled" or closing.exception() is not None


@both_loops
async def test_one_that_comes_late_is_not_lost_with_another_that_fails() -> None:
    async with CollectorQueue(workers=1) as queue:
        lifecycle = oddities.never_entered
        late = [
            Collector("bad", handlers.same, runs_in="process", lifecycle=lifecycle),
            Collector("good", handlers.same, runs_in="process"),
        ]
        bad, good = await asyncio.gather(
            *map(queue.add_collector, late), return_exceptions=True
        )
        assert isinstance(bad, WorkersFailed) and good is None
        assert await queue.publisher.call("good", 1) == 1


def test_a_program_may_be_where_the_name_is_no_text(tmp_path: Path) -> None:
    folder = os.fsencode(tmp_path) + b"/caf\xe9"
    os.mkdir(folder)
    with open(folder + b"/program.py", "w") as file:
        file.write(PROGRAM)
    done = subprocess.run(
        [sys.executable, folder + b"/program.py"],
        env=environment(), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.stdout, done.returncode) == ("42\n", 0), done.stderr


PROGRAM = """
import asyncio
from collectorqueue import CollectorQueue

queue = CollectorQueue(workers=1)

@queue.collector(runs_in="process")
def double(payload):
    return payload.value * 2

async def main():
    async with queue:
        print(await queue.publisher.call("double", 21))

if __name__ == "__main__":
    asyncio.run(main())
"""
