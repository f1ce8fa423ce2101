"""The lanes beside asyncio's queues: 1,000 in, 1,000 out, called from Python.

The calls cost more than the lanes here: the core calls them from compiled code.
"""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from collectorqueue import Payload
from collectorqueue._native.probe import Probe

ITEMS = 1000
RIVALS: dict[str, type[asyncio.Queue[Any]]] = {
    "fifo": asyncio.Queue,
    "lifo": asyncio.LifoQueue,
    "priority": asyncio.PriorityQueue,
}


def _priorities() -> list[int]:
    return random.Random(1).choices(range(100), k=ITEMS)


@pytest.mark.parametrize("kind", RIVALS)
def test_lane(benchmark: BenchmarkFixture, kind: str) -> None:
    """Put and get on a lane of ours."""
    lane = Probe(kind)
    payloads = [Payload(i, priority=p) for i, p in enumerate(_priorities())]

    def through() -> None:
        for payload in payloads:
            lane.put(payload)
        for _ in payloads:
            lane.get()

    benchmark.group = f"lane {kind}"
    benchmark(through)
    assert len(lane) == 0


@pytest.mark.parametrize("kind", RIVALS)
def test_asyncio_queue(benchmark: BenchmarkFixture, kind: str) -> None:
    """The same on asyncio's queue of that order, by its calls that do not wait."""
    queue = RIVALS[kind]()
    items = [(p, i, Payload(i)) for i, p in enumerate(_priorities())]

    def through() -> None:
        for item in items:
            queue.put_nowait(item)
        for _ in items:
            queue.get_nowait()

    benchmark.group = f"lane {kind}"
    benchmark(through)
    assert queue.empty()
