"""Deadline: when a close stops waiting, which may be brought forward meanwhile.

Rules of residence: one moment, and who wants to know that it has come.
"""

from __future__ import annotations

import asyncio
import math
from typing import Any

__all__ = ["Deadline"]

GRACE_S = 0.5  # that what was cancelled has from then on, to clean up


class Deadline:
    """Of one close; there is none until it is set.

    `expired` is done from then on, and is nobody's to cancel.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.expired: asyncio.Future[None] = loop.create_future()
        self._loop = loop
        self._when = math.inf
        self._timer: asyncio.TimerHandle | None = None
        self._stopped = False

    def shorten(self, timeout: float | None) -> bool:
        """At most `timeout` seconds from now; whether that is sooner than it was."""
        if timeout is None or self._stopped or self.expired.done():
            return False
        when = self._loop.time() + timeout
        if when >= self._when:
            return False
        self._when = when
        if self._timer is not None:
            self._timer.cancel()
        if timeout > 0:
            self._timer = self._loop.call_at(when, self.expire)
        else:
            self.expire()
        return True

    def expire(self) -> None:
        """It has come."""
        if not self.expired.done():
            self._when = min(self._when, self._loop.time())
            self.expired.set_result(None)

    def left_s(self) -> float:
        """Seconds until then; infinite without one."""
        return max(0.0, self._when - self._loop.time())

    def grace_s(self) -> float:
        """Seconds that are left of the grace after it."""
        return max(0.0, self._when + GRACE_S - self._loop.time())

    async def reach(self, future: asyncio.Future[Any]) -> bool:
        """Wait for it, or until then; whether it is done. A cancellation makes that now."""
        try:
            await asyncio.wait({future, self.expired}, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            self.expire()
        return future.done()

    def stop(self) -> None:
        """Nobody waits any more."""
        self._stopped = True
        if self._timer is not None:
            self._timer.cancel()
