"""Exceptions that lie about themselves cost their event, wherever they are raised."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from collectorqueue import (
    Collector,
    CollectorQueue,
    Error,
    Outcome,
    Payload,
    ResultList,
    Retry,
    Router,
    SimpleRouter,
)
from tests.liars import LIARS
from tests.support import assert_closes, both_loops


async def other(payload: Payload[str]) -> None:
    pass


def now(payload: Payload[str]) -> None:
    raise LIARS[payload.value]() from ValueError()


async def later(payload: Payload[str]) -> None:
    now(payload)


class OneByOne(Router):
    async def handle_event(self, payload: Payload[str]) -> ResultList:
        results = [await each.process(payload) for each in self.collectors.values()]
        return ResultList(results, list(self.collectors))


PLACES: dict[str, Callable[[], list[Collector]]] = {
    "plain": lambda: [Collector("a", now)],
    "async": lambda: [Collector("a", later)],
    "thread": lambda: [Collector("a", now, runs_in="thread")],
    "first of two": lambda: [Collector("a", later), Collector("b", other)],
    "tried again": lambda: [Collector("a", later, retry=Retry(2, backoff=0))],
    "tried again beside": lambda: [
        Collector("a", later, retry=Retry(2, backoff=0)), Collector("b", other)
    ],
    "of a router": lambda: [Collector("a", later, timeout=5)],
    "last of two": lambda: [Collector("b", other), Collector("a", later)],
}


@pytest.mark.parametrize("hostile", LIARS)
@pytest.mark.parametrize("place", PLACES)
@both_loops
async def test_such_an_exception_fails_its_event_and_nothing_else(
    place: str, hostile: str, caplog: pytest.LogCaptureFixture
) -> None:
    router = OneByOne if place == "of a router" else SimpleRouter
    async with CollectorQueue(PLACES[place](), router, max_consumers=1) as queue:
        event = await queue.publisher.send(hostile)
        result = (await event)["a"]
        kind = type(result.err) if isinstance(result, Error) else None
        assert kind is type(LIARS[hostile]())
        assert event.outcome is Outcome.FAILED
    assert_closes(queue)
    assert "crashed" not in caplog.text
