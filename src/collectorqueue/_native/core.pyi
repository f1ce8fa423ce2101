"""What the publishers and consumers of one queue share: put, take, settle, wait."""

import asyncio
import contextvars
from collections.abc import Callable
from typing import Any, Self, final

from collectorqueue._native.ending import Ending
from collectorqueue._native.event import CollectorEvent
from collectorqueue._native.lanes import QueueType
from collectorqueue._native.plan import Step
from collectorqueue._native.results import Error

@final
class Core(Ending):
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
        on_bad_outcome: Callable[[CollectorEvent, Step | tuple[Step, ...] | None], object],
        on_written_off: Callable[[Any], object],
    ) -> None:
        """Accept events from now on, in this thread, for this loop."""

    def ages(self, event: CollectorEvent, error: Error) -> tuple[float, float]:
        """How many seconds before its end an event was sent, and this error first came."""

def step_of(collector: Any) -> Step | None: ...
def is_called_by_a_handler() -> bool:
    """Whether a handler or router of any queue is calling, be its event over or not."""
