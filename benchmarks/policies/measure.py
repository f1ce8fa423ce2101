"""One measurement, in a process of its own: `python -m benchmarks.policies.measure JSON`."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable
from time import perf_counter, perf_counter_ns
from typing import Any

from benchmarks.measure import run_on_loop
from collectorqueue import Batch, Collector, CollectorQueue, RateLimit, Retry

__all__ = ["measure", "run", "trivial", "why_not"]

WINDOW = 1000
KEYS = 10_000
CAPACITY = 200_000

Options = dict[str, Any]

BATCH: Options = {"batch": Batch(size=200)}
COLLECTOR: dict[str, Options] = {
    "timeout": {"timeout": 60},
    "retry": {"retry": Retry()},
    "dead_letter": {"dead_letter": print},
    "max_concurrency": {"max_concurrency": 1000},
    "rate_limit": {"rate_limit": RateLimit(1e9, burst=10**9)},
    "payload_type": {"payload_type": bytes},
    "batch": BATCH,
}
ALL: Options = {name: value for each in COLLECTOR.values() for name, value in each.items()}
TERMS: dict[str, Options] = {"ttl": {"ttl": 60}, "delay": {"delay": 0}}
VALUE = b"value"


def trivial(payload: Any) -> None:
    """Nothing."""


def costly(payload: Any) -> None:
    """A microsecond a call, however much it is given."""
    end = perf_counter_ns() + 1000
    while perf_counter_ns() < end:
        pass


def queue_of(way: str, handler: Callable[[Any], None]) -> CollectorQueue:
    """A queue with one collector that has this policy."""
    options = ALL if way == "all of them" else COLLECTOR.get(way, {})
    bounds: Options = {"max_bytes": 2**40} if way in ("max_bytes", "all of them") else {}
    collector = Collector("collect", handler, **options)
    return CollectorQueue([collector], capacity=CAPACITY, **bounds)


async def run(
    way: str, events: int, window: int, handler: Callable[[Any], None], keys: int = KEYS
) -> float:
    """Seconds for all, so many sent at a time and then awaited."""
    queue = queue_of(way, handler)
    keyed = way in ("ordering_key", "all of them")
    names = [f"device-{number}" for number in range(keys)]
    terms = TERMS.get(way, {})
    async with queue:
        send = queue.publisher.send_nowait
        begun = perf_counter()
        for first in range(0, events, window):
            if keyed:
                for number in range(first, min(first + window, events)):
                    send(VALUE, ordering_key=names[number % keys])
            elif terms:
                for _ in range(min(window, events - first)):
                    send(VALUE, **terms)
            else:
                for _ in range(min(window, events - first)):
                    send(VALUE)
            while queue.ledger.queued or queue.ledger.in_flight:
                await asyncio.sleep(0)
        seconds = perf_counter() - begun
        assert queue.ledger.ok == events
    return seconds


async def windowed(way: str, events: int) -> float:
    """Windows of 1,000."""
    return await run(way, events, WINDOW, trivial)


async def bursts(way: str, events: int) -> float:
    """So many that each key has several that wait."""
    return await run(way, events, 2 * KEYS, trivial)


async def in_order(way: str, events: int, handler: Callable[[Any], None]) -> float:
    return await run(way, events, 10 * WINDOW, handler)


MEASURES: dict[str, Callable[..., Any]] = {
    "windowed": windowed,
    "bursts": bursts,
    "trivial": lambda way, events: in_order(way, events, trivial),
    "costly": lambda way, events: in_order(way, events, costly),
}


def measure(
    rival: str, function: str, arguments: dict[str, Any], loop: str
) -> dict[str, float]:
    """The sample."""
    return {"value": run_on_loop(MEASURES[function](**arguments), loop)}


def why_not(rival: str, function: str, mode: str | None) -> str | None:
    """Why a rival cannot take part: there is no other."""
    return None


if __name__ == "__main__":
    print(json.dumps(measure(**json.loads(sys.argv[1]))))
