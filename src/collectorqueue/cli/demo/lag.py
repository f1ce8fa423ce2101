"""The loop's lag: how late a timer fires, so how long a handler may be kept waiting."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterator

__all__ = ["LagMeter"]

TICK_S = 0.005  # short beside the lags that matter


class LagMeter:
    """Sees the worst lag, since the start and since it was last asked.

        with meter.running():
            ...
        meter.worst_s
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock  # not loop.time(): uvloop keeps it still during a turn
        self._recent_s = 0.0
        self.worst_s = 0.0

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Measure on the running loop."""
        self._arm(asyncio.get_running_loop())
        try:
            yield
        finally:
            self._timer.cancel()

    def note(self, lag_s: float) -> None:
        """A timer fired that late."""
        self._recent_s = max(self._recent_s, lag_s)
        self.worst_s = max(self.worst_s, lag_s)

    def recent_s(self) -> float:
        """The worst lag since the last call of this."""
        recent_s, self._recent_s = self._recent_s, 0.0
        return recent_s

    def _arm(self, loop: asyncio.AbstractEventLoop) -> None:
        due = self._clock() + TICK_S
        self._timer = loop.call_later(TICK_S, self._tick, loop, due)

    def _tick(self, loop: asyncio.AbstractEventLoop, due: float) -> None:
        self.note(self._clock() - due)
        self._arm(loop)
