"""Overtime: ends the workers whose runs take longer than their collector's timeout.

Rules of residence: one timer. When a run began stands in its worker's page; it is looked at
when the first that may be overdue would be. A worker that is to be killed gets nothing more,
and what it has not begun is taken back; async runs beside the one that is overdue have a
while to end. A worker that does not even begin (somebody has stopped it) is killed too, and
what it was handed goes to others.
"""

from __future__ import annotations

import asyncio
import contextvars
import time
from collections.abc import Callable

from collectorqueue._native.crew import Crew
from collectorqueue.workers.worker import Worker

__all__ = ["GRACE_S", "Overtime"]

GRACE_S = 0.5  # between SIGTERM and SIGKILL
LINGER_S = 2.0  # for other async runs of the same worker
SHORTEST_NS = 1_000_000  # between two looks
LINGER_LOOK_NS = 20_000_000


class Overtime:
    """The timeouts of one crew; `on_doomed(worker)`: it is about to be killed;
    `on_spared(worker)`: its run has ended after all, before it was."""

    def __init__(
        self,
        crew: Crew,
        loop: asyncio.AbstractEventLoop,
        context: contextvars.Context,
        on_doomed: Callable[[Worker], None],
        on_spared: Callable[[Worker], None],
    ) -> None:
        self._crew = crew
        self._loop = loop
        self._context = context
        self._on_doomed = on_doomed
        self._on_spared = on_spared
        self._doomed: set[Worker] = set()
        self._silent: dict[Worker, tuple[int, float]] = {}  # runs it had ended; since when
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0  # uvloop's does not know it when that is now
        self._stopped = False

    def look_after(self, ns: int) -> None:
        """Look whether a run is overdue, `ns` from now or sooner."""
        when = self._loop.time() + ns / 1e9
        if self._stopped or (self._timer is not None and self._timer_at <= when):
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = when
        self._timer = self._loop.call_at(when, self._look, context=self._context)

    def stop(self) -> None:
        """Look no more."""
        self._stopped = True
        if self._timer is not None:
            self._timer.cancel()

    def _look(self) -> None:
        self._timer = None
        for window in self._crew.windows[:]:
            window.worker.collect()  # what has ended is not overdue
        found, left_ns = self._crew.overdue(time.monotonic_ns())
        overdue: dict[Worker, list[bool]] = {}
        for window, errand, is_async in found:
            worker: Worker = window.worker
            if worker not in self._doomed:
                self._doomed.add(worker)
                worker.doomed_at = self._loop.time()
                self._on_doomed(worker)
            worker.overran.add(errand)
            overdue.setdefault(worker, []).append(is_async)
        for worker in list(self._doomed):
            self._judge(worker, overdue.get(worker))
        self._end_the_silent()
        if self._doomed or self._silent:
            left_ns = min(LINGER_LOOK_NS, left_ns or LINGER_LOOK_NS)
        if left_ns is not None:
            self.look_after(max(SHORTEST_NS, left_ns))

    def _end_the_silent(self) -> None:
        """Kill those who for a while have neither begun nor ended anything."""
        now, before, self._silent = self._loop.time(), self._silent, {}
        for window in self._crew.windows[:]:
            worker: Worker = window.worker
            if worker in self._doomed or worker.is_being_killed:
                continue
            if not window.is_silent(time.monotonic_ns()):
                continue
            ended = window.handed - window.outstanding
            had_ended, since = before.get(worker, (ended, now))
            if had_ended != ended:
                since = now  # it was between two runs
            if now < since + GRACE_S:
                self._silent[worker] = (ended, since)
            else:
                self._on_doomed(worker)
                worker.kill(GRACE_S)

    def _judge(self, worker: Worker, overdue: list[bool] | None) -> None:
        if worker.is_dead:
            self._doomed.discard(worker)
        elif overdue is None:
            if not worker.is_being_killed:
                self._doomed.discard(worker)
                self._on_spared(worker)
        elif not (
            all(overdue)
            and worker.window.outstanding > len(overdue)
            and self._loop.time() < worker.doomed_at + LINGER_S
        ):
            worker.kill(GRACE_S)
