"""What workers of the tests run that is odd: values, records, processes of theirs."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextvars
import dataclasses
import logging
import multiprocessing
import os
import signal
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from collectorqueue import Context, Ok, Payload, ResultList
from tests.liars import LIARS


class Shy:
    """Says nothing of itself: not made to its end, maybe."""

    def __repr__(self) -> str:
        raise AttributeError("not initialised")


class Gone(Mapping[str, int]):
    """Its source is not there any more."""

    def __getitem__(self, key: str) -> int:
        raise OSError("gone")

    def __iter__(self) -> Iterator[str]:
        raise OSError("gone")

    def __len__(self) -> int:
        return 1


class Exits:
    def __repr__(self) -> str:
        raise SystemExit


@dataclasses.dataclass(frozen=True)
class Point:
    """Can be a key in Python, not in msgpack."""

    x: int


VALUES: dict[str, Any] = {
    "shy": {Shy(): 1},
    "gone": Gone(),
    "exits": {Exits(): 1},
    "map of maps": {Point(1): 2},
}


def value(payload: Payload[str]) -> Any:
    return VALUES.get(payload.value, payload.value)


async def value_later(payload: Payload[str]) -> Any:
    await asyncio.sleep(0)
    return value(payload)


def values(payloads: list[Payload[str]]) -> list[Any]:
    return [value(each) for each in payloads]


class Longer(list[Any]):
    def __len__(self) -> int:
        return 2

    def __iter__(self) -> Any:
        raise RuntimeError("not now")


def longer(payloads: list[Payload[int]]) -> list[Any]:
    return Longer(range(payloads[0].value))


def as_result_list(payloads: list[Payload[int]]) -> ResultList:
    return ResultList([Ok(each.value) for each in payloads])


def large(payload: Payload[int]) -> bytes:
    return b"x" * payload.value


def talk(payload: Payload[int]) -> str:
    for number in range(payload.value):
        logging.getLogger("talk").warning("line %d %s", number, "x" * 200)
    return "talked"


def lie(payload: Payload[str]) -> None:
    raise LIARS[payload.value]() from ValueError()


async def lie_later(payload: Payload[str]) -> None:
    lie(payload)


USER: contextvars.ContextVar[int | None] = contextvars.ContextVar("USER", default=None)


async def note_user(payload: Payload[int]) -> int | None:
    before = USER.get()
    USER.set(payload.value)
    await asyncio.sleep(0.001)
    return before


async def ends_late(payload: Payload[Any]) -> str:
    try:
        await asyncio.sleep(60)
    except asyncio.CancelledError:
        return "late"
    return "never"


async def fails_late(payload: Payload[Any]) -> None:
    try:
        await asyncio.sleep(60)
    finally:
        raise KeyError("cleaning up")


def ignores_sigterm(payload: Payload[Any]) -> str:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    time.sleep(0.3)
    return "late"


async def blocks(payload: Payload[float]) -> None:
    time.sleep(payload.value)


@asynccontextmanager
async def never_left(ctx: Context) -> AsyncIterator[None]:
    yield
    await asyncio.sleep(3600)


@asynccontextmanager
async def dies_as_it_is_left(ctx: Context) -> AsyncIterator[None]:
    yield
    os._exit(3)


@asynccontextmanager
async def never_entered(ctx: Context) -> AsyncIterator[None]:
    raise ValueError("not today")
    yield


@asynccontextmanager
async def no_text(ctx: Context) -> AsyncIterator[None]:
    """As of a file whose name is no UTF-8."""
    raise ValueError("cannot open caf\udce9.txt")
    yield


def log_oddly(payload: Payload[str]) -> str:
    """A record made by hand, without what the logging module always puts there."""
    record = logging.LogRecord("odd", logging.WARNING, "x.py", 1, payload.value, None, None)
    record.lineno = record.name = record.pathname = None  # type: ignore[assignment]
    logging.getLogger("odd").handle(record)
    return "logged"


def inside(number: int) -> int:
    logging.getLogger("inside").warning("part %d", number)
    return number


def with_processes(payload: Payload[int]) -> list[int]:
    """Processes of its own, that are forks of the worker and log."""
    fork = multiprocessing.get_context("fork")
    with concurrent.futures.ProcessPoolExecutor(2, mp_context=fork) as pool:
        found = list(pool.map(inside, range(payload.value)))
    logging.getLogger("inside").warning("all")
    return found


def come_back_twice(payload: Payload[int]) -> str:
    """The child goes on as if it was the worker."""
    child = os.fork()
    if child:
        _, status = os.waitpid(child, 0)
        return f"the child ended with {os.waitstatus_to_exitcode(status)}"
    return "the child answers"
