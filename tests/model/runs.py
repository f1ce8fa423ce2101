"""Handlers whose runs go on only as they are told, and end in every way there is.

Rules of residence: what a handler does. What it should have come to is the reference's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from collectorqueue import Error, Ok
from tests.faults.harness import me

__all__ = ["ANSWERS", "ON_CANCEL", "PLAIN_ANSWERS", "Run"]


class Disaster(BaseException):
    """Of a program's own, and no Exception."""


def raises(error: Any) -> Callable[[], Any]:
    async def answer() -> Any:
        raise error

    return answer


def returns(value: Any) -> Callable[[], Any]:
    async def answer() -> Any:
        return value

    return answer


async def cancels_itself() -> None:
    me().cancel()
    await asyncio.sleep(0)


async def awaits_what_is_cancelled() -> None:
    future = asyncio.get_running_loop().create_future()
    future.cancel()
    await future


async def swallows_its_own_cancel() -> str:
    me().cancel()
    with suppress(asyncio.CancelledError):
        await asyncio.sleep(0)
    return "value"


async def minds_its_own_timeout() -> str:
    try:
        async with asyncio.timeout(0):
            await asyncio.Event().wait()
    except TimeoutError:
        return "value"
    return "the timeout did not come"


ANSWERS: dict[str, Callable[[], Any]] = {
    "value": returns("value"),
    "Ok": returns(Ok("value")),
    "Error": returns(Error("text")),
    "Error(ValueError)": returns(Error(ValueError("returned"))),
    "ValueError": raises(ValueError("raised")),
    "StopIteration": raises(StopIteration()),
    "ExceptionGroup": raises(BaseExceptionGroup("several", [Disaster()])),
    "SystemExit": raises(SystemExit(1)),
    "KeyboardInterrupt": raises(KeyboardInterrupt()),
    "GeneratorExit": raises(GeneratorExit()),
    "Disaster": raises(Disaster()),
    "CancelledError": raises(asyncio.CancelledError()),
    "cancels itself": cancels_itself,
    "awaits what is cancelled": awaits_what_is_cancelled,
    "swallowed": returns("value"),  # a cancel of its event
    "swallows its own cancel": swallows_its_own_cancel,
    "minds its own timeout": minds_its_own_timeout,
}
PLAIN_ANSWERS = ("value", "Error", "ValueError", "SystemExit", "CancelledError")
ON_CANCEL = ("obeys", "takes some turns", "swallows it", "ignores it")


class Run:
    """One run of a handler.

    `tell(...)` gives it something to do, as a function, or its answer, as a str.
    """

    def __init__(self, number: int, key: str) -> None:
        self.number = number
        self.key = key
        self.task = me()
        self.is_answered = False
        self.was_cancelled = False
        self._told: asyncio.Queue[str | Callable[[], Any]] = asyncio.Queue()

    def tell(self, what: str | Callable[[], Any]) -> None:
        """Let it do this next."""
        self.is_answered = self.is_answered or isinstance(what, str)
        self._told.put_nowait(what)

    async def answer(self, on_cancel: str) -> str:
        """Do as told until there is an answer."""
        while True:
            try:
                told = await self._told.get()
            except asyncio.CancelledError:
                self.was_cancelled = True
                if on_cancel == "ignores it":
                    continue
                if on_cancel == "swallows it":
                    return "swallowed"
                if on_cancel == "takes some turns":
                    await asyncio.sleep(0)
                    await asyncio.sleep(0)
                raise
            if isinstance(told, str):
                return "swallowed" if self.was_cancelled else told
            await told()
