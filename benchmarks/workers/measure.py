"""One measurement, in a process of its own: `... -m benchmarks.workers.measure JSON`.

Before the clock starts the rival carries some items, which starts and warms its
workers. When the clock has stopped, each item must have the right answer.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import math
import sys
import time
from statistics import median
from time import perf_counter
from typing import Any

from benchmarks.measure import run_on_loop
from benchmarks.ticker import Ticker
from benchmarks.workers.rivals import load
from benchmarks.workers.work import Work, work_of

__all__ = ["measure", "warm"]

REHEARSED = 200  # items

Sample = dict[str, Any]


async def throughput(rival: Any, work: Work, events: int) -> Sample:
    """Seconds until all answers are there; beside it what the parent's threads used."""
    used, begun = time.process_time(), perf_counter()
    answers = await _carried(rival, events)
    seconds, used = perf_counter() - begun, time.process_time() - used
    work.check(answers, events)
    return {"value": seconds, "seconds": seconds, "parent_cpu_seconds": used}


async def parent_cpu(rival: Any, work: Work, events: int) -> Sample:
    """The same, and what counts is the processor time of the parent."""
    sample = await throughput(rival, work, events)
    return sample | {"value": sample["parent_cpu_seconds"]}


async def round_trip(rival: Any, work: Work, events: int) -> Sample:
    """The median of the seconds from a question to its answer, one at a time."""
    answers, times = [], []
    for item in work.sent(events):
        begun = perf_counter()
        answer = rival.ask(item)
        if inspect.isawaitable(answer):
            answer = await answer
        times.append(perf_counter() - begun)
        answers.append(answer)
    work.check(answers, events)
    return {"value": median(times), "p99": _p99(times), "worst": max(times)}


async def loop_lag(rival: Any, work: Work, events: int) -> Sample:
    """How late 99 % of a ticker's calls are at most while items are carried."""
    async with Ticker() as ticker:
        ticker.lags.clear()
        if inspect.iscoroutinefunction(rival.carry):
            answers = await rival.carry(events)
        else:
            answers = await asyncio.to_thread(rival.carry, events)
    lags = ticker.lags
    work.check(answers, events)
    return {"value": _p99(lags), "worst": max(lags), "ticks": len(lags)}


FUNCTIONS = {
    "throughput": throughput,
    "parent_cpu": parent_cpu,
    "round_trip": round_trip,
    "loop_lag": loop_lag,
}


async def start_up(make: Any, work: Work, mode: str | None) -> Sample:
    """Seconds from nothing, but for imports in the parent, to the first answer."""
    begun = perf_counter()
    async with make(work, mode) as rival:
        answer = rival.ask(work.items[0])
        if inspect.isawaitable(answer):
            answer = await answer
        seconds = perf_counter() - begun
    work.check([answer], 1)
    return {"value": seconds}


def measure(rival: str, function: str, arguments: Sample, loop: str) -> Sample:
    """What the function returns: `value`, and what else there is."""
    module = load(rival)
    work = work_of(*(arguments[name] for name in ("kind", "work_us", "rounds_per_us")))
    mode = arguments.get("mode")
    if function == "start_up":
        main = start_up(module.Rival, work, mode)
    else:
        main = warm(module.Rival, work, mode, function, arguments["events"])
    sample: Sample = run_on_loop(main, loop)
    return sample


async def warm(
    make: Any, work: Work, mode: str | None, function: str, events: int
) -> Sample:
    """What a function returns for a rival that has carried some items before."""
    async with make(work, mode) as rival:
        rehearsed = min(events, REHEARSED)
        work.check(await _carried(rival, rehearsed), rehearsed)
        return await FUNCTIONS[function](rival, work, events)


async def _carried(rival: Any, count: int) -> list[Any]:
    answers = rival.carry(count)
    found: list[Any] = await answers if inspect.isawaitable(answers) else answers
    return found


def _p99(values: list[float]) -> float:
    ordered = sorted(values)
    return ordered[math.ceil(0.99 * len(ordered)) - 1]


if __name__ == "__main__":
    print(json.dumps(measure(**json.loads(sys.argv[1]))))
