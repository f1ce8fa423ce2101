"""A lane to try by hand, without a queue around it."""

from typing import Any, Self, final

from collectorqueue._native.event import CollectorEvent
from collectorqueue._native.lanes import QueueType
from collectorqueue._native.payload import Payload

@final
class Probe:
    """One lane, driven with bare payloads."""

    def __new__(
        cls,
        queue_type: QueueType | str = "fifo",
        default_priority: int = 1000,
        ageing: int = 10_000,
    ) -> Self: ...
    def put(self, payload: Payload[Any]) -> CollectorEvent:
        """Queue a payload; returns its event."""

    def get(self) -> Payload[Any]:
        """The next payload; IndexError when there is none."""

    def drop(self, event: CollectorEvent) -> None:
        """End an event where it waits."""

    def payloads(self) -> list[Payload[Any]]:
        """All that waits, next one first."""

    def places(self) -> tuple[int, int]:
        """How many places the lane has allocated, and how many hold an event."""

    def __len__(self) -> int: ...
