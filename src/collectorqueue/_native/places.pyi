"""Places in the queue: how many there are, and who waits for one."""

import asyncio

from typing_extensions import disjoint_base

from collectorqueue._native.seats import Seats

@disjoint_base
class Places(Seats):
    """The room of one queue."""

    @property
    def parked(self) -> int:
        """Senders that wait for a place."""

    def clear(self) -> None:
        """Nobody waits."""

    def check_loop(self) -> None: ...
    def park(self) -> asyncio.Future[None]:
        """A future for a place, behind all other blocked senders."""

    def unpark(self, place: asyncio.Future[None]) -> None:
        """A blocked sender has gone; a place that was his passes to the next."""

    def refuse_senders(self, error: BaseException) -> None:
        """All blocked senders get this error."""
