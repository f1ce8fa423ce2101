"""One measurement, in a process of its own: `python -m benchmarks.threads.measure JSON`."""

from __future__ import annotations

import json
import sys
from time import perf_counter
from typing import Any

from benchmarks.measure import run_on_loop
from benchmarks.threads.rivals import RIVALS

__all__ = ["measure", "why_not"]


async def sending(rival: str, events: int, threads: int) -> float:
    """Seconds until all is handled; each number must come once."""
    seen = bytearray(events)

    def handle(number: int) -> None:
        seen[number] += 1

    begun = perf_counter()
    await RIVALS[rival](threads, events, handle)
    seconds = perf_counter() - begun
    assert seen.count(1) == events
    return seconds


def measure(
    rival: str, function: str, arguments: dict[str, Any], loop: str
) -> dict[str, float]:
    """The sample."""
    return {"value": run_on_loop(sending(rival, **arguments), loop)}


def why_not(rival: str, function: str, mode: str | None) -> str | None:
    """Why a rival cannot take part; None: it can."""
    if rival not in ("collectorqueue", "call_soon_threadsafe"):
        try:
            __import__(rival)
        except ImportError as error:
            return f"cannot be imported: {error}"
    return None


if __name__ == "__main__":
    print(json.dumps(measure(**json.loads(sys.argv[1]))))
