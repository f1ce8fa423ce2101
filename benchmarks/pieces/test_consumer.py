"""The consumer's step: 1,000 queued events taken, routed, collected and settled."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.pieces.support import StandingQueue
from benchmarks.workload import Handler, answer, sleeping_for
from collectorqueue import Payload

EVENTS = 1000
ROUNDS = 200


def _drain(benchmark: Any, handler: Handler, **options: Any) -> None:
    with StandingQueue(handler, capacity=EVENTS, **options) as standing:

        def fill() -> None:
            for i in range(EVENTS):
                standing.publisher.send_nowait(Payload(i))

        benchmark.group = "drain, 1000 events"
        benchmark.pedantic(standing.drain, setup=fill, rounds=ROUNDS, warmup_rounds=5)


@pytest.mark.parametrize("consumers", [1, 100])
def test_trivial_handler(benchmark: BenchmarkFixture, consumers: int) -> None:
    """A handler that does not suspend."""
    _drain(benchmark, answer, max_consumers=consumers, autoscale=False)


@pytest.mark.parametrize("consumers", [1, 100])
def test_suspending_handler(benchmark: BenchmarkFixture, consumers: int) -> None:
    """A handler that suspends once."""
    _drain(benchmark, sleeping_for(0.0), max_consumers=consumers, autoscale=False)


@pytest.mark.parametrize("kind", ["fifo", "lifo", "priority"])
def test_order(benchmark: BenchmarkFixture, kind: str) -> None:
    """The same from each lane."""
    _drain(benchmark, answer, max_consumers=1, queue_type=kind)


def test_plain_await(benchmark: BenchmarkFixture) -> None:
    """What awaiting the handler itself costs: the floor of all of these."""
    payloads = [Payload(i) for i in range(EVENTS)]

    async def await_each() -> None:
        for payload in payloads:
            await answer(payload)

    benchmark.group = "drain, 1000 events"
    with asyncio.Runner() as runner:
        benchmark(lambda: runner.run(await_each()))
