"""The end of a run of the queue."""

import asyncio

from typing_extensions import disjoint_base

from collectorqueue._native.driver import Driver
from collectorqueue._native.event import CollectorEvent
from collectorqueue._native.intake import Intake

@disjoint_base
class Ending(Intake):
    """How the events of one queue are brought to an end, all together."""

    @property
    def is_open(self) -> bool: ...
    @property
    def is_broken(self) -> bool: ...
    @property
    def is_live(self) -> bool:
        """Open or draining: events can end."""

    def begin_drain(self) -> None:
        """Refuse sends from outside of handlers; blocked senders get QueueClosed."""

    def forsake(self) -> None:
        """In a process that was forked from ours: whatever is sent here is for nobody."""

    def shut(self) -> None:
        """Refuse all sends."""

    def break_down(self, why: str) -> None:
        """All consumers were lost: nothing can run. Everything queued is ABORTED."""

    def rest(self) -> None:
        """Nothing is left to do: no time is waited for."""

    def abort_queued(self, error: BaseException) -> list[CollectorEvent]:
        """End everything that waits, in order; returns the events."""

    def abandon_running(
        self, error: BaseException
    ) -> list[tuple[CollectorEvent, Driver]]:
        """Settle everything that still runs as ABORTED; returns each run with its seat."""

    def queued_events(self) -> list[CollectorEvent]:
        """The events that wait, next one first."""

    def emptied(self) -> asyncio.Future[None]:
        """A future for the moment when nothing is queued and nothing runs."""
