"""What could never end, as handlers wait, or if one more of them did."""

from typing import Self, final

from collectorqueue._native.event import CollectorEvent
from collectorqueue._native.plan import Step
from collectorqueue._native.postponed import Postponed
from collectorqueue._native.waitgraph import WaitGraph

@final
class Standstill:
    """A search: if a handler of `own`, if there is one, waited in this step for the target."""

    def __new__(
        cls,
        graph: WaitGraph,
        core: Postponed,
        own: CollectorEvent | None = None,
        step: Step | None = None,
        target: CollectorEvent | None = None,
    ) -> Self: ...
