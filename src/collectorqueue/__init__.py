"""collectorqueue: an event queue that lives inside one Python program.

    queue = CollectorQueue()

    @queue.collector(topics="order.paid")
    async def receipt(payload):
        return await send_mail(payload.value)

    async with queue:
        event = await queue.publisher.send({"id": 7}, topics="order.paid")
        results = await event
"""

from __future__ import annotations

from typing import Any

from collectorqueue._native.door import Overflow
from collectorqueue._native.event import CollectorEvent, Outcome
from collectorqueue._native.lanes import QueueType
from collectorqueue._native.payload import Delivery, Payload
from collectorqueue._native.results import Error, Ok, ResultList
from collectorqueue.admin.load import Load
from collectorqueue.admin.metrics import Ledger, Metrics
from collectorqueue.flow.collector import Collector
from collectorqueue.flow.context import Context
from collectorqueue.flow.deadletters import DeadLetter
from collectorqueue.flow.policies import Batch, RateLimit, Retry
from collectorqueue.flow.publisher import EventPublisher
from collectorqueue.flow.router import Router, SimpleRouter
from collectorqueue.queue import CollectorQueue, DrainReport
from collectorqueue.run import run

__all__ = [
    "Batch",
    "Collector",
    "CollectorEvent",
    "CollectorQueue",
    "Context",
    "DeadLetter",
    "Delivery",
    "DrainReport",
    "Error",
    "EventPublisher",
    "Ledger",
    "Load",
    "Metrics",
    "Ok",
    "Outcome",
    "Overflow",
    "Payload",
    "QueueType",
    "RateLimit",
    "Result",
    "ResultList",
    "Retry",
    "Router",
    "SimpleRouter",
    "run",
]

Result = Ok | Error
"""What a collector answers."""


def __getattr__(name: str) -> Any:
    # Read when asked for: an uninstalled tree has no metadata, and works all the same.
    if name == "__version__":
        from importlib.metadata import version

        return version("collectorqueue")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
