"""How much of one collector may run: so many at once, so many in a time."""

import asyncio
from typing import Self, final

from collectorqueue._native.core import Core
from collectorqueue._native.event import CollectorEvent
from collectorqueue._native.holders import Holder

@final
class Gate(Holder):
    """The limits of one collector."""

    def __new__(cls, core: Core, running: int = 0) -> Self: ...
    @property
    def limit(self) -> int:
        """Runs at once; 0: without limit."""

    @property
    def taken(self) -> int:
        """Runs that were let in and are not over."""

    def set_limit(self, limit: int) -> None:
        """So many runs at once from now on; 0: without limit."""

    def set_rate(self, rate: float, per: float, burst: float) -> None:
        """So many in `per` seconds, `burst` at once after a rest; a rate of 0: no limit."""

    def leave_call(self) -> None:
        """A call that was let in is over."""

    def give_back(self) -> None:
        """A call that was let in is not made."""

    def enter_call(self) -> tuple[asyncio.Future[None], CollectorEvent] | None:
        """Wait for one's turn as a custom router does: a future of that and what stands for
        the call here, or None."""

    def forget_call(self, run: CollectorEvent) -> None:
        """A call that waits is not wanted any more."""
