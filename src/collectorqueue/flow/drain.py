"""Draining: what is accepted is collected, until a deadline; the rest is reported.

Rules of residence: the order of the end. Refuse new sends, wait, cancel what is late,
abandon what will not end, retire the consumers; lifecycles are left by the caller, after.
"""

from __future__ import annotations

import asyncio
import io
import logging
import math
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from collectorqueue._native.core import Core
from collectorqueue._native.event import CollectorEvent, Outcome
from collectorqueue._native.payload import Payload
from collectorqueue.errors import EventAborted
from collectorqueue.flow.deadline import Deadline
from collectorqueue.flow.pool import ConsumerPool
from collectorqueue.quiet import quietly

__all__ = ["Drain"]

log = logging.getLogger("collectorqueue.drain")


class Remains(msgspec.Struct, frozen=True):
    """What a drain could not bring to an end."""

    aborted: tuple[Payload[Any], ...]
    abandoned: tuple[str, ...]


class Drain:
    """One drain of a queue; its deadline can be brought forward while it waits.

    `stop_scaling()` is called before the pool is stopped: nothing may grow it from then on;
    `finish_letters()` waits for the dead letters that are being handed over.
    """

    def __init__(
        self,
        core: Core,
        pool: ConsumerPool,
        loop: asyncio.AbstractEventLoop,
        stop_scaling: Callable[[], None],
        finish_letters: Callable[[], Awaitable[None]],
    ) -> None:
        self._core = core
        self._pool = pool
        self._stop_scaling = stop_scaling
        self._finish_letters = finish_letters
        self.deadline = Deadline(loop)
        self._is_waiting = False

    def shorten(self, timeout: float | None) -> None:
        """End at most `timeout` seconds from now; a later deadline changes nothing."""
        if self.deadline.shorten(timeout) and self._is_waiting:
            self._core.end_by(self.deadline.left_s())

    async def run(self) -> Remains:
        """Drain; returns what was left. A cancellation makes the deadline now."""
        core = self._core
        core.begin_drain()
        left_s = self.deadline.left_s()
        if left_s < math.inf:
            core.end_by(left_s)
        self._is_waiting = True
        in_time = await self.deadline.reach(core.emptied())
        self._is_waiting = False
        running = core.running()
        core.shut()
        why = "left at the drain deadline"
        queued = core.abort_queued(EventAborted(why))
        core.abort_running(why)
        if not in_time:
            await self._grace()
        overdue = EventAborted("abandoned: it did not end when cancelled")
        abandoned = core.abandon_running(overdue)
        # What ended by itself at the last moment is not to be resent.
        given_up = core.take_given_up()
        late = [
            event.payload
            for event in dict.fromkeys([*running, *given_up, *queued])
            if event.outcome is Outcome.ABORTED
        ]
        if late:
            quietly(
                log, logging.WARNING,
                "drain: aborted=%d abandoned=%d at the deadline", len(late), len(abandoned)
            )
        described = [self._describe(event, seat) for event, seat in abandoned]
        await self._finish_letters()
        self._stop_scaling()
        await self._pool.stop()
        self._pool.disown_running()
        return Remains(tuple(late), tuple(described))

    async def _grace(self) -> None:
        """Let what was cancelled end, for a moment."""
        try:
            await asyncio.wait({self._core.emptied()}, timeout=self.deadline.grace_s())
        except asyncio.CancelledError:
            return  # the program is ending: there is no more time

    def _describe(self, event: CollectorEvent, seat: Any) -> str:
        stack = io.StringIO()
        task = seat.current_task
        if task is not None:
            task.print_stack(limit=8, file=stack)
        try:
            text = f"event id={event.id} {event.payload!r}"[:500]
        except BaseException as exc:  # a hostile repr must not stop the drain
            text = f"event id={event.id}, not to be shown: {type(exc).__name__}"
        quietly(
            log, logging.WARNING, "drain: abandoned %s\n%s", text, stack.getvalue().rstrip()
        )
        return text
