"""Where runs wait, and what they are of, as the core sees them."""

from typing import final

from typing_extensions import disjoint_base

from collectorqueue._native.timers import Alarm

class Holder(Alarm):
    """Where the runs of one collector wait."""

@disjoint_base
class Parts:
    """What an event with several collectors is made of."""

@final
class Share:
    """Which part of which event a run is of."""

@disjoint_base
class Bundle(Alarm):
    """The runs that one run stands for."""
