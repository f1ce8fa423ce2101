"""A soak: kills workers at random moments while events stream, and checks every result.

    python -m tests.faults.kill_workers --kills 2000 [--idempotent] [--seed N]

Prints a line; exit code 0 if nothing was lost, doubled or hung, the ledger closes, and what
failed is what was lost with a worker.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import os
import random
import signal
import sys
import time

import msgspec

import collectorqueue
from collectorqueue import Collector, CollectorEvent, CollectorQueue, Error
from collectorqueue.errors import WorkerLost
from tests.workers import handlers

BATCH = 50  # events sent between two looks at the clock
HUNG_S = 60.0


class Soak(msgspec.Struct):
    """What came of it."""

    kills: int = 0
    events: int = 0
    ok: int = 0
    lost: int = 0  # events that failed with WorkerLost
    reruns: int = 0
    restarts: int = 0
    wrong: int = 0  # results that are not their event's, or other errors
    unsettled: int = 0
    slowest_replacement_s: float = 0.0
    closes: bool = False

    @property
    def is_good(self) -> bool:
        """Nothing lost, nothing doubled, nothing hung."""
        return (
            self.closes
            and self.unsettled == self.wrong == 0
            and self.ok + self.lost == self.events
        )


async def soak(kills: int, *, idempotent: bool, seed: int, workers: int = 2) -> Soak:
    """Kill so many workers, one at a time."""
    chance = random.Random(seed)
    found = Soak()
    queue = CollectorQueue(
        [Collector("add_one", handlers.add_one, runs_in="process", idempotent=idempotent)],
        workers=workers,
    )
    async with queue:
        events: list[tuple[int, CollectorEvent]] = []
        while found.kills < kills:
            number = chance.randrange(2**40)
            for more in range(chance.randrange(1, 2 * BATCH)):
                event = await queue.publisher.send(number + more)
                events.append((number + more, event))
            await asyncio.sleep(chance.random() * 0.004)
            await kill_one(queue, chance, found, workers)
            if len(events) > 20_000:
                await look_at(queue, events, found)
        await look_at(queue, events, found)
        stats = queue.metrics.workers
        assert stats is not None
        found.reruns = stats.collectors["add_one"].reruns
        found.restarts = stats.restarts
    found.closes = queue.ledger.closes and queue.ledger.accepted == found.events
    return found


async def kill_one(
    queue: CollectorQueue, chance: random.Random, found: Soak, workers: int
) -> None:
    """Once all workers are there: how long that took is part of what is looked at."""
    begun = time.monotonic()
    while True:
        stats = queue.metrics.workers
        assert stats is not None
        if len(stats.workers) >= workers:
            break
        if time.monotonic() - begun > HUNG_S:
            raise TimeoutError("workers were not replaced")
        await asyncio.sleep(0.001)
    found.slowest_replacement_s = max(
        found.slowest_replacement_s, time.monotonic() - begun
    )
    with contextlib.suppress(ProcessLookupError):  # the last one, not noticed yet
        os.kill(chance.choice(stats.workers).pid, signal.SIGKILL)
        found.kills += 1


async def look_at(
    queue: CollectorQueue, events: list[tuple[int, CollectorEvent]], found: Soak
) -> None:
    """Wait for all, and check each."""
    waiting = asyncio.ensure_future(queue.publisher.wait())
    await asyncio.wait([waiting], timeout=HUNG_S)
    for number, event in events:
        found.events += 1
        results = event.get_result()
        if results is None:
            found.unsettled += 1
            continue
        result = results.first()
        if isinstance(result, Error):
            if isinstance(result.err, WorkerLost):
                found.lost += 1
            else:
                found.wrong += 1
        elif result.value == number + 1:
            found.ok += 1
        else:
            found.wrong += 1
    events.clear()


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=2000)
    parser.add_argument("--idempotent", action="store_true")
    parser.add_argument("--seed", type=int, default=random.randrange(2**31))
    options = parser.parse_args()
    logging.disable(logging.CRITICAL)
    begun = time.monotonic()
    found = collectorqueue.run(
        soak(options.kills, idempotent=options.idempotent, seed=options.seed)
    )
    print(f"seed={options.seed} seconds={time.monotonic() - begun:.1f} {found}")
    return 0 if found.is_good and not (options.idempotent and found.lost) else 1


if __name__ == "__main__":
    sys.exit(main())
