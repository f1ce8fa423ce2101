"""The ways in which a run is ended, each with how late it may be.

Rules of residence: closing a queue that is under load.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from benchmarks.soak.starving import starved_s
from collectorqueue import CollectorQueue, DrainReport

__all__ = ["ENDINGS", "Ending", "end"]

Ending = Callable[[CollectorQueue, random.Random], Awaitable[float]]


async def drained(queue: CollectorQueue, dice: random.Random) -> float:
    """With the queue's own timeout."""
    await queue.close()
    return 2.0


async def by_deadline(queue: CollectorQueue, dice: random.Random) -> float:
    """With one that cannot be kept."""
    timeout = dice.random() * 0.3
    await queue.close(timeout=timeout)
    return timeout


async def aborted(queue: CollectorQueue, dice: random.Random) -> float:
    """At once."""
    await queue.close(timeout=0)
    return 0.0


async def cancelled(queue: CollectorQueue, dice: random.Random) -> float:
    """The close is cancelled, which aborts, and raises all the same."""
    timeout = dice.random() * 0.1
    closing = asyncio.create_task(queue.close())
    await asyncio.sleep(timeout)
    closing.cancel()
    with suppress(asyncio.CancelledError):
        await closing
    return timeout


async def twice(queue: CollectorQueue, dice: random.Random) -> float:
    """By two at once: the second may only shorten it."""
    await asyncio.gather(queue.close(), queue.close(timeout=0.1))
    return 0.1


ENDINGS: dict[str, Ending] = {
    "drained": drained,
    "by deadline": by_deadline,
    "aborted": aborted,
    "cancelled": cancelled,
    "twice": twice,
}


async def end(
    queue: CollectorQueue, name: str, dice: random.Random
) -> tuple[DrainReport, dict[str, Any]]:
    """End it in this way; the report, and how late that was by itself."""
    begun, starved = time.monotonic(), starved_s()
    allowed_s = await ENDINGS[name](queue, dice)
    late_s = time.monotonic() - begun - allowed_s - (starved_s() - starved)
    report = queue.drain_report
    assert report is not None
    return report, {"ending": name, "late_s": round(max(0.0, late_s), 3)}
