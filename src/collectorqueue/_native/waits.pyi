"""Which handlers wait for which events: so that no circle of them can close."""

from typing import final

@final
class Waits:
    """The waits that handlers of one queue are in."""
