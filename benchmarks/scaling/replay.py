"""One replay by the clock on the wall, in a process of its own.

`python -m benchmarks.scaling.replay JSON` reads which pool is to be replayed on which
trace, and prints one JSON object: how long events waited, what an event cost the
processor, how late the loop was, and how large the pool was when.
"""

from __future__ import annotations

import asyncio
import json
import math
import os
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import uvloop

from benchmarks.scaling.pools import POOLS
from benchmarks.scaling.simulated import arrivals, simulator

__all__ = ["Watch", "busiest", "replay"]

LOOK_S = 0.02


@dataclass
class Watch:
    """Looks at the pool every 20 ms, and notes how late it was called."""

    size: Callable[[], int]
    begun: float = field(default_factory=perf_counter)
    sizes: list[tuple[float, int]] = field(default_factory=list)
    lags: list[float] = field(default_factory=list)

    def start(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._due = perf_counter()
        self._look()

    def stop(self) -> None:
        self._handle.cancel()

    def _look(self) -> None:
        now = perf_counter()
        self.lags.append(max(0.0, now - self._due))
        self.sizes.append((now - self.begun, self.size()))
        self._due = now + LOOK_S
        self._handle = self._loop.call_later(LOOK_S, self._look)


def busiest(times: Any, seconds: float) -> slice:
    """The part of the arrivals, so many seconds long, with the most of them."""
    ends = times.searchsorted(times + seconds)
    first = int((ends - range(len(times))).argmax())
    return slice(first, int(ends[first]))


async def replay(name: str, times: list[float], services: list[float]) -> dict[str, Any]:
    """Send one event at each of these times, each of which takes so long."""
    sent: list[float] = []
    waits: list[tuple[float, float]] = []
    late: list[float] = []

    async def work(number: int) -> None:
        now = perf_counter()
        waits.append((sent[number] - begun, now - sent[number]))
        await asyncio.sleep(services[number])

    async with POOLS[name](work) as pool:
        send: Callable[[int], Awaitable[Any]] = pool.send
        begun, cpu = perf_counter(), process_time()
        watch = Watch(pool.size, begun)
        watch.start()
        for number, at in enumerate(times):
            pause = begun + at - perf_counter()
            if pause > 0:
                await asyncio.sleep(pause)
            now = perf_counter()
            late.append(now - begun - at)
            sent.append(now)
            await send(number)
        await pool.settled()
        cpu = process_time() - cpu
        watch.stop()
        if len(waits) != len(times):
            raise AssertionError(f"{name} handled {len(waits)} events of {len(times)}")
    return {
        "events": len(times),
        "wait_ms": {each: 1e3 * quantile(each, [wait for _, wait in waits]) for each in SHARES},
        "cpu_us": 1e6 * cpu / len(times),
        "lag_ms": 1e3 * quantile("p99", watch.lags),
        "late_ms": 1e3 * quantile("p99", late),
        "most": max(size for _, size in watch.sizes),
        "mean": sum(size for _, size in watch.sizes) / len(watch.sizes),
        "sizes": [(round(at, 4), size) for at, size in watch.sizes],
        "waits": [(round(at, 4), round(wait, 7)) for at, wait in waits],
    }


SHARES = {"p50": 0.5, "p99": 0.99, "p999": 0.999}


def quantile(share: str, values: list[float]) -> float:
    """The value that this share of them does not exceed."""
    return sorted(values)[math.ceil(SHARES[share] * len(values)) - 1]


def main(order: dict[str, Any]) -> dict[str, Any]:
    """Read the trace, replay the part that is asked for."""
    sim = simulator(Path(order["folder"]))
    times, services = arrivals(
        sim, order["trace"], order["rate"], order["service_s"], order["spread"]
    )
    part = busiest(times, order["seconds"])
    times, services = times[part], services[part]
    return uvloop.run(
        replay(order["pool"], (times - times[0]).tolist(), services.tolist())
    )


if __name__ == "__main__":
    # What a rival prints goes elsewhere: the answer is all there is on standard output.
    answer = os.dup(1)
    os.dup2(2, 1)
    with open(answer, "w") as out:
        json.dump(main(json.loads(sys.argv[1])), out)
