"""Which handlers wait for which events, as it is."""

from typing_extensions import disjoint_base

@disjoint_base
class WaitGraph:
    """The waits that handlers of one queue are in."""
