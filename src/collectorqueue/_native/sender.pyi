"""Where payloads come in: the compiled part of the publisher."""

from collections.abc import Iterable
from typing import Any

from typing_extensions import disjoint_base

from collectorqueue._native.core import Core
from collectorqueue._native.event import CollectorEvent, Delivery, Payload

@disjoint_base
class Sender:
    """Makes payloads of what it is given and offers them to the core."""

    def __init__(self, core: Core) -> None: ...
    @property
    def core(self) -> Core: ...
    def send_nowait(
        self,
        x: Any,
        delivery: Delivery | str | None = None,
        keys: str | Iterable[str] | None = None,
        topics: str | Iterable[str] | None = None,
        priority: int | None = None,
        *,
        ttl: float | None = None,
    ) -> CollectorEvent:
        """Send at once. Raises QueueFull, QueueNotStarted, QueueClosed, Unrouted."""

    def offer(
        self,
        x: Any,
        delivery: Delivery | str | None = None,
        keys: str | Iterable[str] | None = None,
        topics: str | Iterable[str] | None = None,
        priority: int | None = None,
        ttl: float | None = None,
    ) -> CollectorEvent | Payload[Any]:
        """The event if `x` could be accepted at once, or its payload: it must wait."""

    def carry_context(self, event: CollectorEvent) -> None:
        """Run it in a copy of the caller's context."""

    def offer_many(
        self, items: Iterable[Any], accepted: list[CollectorEvent]
    ) -> Payload[Any] | None:
        """Accept what `items` yields; returns a payload that must wait, or None."""
