"""The consumers of one queue, as it sees them."""

import asyncio
import contextvars

from typing_extensions import disjoint_base

from collectorqueue._native.event import CollectorEvent
from collectorqueue._native.sums import Sums

@disjoint_base
class Seat:
    """What the core knows of a consumer."""

    def disown(self) -> int:
        """Leave it to itself: what it still runs was given up."""

@disjoint_base
class Seats(Sums):
    """The seats that consumers take, and give up."""

    @property
    def peak_consumers(self) -> int: ...
    @property
    def is_loop_bound(self) -> bool:
        """A whole slice of the loop's time was used up, and more waits."""

    @property
    def starting(self) -> int:
        """Consumers that will look for an event without being woken."""

    @property
    def vacant(self) -> int:
        """Left without being told, to be filled again."""

    def clear(self) -> None:
        """Nobody is there."""

    def attend(
        self, loop: asyncio.AbstractEventLoop, context: contextvars.Context
    ) -> None:
        """This loop is the one that turns."""

    def add_seats(self, count: int) -> None:
        """That many consumers are being started."""

    def fill_seats(self, count: int) -> None:
        """Successors of so many are being started."""

    def lose_seats(self, count: int) -> None:
        """So many who have left get no successors."""

    def give_up_seats(self, count: int) -> None:
        """So many that were to be started are not."""

    def reclaim(self, count: int) -> int:
        """Keep consumers that were told to leave; returns how many of `count` were."""

    def retire(self, count: int) -> None:
        """Let consumers go: idle ones now, busy ones after their event."""

    def set_max_consumers(self, maximum: int) -> None: ...
    def end_slice(self) -> None: ...
    def running(self) -> list[CollectorEvent]:
        """The events that run now."""

    def abort_running(self, why: str) -> None:
        """Cancel everything that runs."""

    def disown_running(self) -> None:
        """What still runs was given up: it must not touch what comes after this run."""
