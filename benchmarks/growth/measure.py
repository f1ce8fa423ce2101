"""One measurement, in a process of its own: `python -m benchmarks.growth.measure JSON`.

What the other suites have is measured by them; here is what only grows.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from benchmarks.measure import measure as measure_queue
from benchmarks.measure import run_on_loop
from benchmarks.policies.measure import run, trivial
from benchmarks.rivals import load
from benchmarks.rivals import why_not as why_no_queue
from benchmarks.workers.measure import warm
from benchmarks.workers.rivals import load as load_carrier
from benchmarks.workers.rivals import why_not as why_no_carrier
from benchmarks.workers.work import Work, blobs_of, work_of

__all__ = ["measure", "why_not"]

WORK_US = 2000

Sample = dict[str, Any]


def bursts(rival: str, loop: str, events: int, mode: str, rounds: int) -> Sample:
    """Seconds of a burst, on average over some, the first of them not counted."""
    burst = load(rival).burst
    times = [run_on_loop(burst(events, mode), loop) for _ in range(rounds + 1)]
    return {"value": sum(times[1:]) / rounds}


def keyed(rival: str, loop: str, events: int, way: str, keys: int) -> Sample:
    """Seconds for all, which are queued before the first is handled."""
    return {"value": run_on_loop(run(way, events, events, trivial, keys), loop)}


def carried(
    rival: str, loop: str, events: int, size_bytes: int, mode: str | None = None
) -> Sample:
    """Seconds until so many bytes each have gone to two processes, and answers come."""
    return _carried(rival, loop, events, mode, blobs_of(size_bytes))


def worked(
    rival: str,
    loop: str,
    events: int,
    workers: int,
    rounds_per_us: float,
    mode: str | None = None,
) -> Sample:
    """Seconds until so many processes have done the work."""
    work = replace(work_of("record", WORK_US, rounds_per_us), workers=workers)
    return _carried(rival, loop, events, mode, work)


def _carried(
    rival: str, loop: str, events: int, mode: str | None, work: Work
) -> Sample:
    make = load_carrier(rival).Rival
    sample: Sample = run_on_loop(warm(make, work, mode, "throughput", events), loop)
    return sample


FUNCTIONS: dict[str, Callable[..., Sample]] = {
    "bursts": bursts,
    "keyed": keyed,
    "carried": carried,
    "worked": worked,
}
"""The rest are the queue suite's own."""
CARRYING = ("carried", "worked")


def measure(rival: str, function: str, arguments: Sample, loop: str) -> Sample:
    """The sample."""
    if function != "worked":
        arguments = {k: v for k, v in arguments.items() if k != "rounds_per_us"}
    if function in FUNCTIONS:
        return FUNCTIONS[function](rival, loop, **arguments)
    sample: Sample = measure_queue(rival, function, arguments, loop)
    return sample


def why_not(rival: str, function: str, mode: str | None) -> str | None:
    """Why a rival cannot take part, as its own suite says."""
    if function == "keyed":
        return None
    if function in CARRYING:
        return why_no_carrier(rival, function, mode)
    return why_no_queue(rival, "burst" if function == "bursts" else function, mode)


if __name__ == "__main__":
    print(json.dumps(measure(**json.loads(sys.argv[1]))))
