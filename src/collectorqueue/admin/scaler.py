"""How large a pool should be: grow at once by the shortage, shrink to the peak of a hold time.

Rules of residence: numbers in, a decision out; no task, no loop, no clock of its own. The
same input gives the same decisions, so that a log of them can be replayed. Whoever asks
carries them out.

Theory: growth is decided where a consumer would be missed, not by polling; the peak of the
demand over a hold time, kept in a few buckets, says what can be spared. Worker processes are
dear to start, so that a shortage must have lasted as long as a start takes before one is
made (the ski-rental rule: never more than twice the cost of knowing the future).
"""

from __future__ import annotations

import math
from collections import deque
from typing import Protocol

import msgspec

__all__ = ["Decision", "PoolScaler", "PoolState", "ScalingPolicy"]

EARLY_S = 1e-9  # a timer is never so exact


class PoolState(msgspec.Struct, frozen=True, kw_only=True):
    """What a pool looks like at the instant it asks; events, consumers or workers, seconds."""

    queued: int
    """Events that no consumer has begun."""
    busy: int
    """Consumers that run an event."""
    pool: int
    """Consumers that are there or starting; not those that were told to leave."""
    starting: int = 0
    """Of them, those that cannot take an event yet."""
    peak: int = 0
    """The largest `queued + busy` since this was asked last."""
    oldest: float | None = None
    """When the event that has waited longest was sent; None: nothing waits, or it plays no
    part."""


class Decision(msgspec.Struct, frozen=True):
    """What to do now, and when to ask next."""

    target: int
    """Consumers that there should be; equal to `pool` if nothing is to be done."""
    next_timer: float | None
    """When to call `on_timer`, on the clock of `now`; None: there is nothing to watch, and
    no timer should run."""
    reason: str = ""
    """Why the target is not the pool's size: "short", "spare" or "bounds"; "" if it is."""


class ScalingPolicy(Protocol):
    """What a queue's `scaling=` must be able to do. A target beyond the bounds is clamped.

    `now` is in seconds of the loop's clock. None of the three may wait.
    """

    def on_send(self, now: float, state: PoolState) -> Decision:
        """Events wait, and no consumer is free for them. Once a turn of the loop at most."""
        ...

    def on_finish(self, now: float, state: PoolState) -> Decision:
        """A consumer has come free, or has left, while others wait."""
        ...

    def on_timer(self, now: float, state: PoolState) -> Decision:
        """It is the time that the last decision asked for; or the bounds have changed."""
        ...


class PoolScaler:
    """The rule for consumers, and with other numbers for worker processes.

    `smallest`, `largest`: the bounds, which may be changed; the next decision keeps them.
    `hold_s`: how long a peak is remembered before the pool may shrink below it.
    `slack`: how far it grows beyond the shortage, in square roots of the pool.
    `headroom`, `dead_band`: shares of the peak kept spare, and of the pool that must be
    spare before it shrinks. `most_dropped`: share of the pool that may go in one step.
    `patience_s`: how long an event must have waited before the pool grows for it.
    """

    def __init__(
        self,
        smallest: int,
        largest: int,
        *,
        hold_s: float = 2.0,
        slack: float = 0.5,
        headroom: float = 0.1,
        dead_band: float = 0.1,
        most_dropped: float = 0.5,
        patience_s: float = 0.0,
        buckets: int = 5,
    ) -> None:
        self.smallest = smallest
        self.largest = largest
        self.patience_s = patience_s
        self._slack = slack
        self._headroom = headroom
        self._dead_band = dead_band
        self._most_dropped = most_dropped
        self._bucket_s = hold_s / buckets
        self._peaks = deque([0] * buckets, maxlen=buckets)
        self._bucket_ends: float | None = None  # None: at the smallest, nothing to watch
        self._patience_ends: float | None = None

    @classmethod
    def for_workers(cls, smallest: int, largest: int, *, spawn_s: float = 0.15) -> PoolScaler:
        """With numbers for processes: patience of one start, and a long hold."""
        return cls(smallest, largest, hold_s=60.0, slack=0.0, headroom=0.0, patience_s=spawn_s)

    def note_start(self, seconds: float) -> None:
        """A worker took so long to start: the patience follows it."""
        self.patience_s += 0.2 * (seconds - self.patience_s)

    def on_send(self, now: float, state: PoolState) -> Decision:
        """Grow by what is short, once it has waited long enough."""
        self._note(state)
        return self._grow(now, state)

    def on_finish(self, now: float, state: PoolState) -> Decision:
        """The same: what waits may have become short."""
        self._note(state)
        return self._grow(now, state)

    def on_timer(self, now: float, state: PoolState) -> Decision:
        """Grow if patience is over; at the end of a bucket, shrink to what was needed."""
        self._note(state)
        if self._patience_ends is not None and now >= self._patience_ends - EARLY_S:
            self._patience_ends = None
        if state.pool > self.largest:
            return self._decide(now, state, self.largest, "bounds")
        if state.pool < self.smallest:
            return self._decide(now, state, self.smallest, "bounds")
        wanted = self._end_bucket(now, state)
        if state.queued:
            grown = self._grow(now, state)
            if grown.target > state.pool:
                return grown
        if wanted is None or wanted > state.pool - max(1.0, self._dead_band * state.pool):
            return self._decide(now, state, state.pool)
        step = math.ceil(state.pool * (1 - self._most_dropped))
        return self._decide(now, state, max(wanted, step), "spare")

    def _end_bucket(self, now: float, state: PoolState) -> int | None:
        """How many are wanted by the peak of the hold time; None: a bucket has not ended."""
        if self._bucket_ends is None or now < self._bucket_ends - EARLY_S:
            return None
        wanted = math.ceil(max(self._peaks) * (1 + self._headroom))
        self._peaks.append(self._demand(state.queued + state.busy))
        self._bucket_ends = None  # `_decide` begins the next
        return max(self.smallest, wanted)

    def _demand(self, events: int) -> int:
        return min(events, self.largest)

    def _note(self, state: PoolState) -> None:
        demand = self._demand(max(state.peak, state.queued + state.busy))
        self._peaks[-1] = max(self._peaks[-1], demand)

    def _grow(self, now: float, state: PoolState) -> Decision:
        idle = state.pool - state.starting - state.busy
        short = state.queued - max(0, idle) - state.starting
        if short <= 0 or state.pool >= self.largest:
            return self._decide(now, state, state.pool)
        if self.patience_s and state.oldest is not None:
            due = state.oldest + self.patience_s
            if now < due - EARLY_S:
                self._patience_ends = due
                return self._decide(now, state, state.pool)
        extra = math.ceil(self._slack * math.sqrt(state.pool))
        return self._decide(now, state, state.pool + max(short, extra), "short")

    def _decide(self, now: float, state: PoolState, target: int, reason: str = "") -> Decision:
        target = max(self.smallest, min(self.largest, target))
        if target == state.pool:
            reason = ""
        if target > self.smallest:
            if self._bucket_ends is None:
                self._bucket_ends = now + self._bucket_s
        else:
            self._bucket_ends = None
        timers = (self._bucket_ends, self._patience_ends)
        due = [each for each in timers if each is not None]
        return Decision(target, min(due) if due else None, reason)
