"""`python -m benchmarks.soak waiters`: how soon many who wait are woken.

`one event`: all wait for the same. `one each`: each for an event of its own, all of
which are let go at once. `cancelled`: all wait for one event, and are cancelled. Of
each, the seconds until the last of them has gone on; of the first two also the longest
stall of the loop meanwhile, as a timer of one millisecond sees it. Beside it, on the
same loop: as many tasks that wait for a bare future each.

A figure holds if the median of the repeats does, or, where bare futures alone take more
than half of it, if it is at most twice theirs: then the machine is not the one it was
made for. All samples are shown.
"""

from __future__ import annotations

import asyncio
import gc
import json
import statistics
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from functools import partial
from time import perf_counter
from typing import Any

from benchmarks.soak.command import conclude, parser_of, run_quietly, setting
from benchmarks.ticker import Ticker
from collectorqueue import Collector, CollectorQueue, Payload

__all__ = ["cancelled", "one_each", "one_event", "waiters"]

WOKEN_S = 1.0
STALL_S = 0.05
CANCELLED_S = 0.1
HUNG_S = 60.0

Sample = dict[str, float]


class Crowd:
    """Tasks that wait."""

    def __init__(self, count: int, wait: Callable[[int], Awaitable[object]]) -> None:
        self._left = count

        async def wait_for(number: int) -> None:
            try:
                await wait(number)
            finally:
                self._left -= 1

        self.tasks = [asyncio.create_task(wait_for(number)) for number in range(count)]

    async def gone(self, let_go: Callable[[], object]) -> Sample:
        """Seconds until all have gone on, and the longest stall of the loop."""
        await asyncio.sleep(0.01)  # all of them wait
        async with Ticker() as ticker:
            ticker.restart()
            begun = perf_counter()
            let_go()
            while self._left:
                await asyncio.sleep(0)
                if perf_counter() - begun > HUNG_S:
                    raise TimeoutError(f"{self._left} wait for ever")
            seconds = perf_counter() - begun
        await asyncio.wait(self.tasks)
        return {"seconds": seconds, "stall_s": max(ticker.lags)}

    def cancel(self) -> None:
        """All of them."""
        for task in self.tasks:
            task.cancel()


async def waiting(count: int, events: int, *, cancel: bool = False) -> Sample:
    """Tasks that wait for events, evenly, all behind one that waits for us."""
    gate = asyncio.Event()

    async def first(payload: Payload[Any]) -> None:
        await gate.wait()

    queue = CollectorQueue(
        [Collector("first", first), Collector("rest", str)],
        max_consumers=1,
        capacity=events,
        drain_timeout=None,
    )
    async with queue:
        sent = [queue.publisher.send_nowait(None, keys="first")]
        await asyncio.sleep(0)
        sent += [
            queue.publisher.send_nowait(None, keys="rest") for _ in range(events - 1)
        ]
        crowd = Crowd(count, lambda number: sent[number % events])
        sample = await crowd.gone(crowd.cancel if cancel else gate.set)
        gate.set()
    return sample


async def one_event(count: int) -> Sample:
    """All wait for the same."""
    return await waiting(count, 1)


async def one_each(count: int) -> Sample:
    """Each waits for its own."""
    return await waiting(count, count)


async def cancelled(count: int) -> Sample:
    """All wait for one event, and are cancelled; the event does not care."""
    return await waiting(count, 1, cancel=True)


async def bare(count: int, *, cancel: bool = False) -> Sample:
    """Each waits for a future of its own."""
    loop = asyncio.get_running_loop()
    futures = [loop.create_future() for _ in range(count)]

    def let_go() -> None:
        for future in futures:
            future.set_result(None)

    crowd = Crowd(count, lambda number: futures[number])
    return await crowd.gone(crowd.cancel if cancel else let_go)


def medians(samples: Sequence[Sample]) -> Sample:
    """Of each figure."""
    return {
        what: statistics.median(each[what] for each in samples) for what in samples[0]
    }


def exceeded(seen: Sample, floor: Sample, bounds: Sample) -> list[str]:
    """What does not hold."""
    found = []
    for what, bound in bounds.items():
        allowed = bound
        if what == "seconds" and floor[what] > bound / 2:
            allowed = 2 * floor[what]
        if seen[what] > allowed:
            found.append(f"{what} {seen[what]:.3f} is more than {allowed:.3f}")
    return found


def waiters(arguments: Sequence[str]) -> int:
    """The command."""
    parser = parser_of("waiters", __doc__)
    parser.add_argument("--count", type=int, default=100_000, help="woken (100,000)")
    parser.add_argument("--cancels", type=int, default=20_000, help="(20,000)")
    parser.add_argument("--repeats", type=int, default=5, help="(5)")
    options = parser.parse_args(arguments)
    print(json.dumps({"setting": setting(options)}), flush=True)

    def sampled(case: Callable[[], Coroutine[Any, Any, Sample]]) -> list[Sample]:
        samples = []
        for _ in range(options.repeats):
            gc.collect()
            samples.append(run_quietly(case(), options.loop))
        return samples

    woken = {"seconds": WOKEN_S, "stall_s": STALL_S}
    problems: list[str] = []
    for name, case, count, bounds in (
        ("one event", one_event, options.count, woken),
        ("one each", one_each, options.count, woken),
        ("cancelled", cancelled, options.cancels, {"seconds": CANCELLED_S}),
    ):
        samples = sampled(partial(case, count))
        floor = sampled(partial(bare, count, cancel=case is cancelled))
        found = exceeded(medians(samples), medians(floor), bounds)
        problems += [f"{name}: {each}" for each in found]
        line = {
            "case": name,
            "waiters": count,
            "samples": samples,
            "bare futures": floor,
        }
        print(json.dumps(line), flush=True)
    return conclude("waiters", arguments, options.seed, problems)
