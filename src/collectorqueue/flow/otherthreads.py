"""Sends from other threads that cannot be handed over at once: the loop is asked.

Rules of residence: one payload, one thread that waits for it, and the loop that puts it.
What can be handed over without asking is, in the compiled core.
"""

from __future__ import annotations

import asyncio
import contextvars
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from functools import partial

from collectorqueue._native.core import Core
from collectorqueue._native.payload import Payload
from collectorqueue.errors import QueueClosed

__all__ = ["OtherThreads"]

LOOK_S = 1.0  # whether the loop is still there


class Ticket:
    """A payload that a thread waits with: put by the loop, or given up by the thread."""

    def __init__(self, payload: Payload[object], waits: bool) -> None:
        self.payload = payload
        self.waits = waits  # for room
        self.context: contextvars.Context | None = None  # to put it in; None: any
        self._claimed = threading.Lock()
        self._unsettled = threading.Lock()  # an Event takes five times as long
        self._unsettled.acquire()
        self._error: BaseException | None = None
        self.place: asyncio.Future[None] | None = None  # that it is parked in

    def claim(self) -> bool:
        """Decide about it; True for the first who does."""
        return self._claimed.acquire(blocking=False)

    @property
    def is_claimed(self) -> bool:
        """Whether somebody has."""
        return self._claimed.locked()

    def settle(self, error: BaseException | None = None) -> None:
        """Let the thread go on."""
        self._error = error
        self._unsettled.release()

    def wait(self, timeout: float | None, is_loop_gone: Callable[[], bool]) -> bool:
        """In the thread; False: it was given up after `timeout` seconds.

        Raises what the loop says.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        try:
            while not self._unsettled.acquire(timeout=patience(deadline)):
                if is_loop_gone() and self.claim():
                    raise QueueClosed.with_its_loop()
                if deadline is not None and time.monotonic() >= deadline and self.claim():
                    return False
        except BaseException:
            self.claim()  # an interrupt: if it was not put yet, it never is
            raise
        if self._error is not None:
            raise self._error
        return True


def patience(deadline: float | None) -> float:
    """Seconds until a thread looks again; what the loop has claimed is as good as settled."""
    if deadline is None:
        return LOOK_S
    return min(LOOK_S, max(0.001, deadline - time.monotonic()))


class OtherThreads:
    """Has the loop put payloads, with room or by the rules of a queue that is full."""

    def __init__(self, core: Core, put: Callable[[Payload[object]], object]) -> None:
        self._core = core
        self._put = put  # without waiting
        self._come: deque[Ticket] = deque()
        self._rung: asyncio.AbstractEventLoop | None = None  # it will look

    def send(self, payload: Payload[object], block: bool, timeout: float | None) -> None:
        """In any thread: return once it is accepted, or raise what a send raises."""
        core = self._core
        core.check_accepting()
        if core.is_here:
            self._put(payload)  # to wait would be to wait for oneself
            return
        is_inside = core.is_inside()
        drops = core.drops_oldest or core.drops_incoming
        if not (block or is_inside or drops or core.threads_must_ask):
            raise core.full_for_threads("the queue is full")
        loop = core.loop
        ticket = Ticket(payload, block and core.waits_when_full and not is_inside)
        if is_inside or core.threads_must_ask:
            ticket.context = contextvars.copy_context()  # it may be that of a handler
        self._come.append(ticket)
        try:
            self._ring(loop)
            accepted = ticket.wait(timeout, loop.is_closed)
        except BaseException:
            # The loop's answer, or the loop has ended, or there was an interrupt.
            self._give_up(ticket, loop)
            raise
        if not accepted:
            self._give_up(ticket, loop)
            raise core.full_for_threads(
                f"it was not accepted within {timeout} s: there was no room, or the loop "
                "did not look"
            )

    def _ring(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._rung is loop:
            return
        self._rung = loop
        try:
            loop.call_soon_threadsafe(self._look)
        except RuntimeError:
            raise QueueClosed.with_its_loop() from None

    def _give_up(self, ticket: Ticket, loop: asyncio.AbstractEventLoop) -> None:
        """The thread has gone: a place that was kept for it passes to the next."""
        ticket.claim()
        self._rung = None  # the call may have failed: the next one rings again
        with suppress(RuntimeError):  # nobody waits on a loop that has ended
            loop.call_soon_threadsafe(self._leave_row, ticket)

    def _leave_row(self, ticket: Ticket) -> None:
        place, ticket.place = ticket.place, None
        if place is not None:
            self._core.unpark(place)

    def _look(self) -> None:
        self._rung = None  # before looking: who comes from now on rings again
        while self._come:
            ticket = self._come.popleft()
            try:
                self._take(ticket)
            except BaseException as error:
                ticket.settle(error)

    def _take(self, ticket: Ticket) -> None:
        core = self._core
        if ticket.is_claimed:
            return  # given up
        if not ticket.waits:
            self._settle(ticket, self._put)
            return
        core.check_accepting()
        core.check_route(ticket.payload)
        ticket.place = place = core.park(core.bytes_of(ticket.payload))
        if place.done():
            self._fill(ticket, place)
        else:
            place.add_done_callback(partial(self._fill, ticket))

    def _fill(self, ticket: Ticket, place: asyncio.Future[None]) -> None:
        if ticket.place is None:
            return  # it has left the row
        ticket.place = None
        try:
            place.result()
        except BaseException as error:
            ticket.settle(error)
        else:
            if not self._settle(ticket, partial(self._core.fill_place, place=place)):
                self._core.unpark(place)

    def _settle(self, ticket: Ticket, put: Callable[[Payload[object]], object]) -> bool:
        """Put a payload that was not given up, and let its thread go on."""
        if not ticket.claim():
            return False
        try:
            self._core.take_all()  # what its thread has handed over before goes before
            if ticket.context is None:
                put(ticket.payload)
            else:
                ticket.context.run(put, ticket.payload)
        except BaseException as error:
            ticket.settle(error)
        else:
            ticket.settle()
        return True
