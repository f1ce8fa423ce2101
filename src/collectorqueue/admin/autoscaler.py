"""Autoscaler: asks a scaling policy when events are short of consumers, and does as it says.

Rules of residence: one policy, one pool, one timer, which runs only while the policy wants
it. The pool's size is read and set through what is handed in; nothing here waits.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
import math
from collections import deque
from collections.abc import Callable

import msgspec

from collectorqueue.admin.scaler import Decision, PoolScaler, PoolState, ScalingPolicy
from collectorqueue.quiet import contained, quietly

__all__ = ["Autoscaler", "Scaling", "ScalingStats", "no_scaling"]

log = logging.getLogger("collectorqueue.scaling")

KEPT = 100  # scalings
SOONEST_S = 0.001  # a policy that asks for less would hold the loop


class Scaling(msgspec.Struct, frozen=True):
    """A pool was made larger or smaller."""

    at: float
    """Seconds on the loop's clock."""
    before: int
    """Its size."""
    after: int
    """Its size."""
    reason: str
    """The policy's: "short", "spare" or "bounds"; "policy" if it gave none."""
    pool: str = "consumers"
    """Which: "consumers" or "workers"."""


class ScalingStats(msgspec.Struct, frozen=True):
    """What a pool's autoscaler did since the start."""

    grown: int
    """How often it made the pool larger."""
    shrunk: int
    """How often it made it smaller."""
    recent: list[Scaling]
    """The last hundred, oldest first."""


def no_scaling() -> ScalingStats:
    """Of a pool that nobody sizes."""
    return ScalingStats(0, 0, [])


class Autoscaler:
    """Sizes one pool: `read()` tells how it is, `resize(before, after)` changes it."""

    def __init__(
        self,
        policy: ScalingPolicy,
        bounds: tuple[int, int],
        loop: asyncio.AbstractEventLoop,
        context: contextvars.Context,
        *,
        read: Callable[[], PoolState],
        resize: Callable[[int, int], None],
        on_scaled: Callable[[Scaling], None],
        pool: str = "consumers",
    ) -> None:
        self.policy = policy
        self._bounds = bounds
        self._loop = loop
        self._context = context
        self._read = read
        self._resize = resize
        self._on_scaled = on_scaled
        self._pool = pool
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0  # uvloop's does not know it when that is now
        self._recent: deque[Scaling] = deque(maxlen=KEPT)
        self._grown = self._shrunk = 0
        self._stopped = self._asking = False

    @property
    def largest(self) -> int:
        """The upper bound."""
        return self._bounds[1]

    def on_short(self) -> None:
        """Events wait, and nobody is free for them."""
        self._ask(self.policy.on_send)

    def on_finish(self) -> None:
        """A consumer has come free, or has left, while others wait."""
        self._ask(self.policy.on_finish)

    def set_bounds(self, smallest: int, largest: int) -> None:
        """Keep the pool between these from now on."""
        self._bounds = (smallest, largest)
        if isinstance(self.policy, PoolScaler):
            self.policy.smallest, self.policy.largest = smallest, largest
        self._ask(self.policy.on_timer)

    def stats(self) -> ScalingStats:
        """What was done so far."""
        return ScalingStats(self._grown, self._shrunk, list(self._recent))

    def stop(self) -> None:
        """Decide nothing any more."""
        self._stopped = True
        self._set_timer(None)

    def _on_timer(self) -> None:
        self._timer = None
        self._ask(self.policy.on_timer)

    def _ask(self, question: Callable[[float, PoolState], Decision]) -> None:
        if self._stopped or self._asking:
            return  # a policy that sends, or sets a bound: what it says next counts
        now = self._loop.time()
        state = self._read()
        wanted, reason = state.pool, "bounds"
        self._asking = True
        try:
            decision = question(now, state)
            timer = checked_timer(decision.next_timer, now)
            wanted, reason = int(decision.target), str(decision.reason or "policy")
            self._set_timer(timer)
        except BaseException as error:
            # The user's own policy: the pool stays as it is, and events go on.
            quietly(log, logging.ERROR, "a scaling policy failed", exc_info=True)
            contained(error)
        finally:
            self._asking = False
        smallest, largest = self._bounds
        target = max(smallest, min(largest, wanted))
        if target != state.pool:
            self._scale(now, state.pool, target, reason)

    def _scale(self, now: float, before: int, after: int, reason: str) -> None:
        self._grown += after > before
        self._shrunk += after < before
        scaling = Scaling(now, before, after, reason, self._pool)
        self._recent.append(scaling)
        quietly(
            log, logging.DEBUG, "%s %d -> %d: %s", self._pool, before, after, reason
        )
        self._resize(before, after)
        self._on_scaled(scaling)

    def _set_timer(self, when: float | None) -> None:
        if self._timer is not None:
            if when == self._timer_at:
                return
            self._timer.cancel()
            self._timer = None
        if when is not None:
            self._timer_at = when
            self._timer = self._loop.call_at(when, self._on_timer, context=self._context)


def checked_timer(when: float | None, now: float) -> float | None:
    """When to ask next. Raises ValueError."""
    if when is None:
        return None
    if not math.isfinite(when):
        raise ValueError(f"next_timer must be a time on the loop's clock, got {when!r}")
    return max(when, now + SOONEST_S)
