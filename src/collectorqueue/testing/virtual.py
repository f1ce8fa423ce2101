"""Virtual time: a loop whose clock moves to the next timer instead of waiting for it.

Rules of residence: time and nothing else. The compiled core reads the same clock while such
a loop runs, so that delays, deadlines, scaling and drains take no real time, and the same
program gives the same log each time.
"""

from __future__ import annotations

import asyncio
import math
import selectors
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from collectorqueue._native import clock as core_clock

__all__ = ["Stuck", "VirtualClock", "VirtualLoop", "run_virtual"]

T = TypeVar("T")
LOOK_S = 0.01  # of real time, while something outside is at work


class Stuck(RuntimeError):
    """Nothing is scheduled, nothing can happen any more, and the program is not over."""


followed: VirtualClock | None = None  # by the compiled core


class VirtualClock:
    """The time of virtual loops: `now`, in seconds; it begins at 1000.

    `outside` is how many threads or processes are at work: while it is not 0, a loop that has
    nothing to do waits for them in real time, and no virtual time passes.
    """

    def __init__(self, now: float = 1000.0) -> None:
        self.now = now
        self.outside = 0

    def elapse(self, seconds: float) -> None:
        """Let time pass at once, as a handler does that blocks the loop."""
        self.now += seconds

    def new_loop(self) -> VirtualLoop:
        """A loop on this clock, for `asyncio.Runner(loop_factory=clock.new_loop)`."""
        return VirtualLoop(self)

    @contextmanager
    def followed(self) -> Iterator[None]:
        """Within it the compiled core reads this clock: one in a process at a time."""
        global followed
        before, followed = followed, self
        core_clock.follow(lambda: self.now)
        try:
            yield
        finally:
            followed = before
            core_clock.follow(None if before is None else lambda: before.now)


class VirtualSelector(selectors.DefaultSelector):
    """Instead of waiting, moves the clock on to the next timer."""

    loop: VirtualLoop

    def select(self, timeout: float | None = None) -> Any:
        found = super().select(0)
        if found or timeout == 0:
            return found
        clock = self.loop.clock
        if clock.outside:
            return super().select(min(timeout or LOOK_S, LOOK_S))
        if timeout is None:
            self.loop.stuck_tasks = list(map(repr, asyncio.all_tasks(self.loop)))
            self.loop.stop()
        else:
            clock.now += max(timeout, 0.0)
        return found


class VirtualLoop(asyncio.SelectorEventLoop):
    """An asyncio loop in virtual time.

    Where nothing is scheduled any more it stops, and `stuck_tasks` describes those that wait.
    """

    def __init__(self, clock: VirtualClock | None = None) -> None:
        self.clock = VirtualClock() if clock is None else clock
        self.stuck_tasks: list[str] | None = None
        selector = VirtualSelector()
        selector.loop = self
        super().__init__(selector)

    def time(self) -> float:
        """The clock's `now`."""
        # A timer is due if it is no later than the next number that a float can be.
        self._clock_resolution = max(1e-9, 2 * math.ulp(self.clock.now))
        return self.clock.now


def run_virtual(
    main: Coroutine[Any, Any, T],
    *,
    clock: VirtualClock | None = None,
    debug: bool | None = None,
) -> T:
    """Run `main` to its end in virtual time, and return its value.

    Raises Stuck, with the tasks that wait, where nothing can happen any more. In virtual time
    a worker process or a thread seems to take no time at all: raise `clock.outside` around
    what must be waited for.
    """
    clock = VirtualClock() if clock is None else clock
    loop, outside = clock.new_loop(), clock.outside
    try:
        with clock.followed(), asyncio.Runner(debug=debug, loop_factory=lambda: loop) as runner:
            try:
                return runner.run(main)
            finally:
                if getattr(loop, "_default_executor", None) is not None:
                    clock.outside += 1  # its threads end in real time
    except RuntimeError as error:
        if loop.stuck_tasks is None:
            raise
        waiting = "\n".join(loop.stuck_tasks)
        raise Stuck(f"nothing can happen any more; tasks:\n{waiting}") from error
    finally:
        clock.outside = outside
        loop.close()
