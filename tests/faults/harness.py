"""What fault tests share: checks after a fault, threads, programs of their own."""

from __future__ import annotations

import asyncio
import inspect
import os
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import collectorqueue
from collectorqueue import Collector, CollectorQueue, Context, Outcome
from tests.support import Log, ticks

SOURCE = str(Path(collectorqueue.__file__).resolve().parent.parent)


def me() -> asyncio.Task[Any]:
    """The running task."""
    task = asyncio.current_task()
    assert task is not None
    return task


def consumer_tasks(
    loop: asyncio.AbstractEventLoop | None = None,
) -> list[asyncio.Task[Any]]:
    """The tasks of all consumers on this loop, or the running one, oldest first."""
    name = "collectorqueue consumer "
    return sorted(
        (
            task
            for task in asyncio.all_tasks(loop)
            if task.get_name().startswith(name) and not task.done()
        ),
        key=lambda task: int(task.get_name().removeprefix(name)),
    )


class Diary:
    """Lifecycles that write down what happens, and fail where they are told to."""

    def __init__(self, fail_enter: str = "", fail_exit: str = "") -> None:
        self.lines: list[str] = []
        self.fail_enter = fail_enter
        self.fail_exit = fail_exit

    def collector(self, key: str, processor: Any = None, **options: Any) -> Collector:
        @asynccontextmanager
        async def lifecycle(ctx: Context) -> AsyncIterator[None]:
            await ticks(1)
            if key in self.fail_enter:
                self.lines.append(f"{key} fails to enter")
                raise ValueError(f"enter {key}")
            self.lines.append(f"{key} enters")
            try:
                yield
            finally:
                await ticks(1)
                if key in self.fail_exit:
                    self.lines.append(f"{key} fails to exit")
                    raise ValueError(f"exit {key}")
                self.lines.append(f"{key} exits")

        return Collector(key, processor or Log(), lifecycle=lifecycle, **options)


def assert_closed(queue: CollectorQueue) -> None:
    """The sum closes, and nothing is queued or in flight."""
    ledger = queue.ledger
    assert ledger.closes, ledger
    assert ledger.queued == 0, ledger
    assert ledger.in_flight == 0, ledger


async def assert_serves(queue: CollectorQueue, **where: Any) -> None:
    """The queue still runs events: one that is sent now ends OK."""
    event = await queue.publisher.send("serves", **where)
    results = await event.wait(timeout=5)
    assert event.outcome is Outcome.OK, results
    assert me().cancelling() == 0


async def until_thread(claim: Callable[[], Any]) -> None:
    """Let the loop turn, in real time, until something that a thread does holds."""
    for _ in range(5000):
        if claim():
            return
        time.sleep(0.001)
        await asyncio.sleep(0)
    raise AssertionError(f"never came true: {inspect.getsource(claim).strip()}")


def queue_threads() -> list[threading.Thread]:
    """The threads of thread collectors that are alive."""
    return [
        thread
        for thread in threading.enumerate()
        if thread.name.startswith("collectorqueue-")
    ]


def environment(**more: str) -> dict[str, str]:
    """What a program needs to import this library as the tests do."""
    return {**os.environ, "PYTHONPATH": SOURCE, **more}


def program(text: str, *arguments: str, **variables: str) -> subprocess.Popen[str]:
    """Start a program of its own."""
    return subprocess.Popen(
        [sys.executable, "-X", "faulthandler", "-c", textwrap.dedent(text), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(**variables),
    )


def ended(
    process: subprocess.Popen[str], timeout: float = 20.0
) -> tuple[int, str, str]:
    """Wait for a program: its exit code, what it wrote, and its errors."""
    try:
        out, err = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        process.kill()
        out, err = process.communicate()
        raise AssertionError(f"the program hangs:\n{out}\n{err}") from None
    return process.returncode, out, err


def script(text: str, *arguments: str, **variables: str) -> tuple[int, str, str]:
    """Run a program of its own to its end: exit code, output, errors."""
    return ended(program(text, *arguments, **variables))
