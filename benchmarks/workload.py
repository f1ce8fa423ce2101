"""What all rivals are given: the handlers, and whom the events are for.

event-collector takes handlers of its own kind, which do the same.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, TypeVar

from collectorqueue import Ok, Payload

__all__ = [
    "Handler",
    "answer",
    "endless_windows",
    "in_windows",
    "recording",
    "sleeping_for",
]

Name = TypeVar("Name")
Handler = Callable[[Payload[Any]], Coroutine[Any, Any, Ok[Any]]]


async def answer(payload: Payload[Any]) -> Ok[Any]:
    """The least a handler can do."""
    return Ok(payload.value)


def sleeping_for(seconds: float) -> Handler:
    """A handler that sleeps; for no seconds it suspends once."""

    async def sleep_and_answer(payload: Payload[Any]) -> Ok[Any]:
        await asyncio.sleep(seconds)
        return Ok(payload.value)

    return sleep_and_answer


def recording(seen: list[Any]) -> Handler:
    """A handler that notes what it handles in `seen`."""

    async def record(payload: Payload[Any]) -> Ok[Any]:
        seen.append(payload.value)
        return Ok(payload.value)

    return record


def in_windows(names: list[Name], window: int) -> list[list[Name]]:
    """Names in turn, cut into windows; after the last window, begin again."""
    turns = names * window
    return [turns[at : at + window] for at in range(0, len(turns), window)]


def endless_windows(names: list[Name], window: int) -> Iterator[list[Name]]:
    """The same without end, made one at a time: for more names than windows are sent."""
    turns = itertools.cycle(names)
    while True:
        yield list(itertools.islice(turns, window))
