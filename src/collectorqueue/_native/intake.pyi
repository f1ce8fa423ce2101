"""Putting: from a payload that may come in to an event that waits."""

import asyncio
from collections.abc import Callable
from typing import Any

from typing_extensions import disjoint_base

from collectorqueue._native.event import CollectorEvent
from collectorqueue._native.helping import Helping
from collectorqueue._native.payload import Payload
from collectorqueue._native.plan import Step
from collectorqueue._native.router import Index

@disjoint_base
class Intake(Helping):
    """How payloads become events of one queue."""

    on_sent: Callable[[CollectorEvent], object] | None
    """Told of each event, if it is not None; must not raise."""

    @property
    def index(self) -> Index: ...
    def check_route(self, payload: Payload[Any]) -> None:
        """Raise Unrouted if it must match something and does not."""

    def use_router(
        self,
        select: Callable[[Payload[Any]], tuple[Step, ...]] | None,
        whole_step: Step | None,
    ) -> None:
        """Route by `select(payload) -> tuple of steps`, or hand all to `whole_step`."""

    def validate_sends(self) -> None:
        """Some collector wants payloads to be checked when they are sent."""

    def send_straight(self, step: Step, payload: Payload[Any]) -> CollectorEvent:
        """Accept a payload for one step, whatever the bounds. Raises QueueFull, QueueClosed."""

    def fill_place(
        self, payload: Payload[Any], place: asyncio.Future[None]
    ) -> CollectorEvent:
        """Accept a payload in the place that its sender waited for."""
