"""Sending one by one, with a bound on what is on its way: for rivals whose items one awaits."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from itertools import islice
from typing import Any

from benchmarks.workers.work import Work

__all__ = ["Waiting", "slide"]

WINDOW = 100

Waiting = deque[Awaitable[Any]]


async def slide(
    work: Work,
    count: int,
    send: Callable[[Iterator[Any], Waiting], Awaitable[None]],
    answer_in: Callable[[Any], Any],
) -> list[Any]:
    """Send a window, yield, repeat; read the oldest answers while more than `in_flight` wait.

    What has been answered is let go of, as a program does that runs for longer.
    """
    items = work.sent(count)
    waiting: Waiting = deque()
    answers: list[Any] = []
    left = count
    while left:
        await send(islice(items, WINDOW), waiting)
        left -= min(left, WINDOW)
        await asyncio.sleep(0)
        while len(waiting) > work.in_flight:
            answers.append(answer_in(await waiting.popleft()))
    while waiting:
        answers.append(answer_in(await waiting.popleft()))
    return answers
