"""A program: each allocation of one call fails in turn, and the queue must be as before.

    python -m tests.faults.without_memory ACT QUEUE_TYPE ALLOCATIONS

Prints how many calls raised MemoryError, and a line for each thing that was not as it should.
The loop's own calls have all the memory they need: without it a future of asyncio forgets
whom to wake, and nobody could make up for that.
"""

from __future__ import annotations

import _testcapi  # type: ignore[import-not-found]
import asyncio
import logging
import sys
from collections.abc import Callable
from typing import Any

from collectorqueue import Collector, CollectorEvent, CollectorQueue, Payload

CALLS = 8  # of one queue, each with the n-th allocation failing
ABSENT: Any = object()

enough_memory: Callable[[], None] = _testcapi.remove_mem_hooks
fail_from: Callable[[int, int], None] = _testcapi.set_nomemory


class Starved:
    """Where the n-th allocation fails."""

    def __init__(self) -> None:
        self.number = 0
        self.on = False

    def begin(self) -> None:
        """From now on."""
        self.on = True
        fail_from(self.number, self.number + 1)

    def end(self) -> None:
        """There is memory again."""
        enough_memory()
        self.on = False


STARVED = Starved()


class FedLoop(asyncio.SelectorEventLoop):
    """A loop whose own scheduling never lacks memory.

    Until that is seen to it allocates nothing, so it takes no `*arguments`: those are a tuple.
    """

    def call_soon(  # type: ignore[override]
        self, callback: Any, one: Any = ABSENT, two: Any = ABSENT, context: Any = None
    ) -> Any:
        if not STARVED.on:
            return super().call_soon(callback, *given(one, two), context=context)
        enough_memory()
        handle = super().call_soon(callback, *given(one, two), context=context)
        STARVED.begin()
        return handle

    def call_later(  # type: ignore[override]
        self, delay: float, callback: Any, one: Any = ABSENT, two: Any = ABSENT,
        context: Any = None,
    ) -> Any:  # fmt: skip
        if not STARVED.on:
            return super().call_later(delay, callback, *given(one, two), context=context)
        STARVED.end()  # it calls `call_soon`, or what that calls
        handle = super().call_later(delay, callback, *given(one, two), context=context)
        STARVED.begin()
        return handle

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """A task that could not be made whole is told of when it is collected, which may be
        at any time."""
        starved = STARVED.on
        STARVED.end()
        super().call_exception_handler(context)
        if starved:
            STARVED.begin()


def given(*arguments: Any) -> list[Any]:
    return [each for each in arguments if each is not ABSENT]


def sending(**keywords: Any) -> Callable[[CollectorQueue, int], CollectorEvent]:
    """A send with these keywords."""

    def send(queue: CollectorQueue, number: int) -> CollectorEvent:
        return queue.publisher.send_nowait(number, **keywords)

    return send


def cancelling(queue: CollectorQueue, number: int) -> CollectorEvent:
    """A send, and a cancel without memory."""
    STARVED.end()
    event = queue.publisher.send_nowait(number, ordering_key="one")
    STARVED.begin()
    event.cancel()
    return event


def waiting(queue: CollectorQueue, number: int) -> CollectorEvent:
    """A send, and a wait that is begun without memory, and given up."""
    STARVED.end()
    event = queue.publisher.send_nowait(number, keys="work")
    wait = event.wait(timeout=60)
    STARVED.begin()
    try:
        wait.send(None)
    finally:
        wait.close()
    return event


def asking(queue: CollectorQueue, number: int) -> CollectorEvent:
    """A send to a handler that does the same."""
    STARVED.end()
    return queue.publisher.send_nowait(number, keys="asks")


class Asks:
    """A handler that begins a wait without memory, and gives it up."""

    def __init__(self) -> None:
        self.queue: Any = None
        self.raised = 0

    async def __call__(self, payload: Payload[Any]) -> None:
        try:
            waiting(self.queue, payload.value)
        except MemoryError:
            self.raised += 1
        finally:
            STARVED.end()


ACTS = {
    "plain": sending(keys="work"),
    "several": sending(),
    "key": sending(ordering_key="one"),
    "delay": sending(delay=0.001),
    "ttl": sending(ttl=60),
    "unknown": sending(keys="nobody"),
    "cancel": cancelling,
    "wait": waiting,
    "wait inside": asking,
}


async def work(payload: Payload[Any]) -> None:
    await asyncio.sleep(0)


async def attempt(act: str, queue_type: str, number: int) -> int:
    """Let the allocation of this number fail in some calls; how many of them raised."""
    STARVED.number = number
    asks = Asks()
    queue = asks.queue = CollectorQueue(
        [Collector("work", work), Collector("other", work)],
        max_consumers=2, queue_type=queue_type, max_bytes=1000, size_of=lambda value: 10,
    )  # fmt: skip
    returned: list[CollectorEvent | None] = [None] * CALLS
    raised = 0
    if act == "wait inside":
        await queue.add_collector(Collector("asks", asks, max_concurrency=2))
    async with queue:
        for _ in range(5):
            await asyncio.sleep(0)  # its first consumer is idle
        for at in range(CALLS):
            STARVED.begin()
            try:
                returned[at] = ACTS[act](queue, at)
            except MemoryError:
                raised += 1
            finally:
                STARVED.end()
        sends = CALLS if act.startswith(("cancel", "wait")) else CALLS - raised
        check(queue.ledger.accepted == sends, f"{number}: accepted {queue.ledger}")
        check(queue.ledger.closes, f"{number}: the sum {queue.ledger}")
        everything = asyncio.ensure_future(queue.publisher.wait())
        await asyncio.wait([everything], timeout=5)
        check(everything.done(), f"{number}: hangs {queue.ledger}")
        check(all(event is None or event.is_done() for event in returned), f"{number}: open")
        check(queue.metrics.queued_bytes == 0, f"{number}: bytes are kept")
        key = None if queue_type == "lifo" else "one"
        again = await queue.publisher.send("again", keys="work", ordering_key=key)
        await again.wait(timeout=5)
        check(again.outcome == "ok", f"{number}: does not serve, {again}")
        check(queue.load.busy == 0, f"{number}: {queue.load.busy} are busy")
        check(queue.metrics.blocked == 0, f"{number}: {queue.metrics.blocked} are blocked")
    check(queue.ledger.closes and queue.ledger.queued == 0, f"{number}: {queue.ledger}")
    return raised + asks.raised


def check(good: bool, what: str) -> None:
    if not good:
        print(what, flush=True)


async def main(act: str, queue_type: str, allocations: int) -> None:
    """Every allocation up to this number, one after the other."""
    raised = [await attempt(act, queue_type, number) for number in range(1, allocations + 1)]
    print(f"raised={sum(raised)}")


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    with asyncio.Runner(loop_factory=FedLoop) as runner:
        runner.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
