"""What is counted on an event's way: log-bucket histograms, filled without a lock."""

from typing import final

@final
class Histogram:
    """How often which duration was seen; ns in, quantiles out (<= 2 % error)."""

    @property
    def count(self) -> int: ...
    @property
    def total_ns(self) -> int: ...
    def record(self, ns: int) -> None:
        """Count one duration of `ns` nanoseconds."""

    def merge(self, other: Histogram) -> None:
        """Add all that `other` has counted."""

    def quantile(self, q: float) -> int:
        """The ns that a share `q`, 0 to 1, did not exceed; 0 when empty. ValueError."""

    def mean(self) -> float:
        """The mean duration in ns; 0.0 when empty."""
