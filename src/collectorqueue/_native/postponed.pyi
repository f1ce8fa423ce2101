"""Events that wait for something else than a consumer: their time, their turn, a limit."""

from typing import Any

from typing_extensions import disjoint_base

from collectorqueue._native.door import Door
from collectorqueue._native.keyline import KeyLine
from collectorqueue._native.payload import Payload

@disjoint_base
class Postponed(Door):
    """The waiting events of one queue that are not to be taken yet."""

    @property
    def retries(self) -> int:
        """Runs that were tried again."""

    @property
    def deadlines(self) -> int:
        """How many times are waited for."""

    def clear(self) -> None:
        """Nothing waits."""

    def end_by(self, seconds: float | None) -> None:
        """The queue will have been drained by then: give up what waits for a later time."""

    def take_given_up(self) -> list[Payload[Any]]:
        """The payloads of those that the drain did not wait for."""

    def try_batch(self, line: KeyLine) -> None:
        """Let the next of a key see whether it goes to the batch that fills."""
