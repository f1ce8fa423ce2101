"""What could never end, as handlers wait, or if one more of them did."""

from typing import Self, final

from collectorqueue._native.event import CollectorEvent
from collectorqueue._native.postponed import Postponed
from collectorqueue._native.waitgraph import Handler, WaitGraph

@final
class Node:
    """An event, a batch, or one of an event's several handlers, that has not ended."""

@final
class Place:
    """What is let into one collector, all of which may be stuck."""

@final
class Standstill:
    """A search: if this handler, if there is one, waited for the target."""

    def __new__(
        cls,
        graph: WaitGraph,
        core: Postponed,
        own: Handler | None = None,
        target: CollectorEvent | None = None,
    ) -> Self: ...
