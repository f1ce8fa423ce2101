"""Exceptions that lie about themselves cost their event, wherever they are raised."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from collectorqueue import Collector, CollectorQueue, Error, Outcome, Payload
from tests.support import assert_closes, both_loops


class Named(type):
    @property
    def __name__(cls) -> str:  # type: ignore[override]
        raise RuntimeError("no name")


class BadName(Exception, metaclass=Named):
    pass


class BadClass(Exception):
    @property
    def __class__(self) -> Any:
        raise RuntimeError("no class")

    @__class__.setter
    def __class__(self, kind: Any) -> None:
        raise RuntimeError("no class")


class BadGroup(ExceptionGroup[Exception]):
    @property
    def exceptions(self) -> Any:
        raise RuntimeError("nothing inside")


HOSTILE: dict[str, Callable[[], BaseException]] = {
    "name": BadName,
    "class": BadClass,
    "group": lambda: BadGroup("g", [ValueError()]),
}


async def other(payload: Payload[str]) -> None:
    pass


def now(payload: Payload[str]) -> None:
    raise HOSTILE[payload.value]() from ValueError()


async def later(payload: Payload[str]) -> None:
    now(payload)


PLACES: dict[str, Callable[[], list[Collector]]] = {
    "plain": lambda: [Collector("a", now)],
    "async": lambda: [Collector("a", later)],
    "thread": lambda: [Collector("a", now, runs_in="thread")],
    "first of two": lambda: [Collector("a", later), Collector("b", other)],
    "last of two": lambda: [Collector("b", other), Collector("a", later)],
}


@pytest.mark.parametrize("hostile", HOSTILE)
@pytest.mark.parametrize("place", PLACES)
@both_loops
async def test_such_an_exception_fails_its_event_and_nothing_else(
    place: str, hostile: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with CollectorQueue(PLACES[place](), max_consumers=1) as queue:
        event = await queue.publisher.send(hostile)
        result = (await event)["a"]
        kind = type(result.err) if isinstance(result, Error) else None
        assert kind is type(HOSTILE[hostile]())
        assert event.outcome is Outcome.FAILED
    assert_closes(queue)
    assert "crashed" not in caplog.text
