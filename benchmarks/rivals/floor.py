"""The floor: no queue at all, each handler awaited where its payload is made."""

from __future__ import annotations

from time import perf_counter

from benchmarks.workload import Handler, answer, recording
from collectorqueue import Payload

__all__ = ["LACKS", "MODES", "recording", "windowed"]

MODES = ("await",)
_NOTHING = "there is no queue"
LACKS = {
    "burst": _NOTHING,
    "round_trip": _NOTHING,
    "memory_per_event": _NOTHING,
    "routed": _NOTHING,
    "sleeping": "one event at a time",
    "responsiveness": _NOTHING,
    "topical": "no routing",
    "fan_out": "one handler",
    "dispatch": "no routing",
    "index_build": "no routing",
}


async def windowed(
    events: int,
    window: int,
    consumers: int,
    autoscale: bool,
    mode: str,
    *,
    handler: Handler = answer,
) -> float:
    """Never yields: there is nobody to yield to."""
    begun = perf_counter()
    for i in range(events):
        result = await handler(Payload(i))
    seconds = perf_counter() - begun
    assert result.value == events - 1
    return seconds
