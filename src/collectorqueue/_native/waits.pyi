"""Handlers that wait: so that no circle of them can close, and all have who runs them."""

from typing import final

from collectorqueue._native.waitgraph import WaitGraph

@final
class Waits(WaitGraph):
    """The waits that handlers of one queue are in, and those that want a consumer."""
