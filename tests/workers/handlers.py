"""What the workers of the tests run: found by import, so at the top level of a module."""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import sys
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import msgspec

from collectorqueue import Context, Error, Ok, Payload


class Order(msgspec.Struct):
    id: int
    tags: list[str] = []


def add_one(payload: Payload[int]) -> int:
    return payload.value + 1


async def add_two(payload: Payload[int]) -> int:
    await asyncio.sleep(0)
    return payload.value + 2


def same(payload: Payload[Any]) -> Any:
    return payload.value


def kind_of(payload: Payload[Any]) -> str:
    return type(payload.value).__name__


def address(payload: Payload[Any]) -> list[Any]:
    return [
        str(payload.delivery), list(payload.keys), list(payload.topics), payload.priority
    ]  # fmt: skip


def pid(payload: Payload[Any]) -> int:
    return os.getpid()


def open_files(payload: Payload[Any]) -> tuple[int, list[str]]:
    """This worker, and those of its files that another could have too, by name."""
    found = set()
    for entry in os.listdir("/proc/self/fd"):
        with suppress(FileNotFoundError):  # the folder itself, that was read
            found.add(os.readlink(f"/proc/self/fd/{entry}"))
    return os.getpid(), sorted(
        file for file in found if file.startswith(("socket:", "/memfd:"))
    )


def size_of_answer(payload: Payload[int]) -> bytes:
    return bytes(payload.value)


def fail(payload: Payload[str]) -> None:
    raise ValueError(payload.value)


class Odd(Exception):
    """Needs arguments, and will not say what it is."""

    def __init__(self, one: int, *, two: int) -> None:
        super().__init__(one, two)

    def __str__(self) -> str:
        raise RuntimeError("no text")


class Hostile(Exception):
    def __reduce__(self) -> Any:
        return os.mkdir, ("made-by-reduce",)


def raise_odd(payload: Payload[str]) -> None:
    match payload.value:
        case "odd":
            raise Odd(1, two=2)
        case "hostile":
            raise Hostile
        case "exit":
            sys.exit(3)
        case "generator":
            raise GeneratorExit
        case "interrupt":
            raise KeyboardInterrupt
        case "cancelled":
            raise asyncio.CancelledError
        case "long":
            raise ValueError("x" * 50_000_000)
        case "surrogate":
            raise ValueError("\ud800")
        case "deep":
            error: BaseException = ValueError("the first")
            for _ in range(5000):
                outer = ValueError("next")
                outer.__cause__ = error
                error = outer
            raise error


def answer_odd(payload: Payload[str]) -> Any:
    circle: list[Any] = []
    circle.append(circle)
    return {
        "lock": threading.Lock(),
        "surrogate": "\ud800",
        "long int": 2**70,
        "circle": circle,
        "error": Error("on purpose", {"why": 1}),
        "ok": Ok(5),
        "none": None,
    }[payload.value]


def die(payload: Payload[str]) -> Any:
    match payload.value:
        case "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        case "segv":
            ctypes.string_at(0)
        case "abort":
            os.abort()
        case "exit":
            os._exit(0)
        case "c-exit":
            ctypes.CDLL(None).exit(7)
        case "close":
            os.closerange(3, 1000)
        case "stop":
            os.kill(os.getpid(), signal.SIGSTOP)
    return payload.value


def die_once(payload: Payload[str]) -> int:
    """Dies the first times, as the files tell; then answers how often."""
    folder, times = payload.value.rsplit(":", 1)
    runs = len(os.listdir(folder))
    Path(folder, str(runs)).touch()
    if runs < int(times):
        os.kill(os.getpid(), signal.SIGKILL)
    return runs


def spin(payload: Payload[float]) -> float:
    end = time.monotonic() + payload.value
    while time.monotonic() < end:
        pass
    return payload.value


def ignore_term(payload: Payload[float]) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    time.sleep(payload.value)


async def sleep(payload: Payload[float]) -> float:
    await asyncio.sleep(payload.value)
    return payload.value


class AtOnce:
    """How many runs there are at once, in this worker."""

    now = 0
    most = 0


async def at_once(payload: Payload[float]) -> int:
    AtOnce.now += 1
    AtOnce.most = max(AtOnce.most, AtOnce.now)
    await asyncio.sleep(payload.value)
    AtOnce.now -= 1
    return AtOnce.most


@asynccontextmanager
async def lifecycle(ctx: Context) -> AsyncIterator[None]:
    ctx.entered = ctx.entered + 1 if "entered" in ctx else 1
    ctx.pid = os.getpid()
    yield
    if "folder" in ctx:
        Path(ctx.folder, f"left-{os.getpid()}").touch()


@asynccontextmanager
async def failing_lifecycle(ctx: Context) -> AsyncIterator[None]:
    raise RuntimeError("it cannot be entered")
    yield


@asynccontextmanager
async def lifecycle_failing_at_exit(ctx: Context) -> AsyncIterator[None]:
    yield
    raise RuntimeError("it cannot be left")


def from_context(payload: Payload[Any], ctx: Context) -> list[Any]:
    return [ctx.entered, ctx.pid == os.getpid(), dict(ctx.__getstate__()).get("given")]


def log_it(payload: Payload[str]) -> None:
    import logging

    logging.getLogger("tests.worker").warning("%s", payload.value)


def encode_complex(value: Any) -> Any:
    if isinstance(value, complex):
        return [value.real, value.imag]
    raise NotImplementedError(f"not {type(value).__name__}")


def decode_complex(kind: type, value: Any) -> Any:
    return complex(*value)


def conjugate(payload: Payload[complex]) -> complex:
    return payload.value.conjugate()


def fork_child(payload: Payload[str]) -> int:
    """Leaves a child behind that writes its pid, and then dies itself."""
    child = os.fork()
    if child == 0:
        time.sleep(60)
        os._exit(0)
    Path(payload.value).write_text(str(child))
    os.kill(os.getpid(), signal.SIGKILL)
    return child


def eat_memory(payload: Payload[int]) -> int:
    Kept.data.append(bytearray(payload.value))
    return os.getpid()


class Kept:
    data: list[bytearray] = []


def run_out_of_memory(payload: Payload[str]) -> int:
    if payload.value == "out":
        raise MemoryError
    return os.getpid()


def write_garbage(payload: Payload[None]) -> None:
    """To every socket there is."""
    import stat

    for name in os.listdir("/proc/self/fd"):
        try:
            if stat.S_ISSOCK(os.fstat(int(name)).st_mode):
                os.write(int(name), b"garbage " * 100)
        except OSError:
            pass
    time.sleep(10)


def hold_the_lock(payload: Payload[float]) -> None:
    """In C, without letting go of the interpreter."""
    ctypes.PyDLL(None).sleep(int(payload.value))


class Turns:
    taken = 0


def in_turn(payload: Payload[float]) -> int:
    spin(payload)
    Turns.taken += 1
    return Turns.taken


async def hang_on_request(payload: Payload[str]) -> str:
    """Hangs, whoever cancels it, if the value is "hang"."""
    while payload.value == "hang":
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            pass
    return payload.value


class Unread:
    """Payloads that were kept as they came."""

    before: list[msgspec.Raw] = []


def keep_raw(payload: Payload[msgspec.Raw]) -> list[str]:
    """The beginnings of what was kept before, as they read now; this is kept too."""
    Unread.before.append(payload.value)
    return [bytes(each)[5:13].decode("latin-1") for each in Unread.before]


def size(payload: Payload[bytes]) -> int:
    return len(payload.value)


def nap(payload: Payload[float]) -> float:
    time.sleep(payload.value)
    return payload.value


async def end_late(payload: Payload[float]) -> str:
    """Lets itself be cancelled only after some seconds."""
    end = time.monotonic() + payload.value
    while (left := end - time.monotonic()) > 0:
        try:
            await asyncio.sleep(left)
        except asyncio.CancelledError:
            pass
    return "ended"


@asynccontextmanager
async def lifecycle_failing_late(ctx: Context) -> AsyncIterator[None]:
    await asyncio.sleep(0.3)
    raise RuntimeError("it cannot be entered")
    yield


@asynccontextmanager
async def exclusive_lifecycle(ctx: Context) -> AsyncIterator[None]:
    """One worker at a time; others wait until that has left."""
    lock = Path(ctx.folder, "lock")
    while True:
        with suppress(FileExistsError):
            lock.touch(exist_ok=False)
            break
        await asyncio.sleep(0.01)
    try:
        yield
    finally:
        lock.unlink()


@asynccontextmanager
async def lifecycle_for_one_only(ctx: Context) -> AsyncIterator[None]:
    """The second worker fails, once the first is ready."""
    lock = Path(ctx.folder, "lock")
    try:
        lock.touch(exist_ok=False)
    except FileExistsError:
        await asyncio.sleep(0.5)
        raise
    try:
        yield
    finally:
        lock.unlink()


@asynccontextmanager
async def slow_lifecycle(ctx: Context) -> AsyncIterator[None]:
    await asyncio.sleep(0.7)
    yield
