"""The results of an event's several collectors, while they come in."""

from typing import final

@final
class Gathering:
    """One event's parts."""
