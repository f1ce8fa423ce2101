"""Exceptions that lie about themselves cost their event, wherever they are raised."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from collectorqueue import Collector, CollectorQueue, Error, Outcome, Payload
from tests.liars import LIARS
from tests.support import assert_closes, both_loops


async def other(payload: Payload[str]) -> None:
    pass


def now(payload: Payload[str]) -> None:
    raise LIARS[payload.value]() from ValueError()


async def later(payload: Payload[str]) -> None:
    now(payload)


PLACES: dict[str, Callable[[], list[Collector]]] = {
    "plain": lambda: [Collector("a", now)],
    "async": lambda: [Collector("a", later)],
    "thread": lambda: [Collector("a", now, runs_in="thread")],
    "first of two": lambda: [Collector("a", later), Collector("b", other)],
    "last of two": lambda: [Collector("b", other), Collector("a", later)],
}


@pytest.mark.parametrize("hostile", LIARS)
@pytest.mark.parametrize("place", PLACES)
@both_loops
async def test_such_an_exception_fails_its_event_and_nothing_else(
    place: str, hostile: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with CollectorQueue(PLACES[place](), max_consumers=1) as queue:
        event = await queue.publisher.send(hostile)
        result = (await event)["a"]
        kind = type(result.err) if isinstance(result, Error) else None
        assert kind is type(LIARS[hostile]())
        assert event.outcome is Outcome.FAILED
    assert_closes(queue)
    assert "crashed" not in caplog.text
