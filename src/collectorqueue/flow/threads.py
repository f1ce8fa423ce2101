"""Threads for collectors that block, with one wake-up of the loop for many results.

Rules of residence: running a function elsewhere and bringing its result back. All
book-keeping happens in the loop's thread, so there is no lock.
"""

from __future__ import annotations

import asyncio
import contextvars
import itertools
import logging
import queue
import threading
import weakref
from collections import deque
from collections.abc import Callable
from typing import Any

from collectorqueue._native.results import failure_of
from collectorqueue.quiet import quietly

__all__ = ["Threads"]

log = logging.getLogger("collectorqueue.threads")

LOOK_S = 1.0  # whether somebody may have a job yet

Job = tuple["asyncio.Future[Any]", contextvars.Context, Callable[..., Any], Any]


class Thread:
    """One daemon thread, which runs what it is given until it is given None."""

    def __init__(self, name: str, threads: Threads) -> None:
        self.jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        # Weakly: one that waits must not keep a queue that was dropped without close().
        self._threads = weakref.ref(threads)
        # Daemon: a function that never returns must not keep the program from ending.
        threading.Thread(target=self._work, name=name, daemon=True).start()

    def _work(self) -> None:
        while (job := self._next()) is not None:
            _, context, call, arguments = job
            try:
                result = context.run(call, *arguments)
            except BaseException as exc:  # as on the loop: it costs its event only
                result = failure_of(exc)
            if (threads := self._threads()) is None:
                return
            threads.deliver(self, job, result)
            del job, context, call, arguments, result, threads

    def _next(self) -> Job | None:
        """None: there is no more."""
        while True:
            try:
                return self.jobs.get(timeout=LOOK_S)
            except queue.Empty:
                # Not told by a finalizer: it might run without memory, or at the end of a
                # recursion.
                if self._threads() is None:
                    return None


class Threads:
    """As many threads as run at once; idle ones are used again, the last idle first."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._idle: list[Thread] = []
        self._done: deque[tuple[Thread, Job, Any]] = deque()
        self._woken = False
        self._stopped = False
        self._numbers = itertools.count(1)
        self.abandoned = 0  # runs whose future was cancelled, and that went on

    def wrap(self, processor: Callable[..., Any]) -> Callable[..., asyncio.Future[Any]]:
        """A function that runs `processor` in a thread and returns a future at once."""

        def submit(*arguments: Any) -> asyncio.Future[Any]:
            return self.submit(processor, *arguments)

        return submit

    def submit(self, call: Callable[..., Any], *arguments: Any) -> asyncio.Future[Any]:
        """Run `call(*arguments)` in the caller's context; the future gets its result.

        An exception arrives as an `Error` result. Cancelling the future discards the
        result; the function runs on to its end.
        """
        future: asyncio.Future[Any] = self._loop.create_future()
        if self._idle:
            thread = self._idle.pop()
        else:
            name = f"collectorqueue-{next(self._numbers)}"
            thread = Thread(name, self)
        thread.jobs.put((future, contextvars.copy_context(), call, arguments))
        future.add_done_callback(self._look_if_abandoned)
        return future

    def _look_if_abandoned(self, future: asyncio.Future[Any]) -> None:
        if future.cancelled() and not self._stopped:
            self.abandoned += 1
            quietly(
                log, logging.WARNING,
                "a run in a thread was given up and goes on; another thread takes its place",
            )  # fmt: skip

    def stop(self) -> None:
        """Let every thread end, busy ones after what they run. Waits for none."""
        self._stopped = True
        for thread in [*self._idle, *(thread for thread, *_ in list(self._done))]:
            thread.jobs.put(None)
        self._idle.clear()

    def deliver(self, thread: Thread, job: Job, result: Any) -> None:
        """In a thread: hand a result over; wake the loop unless that is under way."""
        self._done.append((thread, job, result))
        if self._stopped:
            thread.jobs.put(None)  # the loop may end before it comes to this result
        if not self._woken:
            self._woken = True
            try:
                self._loop.call_soon_threadsafe(self._collect)
            except RuntimeError:
                thread.jobs.put(None)  # the loop has been closed: nobody waits

    def _collect(self) -> None:
        """On the loop: settle all results that are there."""
        # Before looking: what is appended from now on wakes the loop again.
        self._woken = False
        while self._done:
            thread, (future, *_), result = self._done.popleft()
            if not self._stopped:
                self._idle.append(thread)
            if not future.done():
                future.set_result(result)


