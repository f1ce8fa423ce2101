"""Looking up the route of a payload, among few names and among many."""

from __future__ import annotations

from typing import Any

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.workload import answer
from collectorqueue import Collector, Payload, SimpleRouter

LOOKUPS = 1000
HOT = 10


def _router(collectors: int) -> SimpleRouter:
    return SimpleRouter(
        {
            f"name-{i}": Collector(f"name-{i}", answer, topics=f"topic-{i}")
            for i in range(collectors)
        }
    )


def _look_up(
    benchmark: BenchmarkFixture, collectors: int, payloads: list[Payload[Any]]
) -> Any:
    router = _router(collectors)
    router.select(payloads[0])  # builds the index
    assert router.index is not None
    find = router.index.find
    turns = payloads * (LOOKUPS // len(payloads))

    def dispatch() -> Any:
        for payload in turns:
            found = find(payload)
        return found

    return benchmark(dispatch)


@pytest.mark.parametrize("collectors", [10, 100_000])
def test_by_key(benchmark: BenchmarkFixture, collectors: int) -> None:
    """1,000 look-ups of 10 hot keys."""
    benchmark.group = "route, 1000 look-ups"
    payloads = [Payload(i, keys=f"name-{i}") for i in range(HOT)]
    assert _look_up(benchmark, collectors, payloads) == ["name-9"]


@pytest.mark.parametrize("collectors", [10, 100_000])
def test_by_topic(benchmark: BenchmarkFixture, collectors: int) -> None:
    """1,000 look-ups of 10 hot topics."""
    benchmark.group = "route, 1000 look-ups"
    payloads = [Payload(i, topics=f"topic-{i}") for i in range(HOT)]
    assert _look_up(benchmark, collectors, payloads) == ["name-9"]


def test_broadcast(benchmark: BenchmarkFixture) -> None:
    """1,000 look-ups of the one collector there is."""
    benchmark.group = "route, 1000 look-ups"
    assert _look_up(benchmark, 1, [Payload(0)]) == ["name-0"]


def test_several_topics(benchmark: BenchmarkFixture) -> None:
    """1,000 routes joined of three topics."""
    benchmark.group = "route, 1000 look-ups"
    payload = Payload(0, topics=("topic-1", "topic-2", "topic-3"))
    found = _look_up(benchmark, 10, [payload])
    assert found == ["name-1", "name-2", "name-3"]
