"""Where numbers are large, stacks are small, clocks jump, and programs end."""

from __future__ import annotations

import asyncio
import gc
import inspect
import os
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from collectorqueue import Collector, CollectorQueue, Payload, QueueType, RateLimit, Retry
from collectorqueue.errors import QueueClosed
from collectorqueue.testing import VirtualClock
from collectorqueue.testing import run_virtual as run_on_clock
from tests.faults.harness import script
from tests.policies.support import Clocked, Flaky
from tests.support import Gate, assert_closes, both_loops, until, virtual
from tests.workers import handlers
from tests.workers.support import queue_of, stats_of

YEARS_S = 10 * 365 * 86_400.0


# -- stacks -------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(
    ("queue_type", "count"),
    [(QueueType.FIFO, 10**6), (QueueType.LIFO, 10**5), (QueueType.PRIORITY, 10**5)],
)
def test_queued_events_are_freed_on_a_small_stack_however_many(
    queue_type: QueueType, count: int
) -> None:
    ended: list[Any] = []

    async def fill_and_end() -> None:
        queue = CollectorQueue(
            [Collector("gate", Gate())], max_consumers=1, capacity=count,
            queue_type=queue_type,
        )  # fmt: skip
        await queue.start()
        await queue.publisher.send_many([number] for number in range(count))
        report = await queue.close(timeout=0)
        ended.append(report.ledger)

    def run() -> None:
        asyncio.run(fill_and_end())
        gc.collect()

    before = threading.stack_size(256 * 1024)
    try:
        thread = threading.Thread(target=run)
        thread.start()
        thread.join()
    finally:
        threading.stack_size(before)
    assert ended[0].closes
    assert ended[0].aborted == ended[0].accepted == count


CHAINS = """
import sys, threading
import collectorqueue as cq

class Kept:
    def __init__(self, value): self.value = value

KINDS = {
    "payload": cq.Payload,
    "ok": cq.Ok,
    "error": lambda before: cq.Error("text", before),
    "list": lambda before: cq.ResultList([cq.Ok(before)]),
    "mixed": lambda before: cq.Ok([cq.Payload(Kept(before))]),
}

def chain():
    link = None
    for _ in range(200_000):
        link = KINDS[sys.argv[1]](link)

threading.stack_size(8 * 1024 * 1024)    # CPython itself takes it for granted
thread = threading.Thread(target=chain)
thread.start()
thread.join()
"""


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["payload", "ok", "error", "list", "mixed"])
def test_a_chain_of_ours_is_freed_however_long(kind: str) -> None:
    code, _, err = script(CHAINS, kind)
    assert code == 0, err


@pytest.mark.slow
@both_loops
async def test_a_chain_of_events_is_freed_too() -> None:
    """Each was sent with the one before in its payload, and has it in its result."""
    async with CollectorQueue([Collector("same", lambda payload: payload.value)]) as queue:
        event = None
        for _ in range(100_000):
            event = queue.publisher.send_nowait([event])
            await event
        del event
        gc.collect()
    assert_closes(queue)


# -- recursion ----------------------------------------------------------------------


@pytest.fixture
def shallow() -> Iterator[None]:
    """The end of recursion is near: to go there and come back again is quadratic."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(len(inspect.stack(0)) + 200)
    yield
    sys.setrecursionlimit(before)


def ways_down(queue: CollectorQueue) -> dict[str, Any]:
    send = queue.publisher

    async def send_and_wait() -> None:
        await (await send.send(1))

    async def cancel() -> None:
        send.send_nowait(1).cancel()

    async def send_nowait() -> None:
        send.send_nowait(1)

    return {
        "request": lambda: send.request(1),
        "send and wait": send_and_wait,
        "cancel": cancel,
        "send_nowait": send_nowait,
    }


@pytest.mark.usefixtures("shallow")
@pytest.mark.parametrize("way", ["request", "send and wait", "cancel", "send_nowait"])
@pytest.mark.parametrize("overflow", ["wait", "drop_oldest"])
@pytest.mark.parametrize("consumers", [1, 8])
@both_loops
async def test_a_caller_at_the_end_of_its_recursion_costs_nobody_else(
    consumers: int, overflow: Any, way: str
) -> None:
    """What it does there either raises RecursionError and nothing is done, or it is done."""
    queue = CollectorQueue(
        [Collector("same", lambda payload: payload.value)],
        max_consumers=consumers,
        overflow=overflow,
        capacity=100 if overflow == "drop_oldest" else 10_000,
    )
    async with queue:
        step = ways_down(queue)[way]

        async def walk() -> None:
            await step()
            await walk()

        for _ in range(3):
            with pytest.raises(RecursionError):
                await walk()
            assert await queue.publisher.call("same", 7) == 7
        await queue.publisher.wait()
        assert queue.load.busy == 0
        # No slice of the loop's turn that never ends, nobody who is forgotten.
        assert len(await queue.publisher.send_many(range(50))) == 50
    assert_closes(queue)


# -- clocks -------------------------------------------------------------------------


@virtual
async def test_the_wall_clock_may_jump_by_years(monkeypatch: pytest.MonkeyPatch) -> None:
    jumps = iter(range(10**9))

    def wall() -> float:
        return (-1) ** next(jumps) * YEARS_S

    monkeypatch.setattr(time, "time", wall)
    monkeypatch.setattr(time, "time_ns", lambda: int(wall() * 1e9))
    clocked, flaky = Clocked(3), Flaky(1)
    collectors = [
        Collector("clocked", clocked, rate_limit=RateLimit(1, burst=1), timeout=5),
        Collector("flaky", flaky, retry=Retry(backoff=7, jitter=0)),
    ]
    async with CollectorQueue(collectors, max_consumers=9) as queue:
        for number in range(3):
            await queue.publisher.send(number, keys="clocked", ttl=30, delay=2)
        await queue.publisher.send("again", keys="flaky")
        await queue.publisher.wait()
        assert queue.ledger.ok == 4
        assert_closes(queue)
    assert clocked.times == pytest.approx([2, 3, 4], abs=1e-3)
    assert flaky.times == pytest.approx([0, 7], abs=1e-3)


def test_when_the_machine_has_slept_each_deadline_is_met_once() -> None:
    clock = VirtualClock()
    ran: list[int] = []

    async def main() -> None:
        gate = Gate()
        collectors = [
            Collector("log", lambda payload: ran.append(payload.value)),
            Collector("gate", gate, timeout=60),
        ]
        async with CollectorQueue(collectors, max_consumers=4) as queue:
            held = await queue.publisher.send("held", keys="gate")
            await until(lambda: gate.started)
            for number in range(100):
                await queue.publisher.send(number, keys="log", delay=1 + number)
            late = await queue.publisher.send("late", keys="log", delay=50, ttl=60)
            clock.elapse(86_400)
            await queue.publisher.wait()
            assert ran == list(range(100))
            assert (held.outcome, late.outcome) == ("failed", "dropped")
            assert_closes(queue)

    run_on_clock(main(), clock=clock)


# -- what is kept -------------------------------------------------------------------


@pytest.mark.slow
def test_ten_thousand_failures_that_are_kept_weigh_little() -> None:
    """Each has five megabytes of locals; event and error together are some kilobytes."""
    code, out, err = script(
        """
        import asyncio, logging
        from collectorqueue import Collector, CollectorQueue
        logging.disable(logging.CRITICAL)

        def fail(payload):
            local = b"x" * 5_000_000
            raise ValueError(payload.value)

        def resident():
            return int(open("/proc/self/statm").read().split()[1]) * 4096

        async def main():
            async with CollectorQueue([Collector("fail", fail)], capacity=10_000) as queue:
                await queue.publisher.request(0)
                before = resident()
                kept = await queue.publisher.send_many(range(10_000))
                results = [await event for event in kept]
                print(sum(not each.first().ok() for each in results), resident() - before)

        asyncio.run(main())
        """
    )
    assert code == 0, err
    failed, grown = map(int, out.split())
    assert failed == 10_000
    assert grown < 40_000_000, grown


# -- senders that interrupt ---------------------------------------------------------

INTERRUPTING = """
import asyncio, gc, signal, sys
import collectorqueue
from collectorqueue import Collector, CollectorQueue
from collectorqueue.errors import CollectorQueueError

sent, refused = [], []

def send(value):
    try:
        sent.append(queue.publisher.send_nowait(value))
    except CollectorQueueError as error:
        refused.append(error)

class Sends:
    def __init__(self):
        self.own = self  # so that only the garbage collector frees it

    def __del__(self):
        send("from a destructor")

async def work(payload):
    Sends()
    if payload.value % 3 == 0:
        await asyncio.sleep(0)

queue = CollectorQueue(max_consumers=8, capacity=100)
queue.collector("work")(work)
queue.collector("other")(lambda payload: None)

async def main():
    gc.set_threshold(20)
    signal.signal(signal.SIGALRM, lambda *_: send("from a signal"))
    async with queue:
        signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
        for number in range(5000):
            await queue.publisher.send(number, keys="work")
        signal.setitimer(signal.ITIMER_REAL, 0)
        gc.set_threshold(0)
        await queue.publisher.wait()
        assert queue.ledger.closes
    assert queue.ledger.accepted == 5000 + len(sent), queue.ledger
    assert all(each.is_done() for each in sent)
    kinds = {each.payload.value for each in sent}
    assert kinds == {"from a destructor", "from a signal"}, (kinds, len(refused))

collectorqueue.run(main(), loop=sys.argv[1])
"""


@pytest.mark.slow
@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_sends_from_signal_handlers_and_destructors_are_sends(loop: str) -> None:
    text = INTERRUPTING.replace("send_nowait(value)", 'send_nowait(value, keys="other")')
    code, _, err = script(text, loop)
    assert code == 0, err
    assert "Traceback" not in err, err


# -- a program that forks -----------------------------------------------------------


def sockets() -> list[str]:
    """Those of this process, by name."""
    _, files = handlers.open_files(Payload(None))
    return [each for each in files if each.startswith("socket:")]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")
@both_loops
async def test_a_child_that_the_program_forks_touches_nothing() -> None:
    """It has none of the sockets that lead to workers, and its end is not theirs."""
    before = sockets()
    async with queue_of(handlers.add_one) as queue:
        assert await queue.publisher.call("add_one", 1) == 2
        workers = [each.pid for each in stats_of(queue).workers]
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            os.write(writing, repr(sockets() == before).encode())
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        assert os.read(reading, 100) == b"True"
        os.close(reading)
        os.close(writing)
        events = await queue.publisher.send_many(range(100))
        assert [(await event).first().unwrap() for event in events] == list(range(1, 101))
        assert [each.pid for each in stats_of(queue).workers] == workers
        assert_closes(queue)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")
@both_loops
async def test_nothing_is_taken_for_a_queue_in_a_forked_child() -> None:
    """Its loop does not run there: what is sent would be waited for in vain."""
    async with CollectorQueue([Collector("c", lambda payload: payload.value)]) as queue:
        sends: list[Any] = [
            queue.publisher.send_nowait,
            queue.publisher.send_threadsafe,
            queue.publisher.request_threadsafe,
        ]
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            for send in sends:
                try:
                    send(1)
                except QueueClosed:
                    os.write(writing, b"closed ")
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        assert os.read(reading, 100) == b"closed closed closed "
        os.close(reading)
        os.close(writing)
        assert await queue.publisher.call("c", 1) == 1
        assert queue.ledger.accepted == 1


# -- the end of a program -------------------------------------------------------------

ENDS = {
    "the loop is left": "asyncio.run(fill())",
    "the loop is stopped": (
        "loop = asyncio.new_event_loop(); loop.run_until_complete(fill()); loop.stop()"
    ),
    "it exits": "asyncio.run(fill()) or sys.exit(0)",
    "another thread has it": (
        "thread = threading.Thread(target=lambda: asyncio.run(fill(60)), daemon=True);"
        "thread.start(); filled.wait()"
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("how", ENDS)
def test_a_program_that_ends_without_close_ends_soon(how: str) -> None:
    begun = time.monotonic()
    code, _, err = script(
        f"""
        import asyncio, sys, threading, time
        from collectorqueue import Collector, CollectorQueue
        filled = threading.Event()

        async def hold(payload):
            await asyncio.Event().wait()

        queue = CollectorQueue([
            Collector("hold", hold),
            Collector("nap", lambda payload: time.sleep(60), runs_in="thread"),
        ])

        async def fill(then=0):
            await queue.start()
            await queue.publisher.send_many(range(100))
            await asyncio.sleep(0.05)
            filled.set()
            await asyncio.sleep(then)

        {ENDS[how]}
        """
    )
    assert code == 0, err
    assert "Fatal" not in err and "Segmentation" not in err, err
    assert time.monotonic() - begun < 15  # a second; the machine may be busy
