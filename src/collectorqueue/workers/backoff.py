"""Back-off: what follows when workers cannot be started.

Rules of residence: counting starts, and when the next may be. Who is started is not
known here.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
from collections import deque
from collections.abc import Callable

from collectorqueue.quiet import quietly

__all__ = ["BackOff"]

log = logging.getLogger("collectorqueue.workers")

SHORTEST_S, LONGEST_S = 0.1, 5.0  # between a failed start and the next one
FAILURES = 3  # starts that fail within
WINDOW_S = 5.0  # that make the pool degraded


class BackOff:
    """Of one pool: `on_retry()` when starts may be tried again."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        context: contextvars.Context,
        on_retry: Callable[[], None],
    ) -> None:
        self._loop = loop
        self._context = context
        self._on_retry = on_retry
        self._recent: deque[float] = deque(maxlen=FAILURES + 1)
        self._in_a_row = 0
        self._timer: asyncio.TimerHandle | None = None
        self.started = 0  # workers, in all
        self.start_s = 0.0  # they took together
        self.failed = 0  # starts, in all
        self.last = ""  # why
        self.is_degraded = False

    @property
    def is_waiting(self) -> bool:
        """Nothing is to be started now."""
        return self._timer is not None

    def note_failure(self, why: str) -> None:
        """A worker could not be started: not again before a while."""
        self.last = why
        self.failed += 1
        self._in_a_row += 1
        now = self._loop.time()
        self._recent.append(now)
        quietly(log, logging.ERROR, "a worker could not be started: %s", why)
        if len(self._recent) > FAILURES and now - self._recent[0] < WINDOW_S:
            if not self.is_degraded:
                quietly(log, logging.ERROR, "the worker pool is degraded: starts keep failing")
            self.is_degraded = True
        if self._timer is None:
            delay = min(LONGEST_S, SHORTEST_S * 2 ** min(self._in_a_row - 1, 10))
            self._timer = self._loop.call_later(delay, self._retry, context=self._context)

    def note_success(self, took_s: float) -> None:
        """A worker is ready."""
        self.started += 1
        self.start_s += took_s
        self._in_a_row = 0
        if self.is_degraded:
            self.is_degraded = False
            quietly(log, logging.WARNING, "workers start again")

    def stop(self) -> None:
        """Try no more."""
        if self._timer is not None:
            self._timer.cancel()

    def _retry(self) -> None:
        self._timer = None
        self._on_retry()
