"""What is counted of one queue: its ledger, and how long it had how much to do."""

from typing import Any

from typing_extensions import disjoint_base

from collectorqueue._native.event import Hub

_Quantiles = tuple[int, float, float, float, float, float]

@disjoint_base
class Sums(Hub):
    """The counts of one queue since it was started."""

    @property
    def max_consumers(self) -> int: ...
    @property
    def at_cap(self) -> float:
        """Seconds in which events waited and the pool was at its largest."""

    @property
    def longest_hold(self) -> tuple[float, Any]:
        """(seconds, the collector's Step or None) of the run that held the loop longest."""

    def little_residual(self) -> float:
        """Conservation, as a share: what events stayed, by their own stamps, against how many
        were present when. Anything but 0.0 is an event lost, doubled or stamped wrongly."""

    def quantiles(self) -> tuple[_Quantiles, _Quantiles, _Quantiles]:
        """Of waits, services and sojourns since the start: count, mean, p50, p90, p99, p99.9;
        seconds."""

    @property
    def accepted(self) -> int: ...
    @property
    def ok(self) -> int: ...
    @property
    def failed(self) -> int: ...
    @property
    def unrouted(self) -> int: ...
    @property
    def dropped(self) -> int: ...
    @property
    def aborted(self) -> int: ...
    @property
    def queued(self) -> int: ...
    @property
    def in_flight(self) -> int: ...
    @property
    def overflow_sends(self) -> int: ...
    @property
    def refused_sends(self) -> int: ...
    @property
    def consumers(self) -> int:
        """Consumers in the pool, those told to retire left out."""

    @property
    def busy(self) -> int: ...
    @property
    def blocked(self) -> int:
        """Waits for an event that handlers are in."""

    def clear(self) -> None:
        """Back to an empty ledger."""

    def recent(
        self,
    ) -> tuple[
        float, float, float, float, float, int, int,
        tuple[_Quantiles, _Quantiles, _Quantiles] | None,
    ]:  # fmt: skip
        """Of the last minute, up to ten seconds more, or since the start if that is less:
        its seconds; mean numbers of events queued, of consumers busy, of consumers, and of
        events queued or running; how many events were accepted and ended; quantiles of
        waits, services and sojourns, or None where `quantiles` are the same."""
