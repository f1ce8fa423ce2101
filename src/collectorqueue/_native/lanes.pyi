"""Where queued events wait: FIFO ring, LIFO stack, PRIORITY heap."""

import enum
from typing import Any, Self, final

from typing_extensions import disjoint_base

from collectorqueue._native.event import CollectorEvent
from collectorqueue._native.payload import Payload

class QueueType(enum.StrEnum):
    """In which order queued events are taken."""

    FIFO = "fifo"
    LIFO = "lifo"
    PRIORITY = "priority"

@disjoint_base
class Lane:
    """The order of waiting; its methods are for compiled code only."""

    def __len__(self) -> int: ...

@final
class FifoLane(Lane):
    """First in, first out: a ring."""

@final
class LifoLane(Lane):
    """Last in, first out: a stack."""

@final
class PriorityLane(Lane):
    """The most urgent first: a heap over `priority * ageing + accept sequence`."""

@final
class MergingLane(Lane):
    """First in, first out, for events too that come back after others came in."""

@final
class Probe:
    """A lane to try by hand: what tests and benchmarks drive, with bare payloads."""

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
