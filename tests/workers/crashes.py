"""Ways for a worker to die that are not its handler's own plain doing."""

from __future__ import annotations

import asyncio
import ctypes
import os
import resource
import signal
import sys
import threading
import time
from typing import Any

from collectorqueue import Payload


class Fatal:
    """A value that kills whoever makes it, or writes it down."""


def make_fatal(kind: type, value: Any) -> Any:
    os.kill(os.getpid(), signal.SIGBUS)


def write_fatal(value: Any) -> Any:
    os.kill(os.getpid(), signal.SIGILL)


def same_fatal(payload: Payload[Fatal]) -> None:
    """Is never called: its payload cannot be made."""


def answer_fatal(payload: Payload[Any]) -> Fatal:
    return Fatal()


def die_in_a_thread(payload: Payload[Any]) -> None:
    threading.Thread(target=ctypes.string_at, args=(0,)).start()
    time.sleep(60)


async def die_in_a_callback(payload: Payload[Any]) -> None:
    asyncio.get_running_loop().call_later(0.01, os._exit, 9)
    await asyncio.sleep(60)


class DiesWhenFreed:
    def __del__(self) -> None:
        os.kill(os.getpid(), signal.SIGSYS)


def die_when_something_is_freed(payload: Payload[Any]) -> str:
    local = DiesWhenFreed()
    return type(local).__name__


def use_up_memory(payload: Payload[int]) -> int:
    """Allocate more than the system lets this process have."""
    used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + 50_000_000, resource.RLIM_INFINITY))
    return len(bytearray(payload.value))


def write_to_the_terminal(payload: Payload[str]) -> str:
    """As C libraries do, past Python, and as Python does."""
    print(payload.value)
    print(payload.value, file=sys.stderr)
    os.write(1, payload.value.encode())
    os.write(2, payload.value.encode())
    return payload.value
