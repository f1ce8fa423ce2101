"""What the publishers and consumers of one queue share: put, take, settle, wait."""

import asyncio
import contextvars
from collections.abc import Callable
from typing import Any, Self, final

from collectorqueue._native.driver import Driver
from collectorqueue._native.event import CollectorEvent
from collectorqueue._native.intake import Intake
from collectorqueue._native.lanes import QueueType
from collectorqueue._native.payload import Payload
from collectorqueue._native.plan import Step
from collectorqueue._native.results import Error

@final
class Core(Intake):
    """The state of one queue. Belongs to one loop and its thread."""

    def __new__(
        cls,
        *,
        queue_type: QueueType | str,
        capacity: int,
        default_priority: int,
        ageing: int,
        overflow: str,
        strict_routes: bool,
        propagate: bool,
        max_consumers: int,
    ) -> Self: ...
    on_started: Callable[[CollectorEvent], object] | None
    """Told of each event, if it is not None; must not raise. So is the next."""
    on_settled: Callable[[CollectorEvent], object] | None

    @property
    def is_open(self) -> bool: ...
    @property
    def is_broken(self) -> bool: ...
    @property
    def is_live(self) -> bool:
        """Open or draining: events can end."""

    def clear(self) -> None:
        """Back to an empty ledger."""

    def open(
        self,
        loop: asyncio.AbstractEventLoop,
        context: contextvars.Context,
        *,
        on_short: Callable[[], object],
        on_freed: Callable[[], object] | None,
        on_compensate: Callable[[CollectorEvent], object],
        on_bad_outcome: Callable[[CollectorEvent], object],
        on_written_off: Callable[[Any], object],
    ) -> None:
        """Accept events from now on, in this thread, for this loop."""

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

    def queued_payloads(self) -> list[Payload[Any]]:
        """The payloads that wait, next one first."""

    def emptied(self) -> asyncio.Future[None]:
        """A future for the moment when nothing is queued and nothing runs."""

    def ages(self, event: CollectorEvent, error: Error) -> tuple[float, float]:
        """How many seconds before its end an event was sent, and this error first came."""

def step_of(collector: Any) -> Step | None: ...
