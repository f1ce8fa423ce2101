"""One structure for all deadlines of one queue: a heap with one alarm."""

import asyncio
from collections.abc import Callable
from typing import Any, Self, final

from typing_extensions import disjoint_base

@disjoint_base
class Alarm:
    """What is told at a time."""

@final
class Timers:
    """Deadlines in nanoseconds of the core's clock, in order; O(log n) an entry."""

    def __new__(
        cls, loop: asyncio.AbstractEventLoop, on_due: Callable[[Any], object]
    ) -> Self: ...
    def ring(self) -> None:
        """The alarm: hand over all that is due, set the next."""

    def keep(self, wanted: Callable[[Any], object]) -> None:
        """Drop every entry whose object is not `wanted(it)`."""

    def stop(self) -> None:
        """Forget all deadlines."""

    def __len__(self) -> int: ...
