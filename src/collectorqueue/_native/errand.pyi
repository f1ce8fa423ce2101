"""What a worker is handed: one collector's run of one event."""

from typing import final

from typing_extensions import disjoint_base

from collectorqueue._native.outlet import Outlet
from collectorqueue._native.plan import Step

@disjoint_base
class Remote(Outlet):
    """One process collector: how its values are written, and its limits."""

    @property
    def step(self) -> Step:
        """The collector's."""

    @property
    def number(self) -> int:
        """By which workers know it."""

    @property
    def idempotent(self) -> bool: ...
    @property
    def cpu_ns(self) -> int:
        """CPU time of its finished runs."""

    @property
    def run_ns(self) -> int:
        """The time they took."""

    @property
    def lost(self) -> int:
        """Runs that ended with their worker."""

    @property
    def reruns(self) -> int:
        """Of them, how many were run again."""

@disjoint_base
class Errand:
    """One collector's run of one event, in a worker."""

    @property
    def attempts(self) -> int:
        """How often it was lost with a worker, and run again."""

@final
class Part(Errand):
    """The same, of an event that has several collectors."""

@final
class Call(Errand):
    """The same, asked for by a custom router, which counts it itself."""

def key_of(errand: Errand) -> str:
    """The key of the collector it is for."""

def timeout_of(errand: Errand) -> float:
    """Its collector's timeout, in seconds."""
