"""Where queued events wait: FIFO ring, LIFO stack, PRIORITY heap."""

import enum
from typing import final

from typing_extensions import disjoint_base

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
