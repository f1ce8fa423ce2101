"""Sending 1,000 payloads that are made already; nothing is collected meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.pieces.support import StandingQueue, at_once
from benchmarks.workload import answer
from collectorqueue import EventPublisher, Payload

EVENTS = 1000
ROUNDS = 200


@pytest.fixture
def standing() -> Iterator[StandingQueue]:
    with StandingQueue(answer, capacity=EVENTS) as queue:
        yield queue


def _measure(
    benchmark: Any, standing: StandingQueue, send_all: Callable[..., None]
) -> None:
    def with_room() -> tuple[tuple[Any, ...], dict[str, Any]]:
        standing.drain()
        return (standing.publisher, [Payload(i) for i in range(EVENTS)]), {}

    benchmark.group = "send, 1000 events"
    benchmark.pedantic(send_all, setup=with_room, rounds=ROUNDS, warmup_rounds=5)
    standing.drain()


def test_send_nowait(benchmark: BenchmarkFixture, standing: StandingQueue) -> None:
    """One call each."""

    def send_all(publisher: EventPublisher, payloads: list[Payload[Any]]) -> None:
        send_nowait = publisher.send_nowait
        for payload in payloads:
            send_nowait(payload)

    _measure(benchmark, standing, send_all)


def test_send(benchmark: BenchmarkFixture, standing: StandingQueue) -> None:
    """One `await` each."""

    async def send_each(
        publisher: EventPublisher, payloads: list[Payload[Any]]
    ) -> None:
        send = publisher.send
        for payload in payloads:
            await send(payload)

    def send_all(publisher: EventPublisher, payloads: list[Payload[Any]]) -> None:
        at_once(send_each(publisher, payloads))

    _measure(benchmark, standing, send_all)


def test_send_many(benchmark: BenchmarkFixture, standing: StandingQueue) -> None:
    """One call for all."""

    def send_all(publisher: EventPublisher, payloads: list[Payload[Any]]) -> None:
        at_once(publisher.send_many(payloads))

    _measure(benchmark, standing, send_all)
