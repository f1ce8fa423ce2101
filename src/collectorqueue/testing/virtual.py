"""Virtual time: a loop whose clock moves to the next timer instead of waiting for it.

Rules of residence: time and nothing else. The compiled core reads the same clock while such
a loop runs, so that delays, deadlines, scaling and drains take no real time, and the same
program gives the same log each time.
"""

from __future__ import annotations

import asyncio
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
        core_clock.follow(lambda: self.now)
        try:
            yield
        finally:
            core_clock.follow(None)


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
            self.loop.is_stuck = True
            self.loop.stop()
        else:
            clock.now += max(timeout, 0.0)
        return found


class VirtualLoop(asyncio.SelectorEventLoop):
    """An asyncio loop in virtual time.

    Where nothing is scheduled any more it stops, and `is_stuck` is True.
    """

    def __init__(self, clock: VirtualClock | None = None) -> None:
        self.clock = VirtualClock() if clock is None else clock
        self.is_stuck = False
        selector = VirtualSelector()
        selector.loop = self
        super().__init__(selector)

    def time(self) -> float:
        """The clock's `now`."""
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
    with clock.followed(), asyncio.Runner(debug=debug, loop_factory=clock.new_loop) as runner:
        loop = runner.get_loop()
        assert isinstance(loop, VirtualLoop)
        try:
            return runner.run(main)
        except RuntimeError as error:
            if not loop.is_stuck:
                raise
            waiting = "\n".join(map(repr, asyncio.all_tasks(loop)))
            raise Stuck(f"nothing can happen any more; tasks:\n{waiting}") from error
        finally:
            if getattr(loop, "_default_executor", None) is not None:
                clock.outside += 1  # its threads end in real time
