"""What a consumer does with one event: route -> collect -> settle."""

from typing_extensions import disjoint_base

from collectorqueue._native.spreading import Spreading

@disjoint_base
class Collecting(Spreading):
    """Collects one event after the other."""

    @property
    def needs_successor(self) -> bool:
        """It ended without being told to: the pool puts another in its place."""
