"""Handlers that wait: for events, and for consumers that could run those."""

import asyncio

from typing_extensions import disjoint_base

from collectorqueue._native.barrier import Members
from collectorqueue._native.postponed import Postponed

@disjoint_base
class Helping(Postponed):
    """The waits inside the handlers of one queue."""

    def clear(self) -> None:
        """Nobody waits."""

    def in_lane(self) -> int:
        """Events that wait for a consumer."""

    def take_peak(self) -> int:
        """The most events that waited or ran when one paused, since the last call."""

    def is_inside(self) -> bool:
        """Whether a handler of this queue is calling."""

    def cover(self) -> int:
        """Give a consumer to what handlers wait for, where none may come free; 0."""

    def judge_waits(self) -> None:
        """Refuse the waits that could end no more."""

    def wait_for_all(self) -> asyncio.Future[None]:
        """A future for the moment when all that was accepted so far has ended."""

    def wait_inside(self) -> tuple[asyncio.Future[None], Members] | None:
        """The same for a handler, and what `stop_wait_inside` takes; None outside."""

    def stop_wait_inside(self, members: Members) -> None:
        """The wait is over, or was given up."""
