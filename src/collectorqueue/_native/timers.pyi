"""One structure for all deadlines of one queue: a heap with one alarm."""

import asyncio
from typing import Self, final

from typing_extensions import disjoint_base

from collectorqueue._native.event import Hub

@disjoint_base
class Alarm:
    """What is told at a time."""

@final
class Timers:
    """Deadlines in nanoseconds of the core's clock, in order; O(log n) an entry."""

    def __new__(
        cls, loop: asyncio.AbstractEventLoop, hub: Hub
    ) -> Self: ...
    def ring(self) -> None:
        """The alarm: hand over all that is due, set the next."""

    def stop(self) -> None:
        """Forget all deadlines."""

    def __len__(self) -> int: ...
