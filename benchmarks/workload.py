"""What all rivals are given: the handlers, and whom the events are for.

event-collector takes handlers of its own kind, which do the same.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from collectorqueue import Ok, Payload

__all__ = ["Handler", "answer", "in_windows", "recording", "sleep_and_answer"]

Handler = Callable[[Payload[Any]], Awaitable[Ok[Any]]]


async def answer(payload: Payload[Any]) -> Ok[Any]:
    """The least a handler can do."""
    return Ok(payload.value)


async def sleep_and_answer(payload: Payload[Any]) -> Ok[Any]:
    """Suspends once."""
    await asyncio.sleep(0)
    return Ok(payload.value)


def recording(seen: list[Any]) -> Handler:
    """A handler that notes what it handles in `seen`."""

    async def record(payload: Payload[Any]) -> Ok[Any]:
        seen.append(payload.value)
        return Ok(payload.value)

    return record


def in_windows(names: list[str], window: int) -> list[list[str]]:
    """Names in turn, over and over, cut into windows; after the last, begin again."""
    turns = names * window
    return [turns[at : at + window] for at in range(0, len(turns), window)]
