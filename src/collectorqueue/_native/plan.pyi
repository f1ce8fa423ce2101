"""What happens at one collector: its step, with the tallies that go with it."""

from collections.abc import Callable
from typing import Any, Self, final

from collectorqueue._native.event import Hub, Labelled
from collectorqueue._native.holders import Holder
from collectorqueue._native.outlet import Outlet
from collectorqueue._native.payload import Payload
from collectorqueue._native.retrial import Retrial
from collectorqueue._native.sums import _Quantiles

@final
class Step(Labelled):
    """One collector's compiled plan: how to call it, and what became of its calls."""

    def __new__(
        cls,
        key: str,
        collector: Any,
        call: Callable[..., Any],
        ctx: Any,
        *,
        with_ctx: bool = False,
        detached: bool = False,
        inline: bool = False,
        whole_router: bool = False,
    ) -> Self: ...
    @property
    def collector(self) -> Any:
        """Whose step it is."""

    @property
    def call(self) -> Callable[..., Any]:
        """`(payload)` or `(payload, ctx)`."""

    @property
    def order(self) -> int:
        """Its place in the order of registration."""

    @property
    def received(self) -> int: ...
    @property
    def ok(self) -> int: ...
    @property
    def failed(self) -> int: ...
    @property
    def running(self) -> int: ...
    @property
    def peak_running(self) -> int: ...
    def quantiles(self) -> tuple[_Quantiles, _Quantiles]:
        """Of waits and runs: count, mean, p50, p90, p99, p99.9; seconds."""

    def when_at_rest(self, callback: Callable[[], object]) -> None:
        """Call `callback()` once nothing of it runs; at once if nothing does."""

    def started(self) -> None:
        """A custom router calls it: count that."""

    def ended(self, good: bool, ns: int) -> None:
        """That call is over, after `ns`."""

    def rebind(self, call: Callable[..., Any]) -> None:
        """Call this from now on, with the same arguments."""

    @property
    def gate(self) -> Holder | None:
        """Its limits; None: there are none."""

    @property
    def batching(self) -> Holder | None:
        """Where its batches fill; None: it takes single events."""

    @property
    def retrial(self) -> Retrial | None:
        """Which failures are tried again; None: none."""

    @property
    def convert(self) -> Callable[[Payload[Any]], Payload[Any]] | None:
        """Makes payloads what it wants; None: they are as they are."""

    @property
    def validates(self) -> bool:
        """Its payloads are tried when they are sent."""

    @property
    def removed(self) -> bool:
        """Its collector was, from its queue."""

    def serves(self) -> bool:
        """Whether its queue may begin runs of it: it is there, and live."""

    def begin_anew(self, queue: Hub) -> None:
        """What it kept and counted in an earlier run of the queue is over, but for handlers
        that run on."""

    def limit_by(self, gate: Holder) -> None:
        """Its events pass this gate from now on."""

    def fill(self, batching: Holder) -> None:
        """Its events are run in batches."""

    def try_again(self, retrial: Retrial) -> None:
        """What fails is tried again by this rule."""

    def convert_by(
        self, convert: Callable[[Payload[Any]], Payload[Any]], validates: bool
    ) -> None:
        """Its payloads are made what `convert` returns; or, tried when sent too."""

    def give_time(self, seconds: float) -> None:
        """A run may take so long."""

    def lead_out(self, outlet: Outlet) -> None:
        """Its events go to other processes from now on."""
