"""Events that wait for something else than a consumer: their time, their turn, a limit."""

from typing_extensions import disjoint_base

from collectorqueue._native.door import Door
from collectorqueue._native.event import CollectorEvent

@disjoint_base
class Postponed(Door):
    """The waiting events of one queue that are not to be taken yet."""

    @property
    def retries(self) -> int:
        """Runs that were tried again."""

    @property
    def tried(self) -> int:
        """How many runs have failed and are not over."""

    @property
    def deadlines(self) -> int:
        """How many times are waited for."""

    def clear(self) -> None:
        """Nothing waits."""

    def end_by(self, seconds: float | None) -> None:
        """The queue will have been drained by then: give up what waits for a later time."""

    def take_given_up(self) -> list[CollectorEvent]:
        """The events that the drain did not wait for; some may run still."""
