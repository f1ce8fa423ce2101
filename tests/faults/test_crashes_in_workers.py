"""Wherever in a worker it crashes, that costs the event it was at, and nothing else."""

from __future__ import annotations

import asyncio
import os
import signal
from typing import Any

import pytest

from collectorqueue import Collector, CollectorQueue, Error, Outcome
from collectorqueue.errors import RemoteError, WorkerLost
from tests.support import assert_closes, both_loops
from tests.workers import crashes, handlers
from tests.workers.support import queue_of, stats_of, until

pytestmark = pytest.mark.slow  # each starts processes, and waits for some to end

# Where it crashes: the processor, options of its collector, and the signal it dies of.
PLACES: dict[str, tuple[Any, dict[str, Any], int | None]] = {
    "making the payload": (
        crashes.same_fatal,
        {"payload_type": crashes.Fatal, "dec_hook": crashes.make_fatal},
        signal.SIGBUS,
    ),
    "writing the answer": (
        crashes.answer_fatal,
        {"enc_hook": crashes.write_fatal},
        signal.SIGILL,
    ),
    "another thread": (crashes.die_in_a_thread, {}, signal.SIGSEGV),
    "a callback of the loop": (crashes.die_in_a_callback, {}, None),
    "freeing an object": (crashes.die_when_something_is_freed, {}, signal.SIGSYS),
}


@both_loops
@pytest.mark.parametrize("place", PLACES)
async def test_a_crash_costs_the_event_and_says_what_it_was(place: str) -> None:
    processor, options, number = PLACES[place]
    collectors = [
        Collector("crash", processor, runs_in="process", **options),
        Collector("add_one", handlers.add_one, runs_in="process"),
    ]
    async with CollectorQueue(collectors, workers=1) as queue:
        crash = await queue.publisher.send("now", keys="crash")
        others = [await queue.publisher.send(each, keys="add_one") for each in range(50)]
        result = (await crash).first()
        assert isinstance(result, Error) and isinstance(result.err, WorkerLost), result
        assert result.err.signal == number
        assert result.err.exit_code == (9 if number is None else None)
        assert [(await each).first().unwrap() for each in others] == list(range(1, 51))
        assert stats_of(queue).restarts == 1
        assert_closes(queue)


@both_loops
async def test_memory_that_the_system_refuses_costs_the_event_and_the_worker() -> None:
    async with queue_of(crashes.use_up_memory, handlers.pid, workers=1) as queue:
        before = await queue.publisher.call("pid", None)
        result = (await queue.publisher.request(10**9, keys="use_up_memory")).first()
        assert isinstance(result, Error) and isinstance(result.err, RemoteError)
        assert result.err.type_name == "MemoryError"
        # It works on until another is ready.
        await until(lambda: before not in [each.pid for each in stats_of(queue).workers])
        assert await queue.publisher.call("pid", None) != before
        assert stats_of(queue).restarts == 1
        assert_closes(queue)


@both_loops
async def test_what_a_worker_writes_to_the_terminal_reaches_it_and_nothing_else(
    capfd: Any,
) -> None:
    async with queue_of(crashes.write_to_the_terminal, workers=1) as queue:
        for each in ("\x00\x01binary", "text\n" * 1000, ""):
            assert await queue.publisher.call("write_to_the_terminal", each) == each
        assert stats_of(queue).restarts == 0
    out, err = capfd.readouterr()
    assert out.count("text") == err.count("text") == 2000


@both_loops
@pytest.mark.parametrize("delay_ms", [0, 1, 2, 5, 10, 20])
async def test_a_worker_that_is_killed_while_it_answers_never_answers_in_part(
    delay_ms: int,
) -> None:
    """The answer is too large for what is shared, and crosses in many pieces."""
    size = 40_000_000
    async with queue_of(handlers.size_of_answer, workers=1) as queue:
        victim = stats_of(queue).workers[0].pid
        event = await queue.publisher.send(size)
        timer = asyncio.get_running_loop().call_later(
            delay_ms / 1000, os.kill, victim, signal.SIGKILL
        )
        result = (await event).first()
        timer.cancel()
        if event.outcome is Outcome.OK:
            assert len(result.unwrap()) == size
        else:
            assert isinstance(result, Error) and isinstance(result.err, WorkerLost), result
        assert_closes(queue)
