"""The way out of the loop's process, as the queue's core and consumers see it."""

from typing_extensions import disjoint_base

@disjoint_base
class Outlet:
    """Where the events of one collector go that runs in other processes."""

@disjoint_base
class Elsewhere:
    """All that is out, or waits to go out."""
