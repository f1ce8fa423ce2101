"""What the collectors of a soak do: note that they begin, then act as the payload says.

A value is `[number, act, seconds]`. Worker processes note what they begin in a file,
which each of them appends to: one write is whole or is not there, whenever its writer
is killed.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import struct
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from collectorqueue import Context, Error, Payload

__all__ = [
    "ACTS", "DEADLY", "HERE", "WORKER_KEYS", "act_here", "again", "begun_in_workers",
    "keeping_notes", "once", "raise_it", "together",
]  # fmt: skip

NOTE = struct.Struct("<Bq")  # which collector, which event

# The collectors that run in workers, as their notes name them.
WORKER_KEYS = ("once", "again", "together")


class Unusual(BaseException):
    """One that no `except Exception` catches."""


RAISED: dict[str, type[BaseException]] = {
    "ValueError": ValueError,
    "SystemExit": SystemExit,
    "KeyboardInterrupt": KeyboardInterrupt,
    "GeneratorExit": GeneratorExit,
    "CancelledError": asyncio.CancelledError,
    "StopIteration": StopIteration,
    "MemoryError": MemoryError,
    "Unusual": Unusual,
}
ACTS = (*RAISED, "ExceptionGroup", "Error")  # that fail, wherever they are done
HERE = ("cancels itself", "is deaf", "blocks")  # on the loop only
DEADLY = ("SIGKILL", "SIGSEGV", "SIGSTOP", "exits")  # in worker processes only


def raise_it(act: str, number: int) -> Any:
    """Fail in one of the ways; anything else is a success."""
    if act in RAISED:
        raise RAISED[act](number)
    if act == "ExceptionGroup":
        raise ExceptionGroup("several", [ValueError(number), OSError(number)])
    if act == "Error":
        return Error("on purpose", {"number": number})
    return number


async def act_here(number: int, act: str, seconds: float) -> Any:
    """In a coroutine on the loop."""
    if act == "blocks":
        time.sleep(seconds)
    elif act == "cancels itself":
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        await asyncio.sleep(seconds)
    elif act == "is deaf":
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            try:
                await asyncio.sleep(left)
            except asyncio.CancelledError:
                continue
    elif seconds:
        await asyncio.sleep(seconds)
    return raise_it(act, number)


# -- in workers -------------------------------------------------------------------


@asynccontextmanager
async def keeping_notes(ctx: Context) -> AsyncGenerator[None]:
    """The lifecycle of those in workers: `ctx.notes` is the file's path."""
    ctx.file = os.open(ctx.notes, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC)
    try:
        yield
    finally:
        os.close(ctx.file)


def begun_in_workers(notes: Path) -> list[tuple[str, int]]:
    """What the file says: collector and number of each run, in the order they began."""
    try:
        data = notes.read_bytes()
    except FileNotFoundError:
        return []
    return [(WORKER_KEYS[which], number) for which, number in NOTE.iter_unpack(data)]


def act_in_worker(which: str, value: list[Any], ctx: Context) -> Any:
    number, act, seconds = value
    os.write(ctx.file, NOTE.pack(WORKER_KEYS.index(which), number))
    if act == "SIGSEGV":
        ctypes.string_at(0)
    elif act == "exits":
        os._exit(0)
    elif act in DEADLY:
        os.kill(os.getpid(), signal.Signals[act])
    if seconds:
        time.sleep(seconds)
    return raise_it(act, number)


def once(payload: Payload[list[Any]], ctx: Context) -> Any:
    """Never run again: what dies with its worker has failed."""
    return act_in_worker("once", payload.value, ctx)


async def again(payload: Payload[list[Any]], ctx: Context) -> Any:
    """For an idempotent collector: run again when its worker has died."""
    result = act_in_worker("again", payload.value, ctx)
    await asyncio.sleep(0)
    return result


def together(payloads: list[Payload[list[Any]]], ctx: Context) -> list[Any]:
    """For a batch."""
    return [act_in_worker("together", each.value, ctx) for each in payloads]
