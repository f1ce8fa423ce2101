"""Which handlers wait for which events, as it is."""

from typing import final

from typing_extensions import disjoint_base

@final
class Handler:
    """A run of a handler that waits, or is about to, once."""

@disjoint_base
class WaitGraph:
    """The waits that handlers of one queue are in."""
