"""Driving one collector for one event, and telling whose a cancellation is."""

import asyncio
from typing import final

from typing_extensions import disjoint_base

from collectorqueue._native.event import CollectorEvent
from collectorqueue._native.seats import Seat
from collectorqueue._native.timers import Alarm

@disjoint_base
class Driver(Seat):
    """Runs processors one after the other (a consumer), or one (a branch)."""

    @property
    def is_cancelled(self) -> bool:
        """Somebody else wants its task to end."""

    @property
    def current_event(self) -> CollectorEvent | None: ...
    @property
    def current_key(self) -> str | None:
        """Of the collector it is at."""

    @property
    def current_task(self) -> asyncio.Task[None] | None: ...
    def note_cancel(self, cancelling: int, is_own: bool = False) -> None:
        """The task was asked to cancel, and now counts `cancelling` such requests; this one
        is the handler's own though its frames do not run."""

    def attach(self, task: asyncio.Task[None]) -> None:
        """The task that drives this."""

@final
class Deadline(Alarm):
    """When a run must have ended."""
