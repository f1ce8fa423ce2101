"""Places in the queue: how many there are, and who waits for one."""

import asyncio
from collections.abc import Callable
from typing import Any

from typing_extensions import disjoint_base

from collectorqueue._native.payload import Payload
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
    @property
    def max_bytes(self) -> int:
        """What may be queued; 0: not bounded, and not counted."""

    @property
    def queued_bytes(self) -> int:
        """What is queued."""

    def bound_bytes(self, most: int, measure: Callable[[Any], int]) -> None:
        """Hold so many bytes at most, as `measure(value)` counts them."""

    def bytes_of(self, payload: Payload[Any]) -> int:
        """A payload's bytes; 0 if they are not counted. Raises PayloadTooLarge."""

    def park(self, size: int = 0) -> asyncio.Future[None]:
        """A future for a place, behind all other blocked senders."""

    def unpark(self, place: asyncio.Future[None]) -> None:
        """A blocked sender has gone; a place that was his passes to the next."""

    def refuse_senders(self, error: BaseException) -> None:
        """All blocked senders get this error."""
