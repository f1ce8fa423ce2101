"""What tests of workers share: a queue with process collectors, and looking at processes."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

from collectorqueue import Collector, CollectorQueue, Error
from collectorqueue.errors import WorkerLost
from collectorqueue.workers.stats import WorkersStats


def queue_of(*processors: Any, workers: int = 2, **options: Any) -> CollectorQueue:
    return CollectorQueue(
        [
            Collector(each.__name__, each, runs_in="process", **options)
            for each in processors
        ],
        workers=workers,
    )


def stats_of(queue: CollectorQueue) -> WorkersStats:
    stats = queue.metrics.workers
    assert stats is not None
    return stats


async def until(condition: Any, seconds: float = 10.0) -> None:
    """Processes are outside of the loop: their changes have to be looked for."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come about"
        await asyncio.sleep(0.002)


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


async def lost_by(queue: CollectorQueue, how: str) -> WorkerLost:
    result = (await queue.publisher.request(how, keys="die")).first()
    assert isinstance(result, Error) and isinstance(result.err, WorkerLost), result
    return result.err
