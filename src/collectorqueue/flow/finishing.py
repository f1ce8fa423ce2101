"""What must be over before anyone goes on, whoever is cancelled meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

__all__ = ["finished"]

T = TypeVar("T")


async def finished(
    task: asyncio.Task[T], on_cancelled: Callable[[], Any] | None = None
) -> T:
    """What the task returns or raises; a cancellation is kept, and raised when it is over.

    `on_cancelled()` is called at once then.
    """
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError as error:
            if cancelled is None and on_cancelled is not None:
                on_cancelled()
            cancelled = cancelled or error
    if cancelled is None:
        return task.result()
    if not task.cancelled():
        task.exception()  # it has been seen
    try:
        raise cancelled
    finally:
        del cancelled  # it would keep this frame
