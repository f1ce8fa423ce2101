"""The way of a process collector's events to the workers."""

import asyncio
from collections.abc import Callable
from typing import Any, Self, final

from collectorqueue._native.crew import Crew
from collectorqueue._native.errand import Remote
from collectorqueue._native.payload import Payload
from collectorqueue._native.plan import Step
from collectorqueue._native.results import Error, Ok

@final
class RemoteOutlet(Remote):
    """Where the events of one process collector go. `limit` and `timeout_ns`: 0 is none."""

    def __new__(
        cls,
        crew: Crew,
        step: Step,
        *,
        number: int,
        encode_into: Callable[..., None],
        explain: Callable[[Any, BaseException], BaseException],
        takes_raw: bool,
        is_async: bool,
        idempotent: bool,
        limit: int,
        timeout_ns: int,
    ) -> Self: ...
    def call(
        self, payload: Payload[Any], ctx: Any = None
    ) -> asyncio.Future[Ok[Any] | Error]:
        """Run the collector for a payload; a future of its Ok or Error."""
