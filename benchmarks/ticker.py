"""Ticker: how late the loop serves a timer of one millisecond."""

from __future__ import annotations

import asyncio
from time import perf_counter

__all__ = ["Ticker"]

PERIOD_S = 0.001


class Ticker:
    """Asks for a call every millisecond; notes in `lags` how many seconds each is late.

    async with Ticker() as ticker:
        fill_the_queue()        # blocks the loop, which is not what is measured
        ticker.restart()
        await drained()
    print(max(ticker.lags))
    """

    def __init__(self) -> None:
        self.lags: list[float] = []
        self._loop = asyncio.get_running_loop()
        self._due = 0.0
        self._handle: asyncio.TimerHandle

    def restart(self) -> None:
        """Forget the lags so far; what is late already counts from now on."""
        self.lags.clear()
        self._due = perf_counter()

    async def __aenter__(self) -> Ticker:
        self._ask()
        await asyncio.sleep(2 * PERIOD_S)
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._handle.cancel()
        # The tick that is late at the end is late all the same.
        late = perf_counter() - self._due
        if late > 0 or not self.lags:
            self.lags.append(max(late, 0.0))

    def _ask(self) -> None:
        self._due = perf_counter() + PERIOD_S
        self._handle = self._loop.call_later(PERIOD_S, self._tick)

    def _tick(self) -> None:
        self.lags.append(max(0.0, perf_counter() - self._due))
        self._ask()
