"""What could never end, as handlers wait."""

from typing import Self, final

from collectorqueue._native.postponed import Postponed
from collectorqueue._native.waitgraph import WaitGraph

@final
class Node:
    """An event, a batch, or one of an event's several handlers, that has not ended."""

@final
class Place:
    """What is let into one collector, all of which may be stuck."""

@final
class Standstill:
    """One search after the other."""

    def __new__(cls, graph: WaitGraph, core: Postponed) -> Self: ...
