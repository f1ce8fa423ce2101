"""One event at several collectors."""

from typing_extensions import disjoint_base

from collectorqueue._native.driver import Driver

@disjoint_base
class Spreading(Driver):
    """Has the collectors of one event run, in order and side by side."""
