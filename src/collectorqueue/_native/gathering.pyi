"""The results of an event's several collectors, while they come in."""

from typing import final

from collectorqueue._native.holders import Parts

@final
class Gathering(Parts):
    """One event's parts."""
