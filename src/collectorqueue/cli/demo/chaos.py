"""Chaos: kills a worker a second, to show that the sum closes all the same."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal

from collectorqueue import CollectorQueue

__all__ = ["Chaos"]

EVERY_S = 1.0


class Chaos:
    """Kills one of a queue's workers, chosen by chance, again and again."""

    def __init__(self, queue: CollectorQueue) -> None:
        self._queue = queue
        self.kills = 0

    async def reign(self) -> None:
        """Until cancelled."""
        while True:
            await asyncio.sleep(EVERY_S)
            self.kill_one()

    def kill_one(self) -> None:
        """One now, if there is one."""
        stats = self._queue.metrics.workers
        if stats is not None and stats.workers:
            with contextlib.suppress(ProcessLookupError):
                os.kill(random.choice(stats.workers).pid, signal.SIGKILL)
                self.kills += 1
