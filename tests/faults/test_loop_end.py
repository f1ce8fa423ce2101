"""Loops that end without close, queues beside each other, and many cycles."""

from __future__ import annotations

import asyncio
import gc
import os
import sys
import threading
import time
import warnings
from typing import Any

import pytest
import uvloop

from collectorqueue import Collector, CollectorQueue, Ok, Outcome, Payload
from collectorqueue._native.core import Core
from collectorqueue.errors import CollectorQueueError, WrongLoop, WrongThread
from tests.faults.harness import assert_closed, assert_serves, queue_threads, script
from tests.support import Gate, Log, both_loops, ticks, until


def square(payload: Payload[int]) -> int:
    return payload.value**2


LOOPS = pytest.mark.parametrize("loop", ["asyncio", "uvloop"])


@LOOPS
@pytest.mark.parametrize("state", ["queued", "running", "blocked senders", "several"])
def test_a_loop_that_ends_without_close_warns_and_does_not_crash(
    loop: str, state: str
) -> None:
    code, out, err = script(
        """
        import asyncio, gc, sys, uvloop
        from collectorqueue import Collector, CollectorQueue

        loop_kind, state = sys.argv[1:]

        async def endless(payload):
            await asyncio.Event().wait()

        async def start():
            keys = ["a", "b", "c"] if state == "several" else ["a"]
            queue = CollectorQueue(
                [Collector(key, endless) for key in keys], max_consumers=2, capacity=3)
            await queue.start()
            events = [queue.publisher.send_nowait(each) for each in range(3)]
            if state != "queued":
                await asyncio.sleep(0.01)
            if state == "blocked senders":
                await queue.publisher.send_many(range(2))
                for _ in range(3):
                    asyncio.ensure_future(queue.publisher.send("blocked"))
                await asyncio.sleep(0)
            asyncio.ensure_future(events[0].wait())
            await asyncio.sleep(0)
            return queue, events

        module = uvloop if loop_kind == "uvloop" else asyncio
        loop = module.new_event_loop()
        queue, events = loop.run_until_complete(start())
        loop.close()
        ledger = queue.ledger
        assert ledger.closes, ledger
        del queue, events
        gc.collect()
        print("end")
        """,
        loop,
        state,
        PYTHONWARNINGS="always::ResourceWarning",
    )
    assert (code, out) == (0, "end\n"), err
    assert "ResourceWarning: a queue was dropped without close()" in err, err
    assert "Fatal" not in err


@LOOPS
def test_events_outlive_their_queue_and_loop(loop: str) -> None:
    factory = uvloop.new_event_loop if loop == "uvloop" else asyncio.SelectorEventLoop
    running = factory()

    async def start() -> Any:
        gate = Gate()
        queue = CollectorQueue([Collector("gate", gate)], max_consumers=1)
        await queue.start()
        events = [queue.publisher.send_nowait(each) for each in range(3)]
        await ticks(3)
        return events

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        events = running.run_until_complete(start())
        for task in asyncio.all_tasks(running):
            task.cancel()
        running.run_until_complete(asyncio.sleep(0))
        running.close()
        gc.collect()
    for event in events:
        assert event.payload.value in range(3)
        assert event.cancel() in (True, False)
        repr(event)


@LOOPS
def test_asyncio_run_that_is_interrupted_by_an_error_ends(loop: str) -> None:
    code, out, err = script(
        """
        import asyncio, sys, uvloop
        from collectorqueue import Collector, CollectorQueue

        async def handler(payload):
            await asyncio.sleep(0.001)

        async def main():
            queue = CollectorQueue([Collector("h", handler)], max_consumers=5)
            await queue.start()
            main.events = await queue.publisher.send_many(range(100))
            await asyncio.sleep(0.005)
            raise ValueError("of main")

        factory = uvloop.new_event_loop if sys.argv[1] == "uvloop" else None
        try:
            with asyncio.Runner(loop_factory=factory) as runner:
                runner.run(main())
        except ValueError:
            print({event.is_done() for event in main.events})
        """,
        loop,
        PYTHONWARNINGS="ignore",
    )
    assert (code, out) == (0, "{True}\n"), err
    assert "never retrieved" not in err, err
    assert "was destroyed" not in err, err


# -- several queues ---------------------------------------------------------------


@both_loops
async def test_a_queue_feeds_another_that_drains_after_it() -> None:
    log = Log()

    async def forward(payload: Payload[int]) -> None:
        await second.publisher.send(payload.value * 10)

    second = CollectorQueue([Collector("log", log)], capacity=3, max_consumers=1)
    first = CollectorQueue([Collector("forward", forward)], capacity=2)
    async with second, first:
        await first.publisher.send_many(range(50))
    assert sorted(log.values) == [each * 10 for each in range(50)]
    assert_closed(first)
    assert_closed(second)


@both_loops
async def test_a_handler_waits_for_room_in_another_full_queue() -> None:
    """Sending from inside never waits for one's own queue only."""
    gate = Gate()
    second = CollectorQueue([Collector("gate", gate)], capacity=1, max_consumers=1)

    async def forward(payload: Payload[int]) -> None:
        await second.publisher.send(payload.value)

    async with second, CollectorQueue([Collector("forward", forward)]) as first:
        events = await first.publisher.send_many(range(4))
        await ticks(10)
        assert second.ledger.queued == 1
        assert second.metrics.overflow_sends == 0
        assert first.ledger.in_flight == 2
        gate.open()
        for event in events:
            await event
    assert sorted(gate.started) == list(range(4))


@both_loops
async def test_many_queues_on_one_loop_do_not_touch_each_other() -> None:
    queues = [CollectorQueue([Collector("log", Log())]) for _ in range(20)]
    for queue in queues:
        await queue.start()
    for at, queue in enumerate(queues):
        await queue.publisher.send_many(range(at))
    await asyncio.gather(*[queue.publisher.wait() for queue in queues])
    assert [queue.ledger.ok for queue in queues] == list(range(20))
    await asyncio.gather(*[queue.close() for queue in queues[::2]])
    for queue in queues[1::2]:
        await assert_serves(queue)
        await queue.close()


@both_loops
async def test_one_collector_object_may_serve_two_queues() -> None:
    log = Log()
    collector = Collector("log", log)
    async with (
        CollectorQueue([collector]) as first,
        CollectorQueue([collector]) as second,
    ):
        assert await first.publisher.call("log", 1) == 1
        assert await second.publisher.call(collector, 2) == 2
    assert log.values == [1, 2]


def test_an_event_is_waited_for_on_the_loop_of_its_queue() -> None:
    async def start() -> Any:
        gate = Gate()
        queue = CollectorQueue([Collector("gate", gate)])
        await queue.start()
        event = await queue.publisher.send(1)
        return queue, gate, event

    async def foreign(event: Any) -> None:
        await event

    loop = asyncio.SelectorEventLoop()
    other = asyncio.SelectorEventLoop()
    try:
        queue, gate, event = loop.run_until_complete(start())
        with pytest.raises(WrongLoop):
            other.run_until_complete(foreign(event))
        gate.open()
        loop.run_until_complete(event.wait())
        other.run_until_complete(foreign(event))
        loop.run_until_complete(queue.close())
    finally:
        loop.close()
        other.close()


def test_a_queue_that_runs_on_one_loop_is_refused_on_another() -> None:
    queue = CollectorQueue([Collector("log", Log())])
    loop = asyncio.SelectorEventLoop()
    other = asyncio.SelectorEventLoop()
    try:
        loop.run_until_complete(queue.start())
        with pytest.raises(CollectorQueueError):
            other.run_until_complete(queue.start())
        failed = []

        def elsewhere() -> None:
            try:
                queue.publisher.send_nowait(1)
            except WrongThread as exc:
                failed.append(exc)

        thread = threading.Thread(target=elsewhere)
        thread.start()
        thread.join()
        assert len(failed) == 1
        loop.run_until_complete(queue.close())
    finally:
        loop.close()
        other.close()


@pytest.mark.parametrize(
    "what", ["send that waits", "wait for all", "request", "close"]
)
def test_waiting_on_another_loop_is_refused_and_nothing_hangs(what: str) -> None:
    async def start() -> Any:
        gate = Gate()
        queue = CollectorQueue([Collector("gate", gate)], max_consumers=1, capacity=1)
        await queue.start()
        await queue.publisher.send(0)
        await ticks(3)
        await queue.publisher.send(1)
        return queue, gate

    async def foreign(queue: CollectorQueue) -> None:
        async with asyncio.timeout(5):
            if what == "send that waits":
                await queue.publisher.send(2)
            elif what == "wait for all":
                await queue.publisher.wait()
            elif what == "request":
                await queue.publisher.request(2)
            else:
                await queue.close()

    loop = asyncio.SelectorEventLoop()
    other = asyncio.SelectorEventLoop()
    try:
        queue, gate = loop.run_until_complete(start())
        with pytest.raises(WrongLoop):
            other.run_until_complete(foreign(queue))
        gate.open()
        loop.run_until_complete(queue.publisher.wait())
        loop.run_until_complete(queue.close())
        assert queue.ledger.ok == 2
        assert_closed(queue)
    finally:
        loop.close()
        other.close()


# -- cycles -----------------------------------------------------------------------


@pytest.mark.slow
@both_loops
async def test_1000_cycles_leave_no_task_thread_or_descriptor() -> None:
    def in_thread(payload: Payload[Any]) -> Any:
        return payload.value

    async def on_loop(payload: Payload[Any]) -> Any:
        await asyncio.sleep(0)
        return payload.value

    def residue() -> tuple[int, int]:
        descriptors = len(os.listdir("/proc/self/fd")) if sys.platform == "linux" else 0
        return len(asyncio.all_tasks()), descriptors

    queue = CollectorQueue([Collector("h", on_loop)], max_consumers=4)
    before = residue()
    for cycle in range(1000):
        async with queue:
            event = queue.publisher.send_nowait(cycle)
            if cycle % 3:
                assert (await event).first() == Ok(cycle)
        assert event.outcome is Outcome.OK
    for cycle in range(50):
        async with CollectorQueue(
            [Collector("t", in_thread, runs_in="thread")]
        ) as other:
            assert await other.publisher.call("t", cycle) == cycle
    await asyncio.sleep(0.05)
    assert residue() == before
    assert queue_threads() == []


@pytest.mark.usefixtures("small_heap")
@both_loops
async def test_cycles_do_not_gather_objects() -> None:
    queue = CollectorQueue([Collector("log", Log())], max_consumers=4)

    async def cycle() -> None:
        async with queue:
            await queue.publisher.request(1)
        await ticks(3)

    for _ in range(20):
        await cycle()
    gc.collect()
    before = len(gc.get_objects())
    for _ in range(100):
        await cycle()
    gc.collect()
    assert len(gc.get_objects()) - before < 50


@pytest.mark.usefixtures("small_heap")
@both_loops
async def test_a_queue_that_was_closed_is_freed() -> None:
    import weakref

    def make() -> Any:
        return CollectorQueue([Collector("log", Log())])

    queue = make()
    async with queue:
        event = await queue.publisher.send(1)
        await event
    reference = weakref.ref(queue)
    del queue
    await ticks(3)
    gc.collect()
    assert reference() is None
    assert event.outcome is Outcome.OK


@pytest.mark.usefixtures("small_heap")
@LOOPS
@pytest.mark.parametrize("end", ["closed", "closed in debug mode", "dropped"])
@pytest.mark.parametrize("runs_in", ["loop", "thread", "process"])
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_a_run_leaves_neither_its_core_nor_its_loop(
    loop: str, end: str, runs_in: Any
) -> None:
    async def main() -> None:
        queue = CollectorQueue([Collector("square", square, runs_in=runs_in)], workers=1)
        await queue.start()
        await queue.publisher.request(3)
        if end != "dropped":
            await queue.close()

    def run() -> None:
        runner = uvloop.new_event_loop() if loop == "uvloop" else asyncio.new_event_loop()
        runner.set_debug(end == "closed in debug mode")
        runner.run_until_complete(main())
        runner.close()

    def left() -> int:
        gc.collect()
        return sum(
            isinstance(each, (Core, asyncio.AbstractEventLoop)) for each in gc.get_objects()
        )

    run()
    before = left()
    for _ in range(3):
        run()
    deadline = time.monotonic() + 10
    while left() > before and time.monotonic() < deadline:
        for thread in queue_threads():  # those that must end by themselves
            thread.join(0.1)
    assert left() <= before


@both_loops
async def test_a_queue_that_was_never_started_is_freed_without_a_word() -> None:
    queue = CollectorQueue([Collector("log", Log())])
    del queue
    gc.collect()
    await until(lambda: True)


class App:
    """One that keeps what it has sent, and has its handler itself."""

    def __init__(self, topic: str) -> None:
        self.queue = CollectorQueue(
            [Collector(key, self.handle, topics=["both", key]) for key in ("a", "b")]
        )
        self.topic = topic
        self.events: list[Any] = []

    async def handle(self, payload: Payload[int]) -> int:
        return payload.value

    async def run(self) -> None:
        async with self.queue:
            self.events.append(await self.queue.publisher.send(1, topics=self.topic))


@pytest.mark.usefixtures("small_heap")
@pytest.mark.parametrize("topic", ["a", "both"])
def test_events_that_are_kept_keep_neither_their_handlers_nor_their_queue(topic: str) -> None:
    def left() -> int:
        gc.collect()
        return sum(isinstance(each, (Core, App)) for each in gc.get_objects())

    before = left()
    kept = []
    for _ in range(3):
        app = App(topic)
        asyncio.run(app.run())
        kept.append(app.events[:])
        del app
    assert left() == before
    assert [event.payload.value for (event,) in kept] == [1, 1, 1]
    assert set(kept[0][0].get_result().keys()) == set("ab" if topic == "both" else "a")
