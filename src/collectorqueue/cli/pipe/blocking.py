"""Blocking reads and writes for a loop, which has no other way to use a plain file.

Rules of residence: file descriptors and threads. What the bytes mean is not known here.

The threads are daemons and use descriptors, not Python's streams: one that is stuck in
a read when the program ends holds no lock that the interpreter would wait for.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import queue
import threading
from collections.abc import AsyncIterator, Callable
from typing import Any, Self

__all__ = ["LineWriter", "line_writer", "read_chunks"]

CHUNK_BYTES = 64 * 1024  # what a pipe of Linux holds

Call = Callable[[], Any]
Job = tuple[Call, "asyncio.Future[Any]", asyncio.AbstractEventLoop]


class SideThread:
    """Runs blocking calls for the loop, one at a time.

        with SideThread("input") as thread:
            data = await thread.call(read)
    """

    def __init__(self, name: str) -> None:
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        threading.Thread(target=self._work, name=name, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Have the thread end; not waited for, a read may last for ever."""
        self._jobs.put(None)

    async def call(self, call: Call) -> Any:
        """Run it there; returns what it returns, raises what it raises.

        A cancelled call runs on, and its result is discarded.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()
        self._jobs.put((call, future, loop))
        return await future

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            call, future, loop = job
            try:
                settle, outcome = future.set_result, call()
            except Exception as error:  # whatever it is, it belongs to the caller
                settle, outcome = future.set_exception, error
            try:
                loop.call_soon_threadsafe(_settle, future, settle, outcome)
            except RuntimeError:
                return  # the loop has been closed: nobody waits any more


async def read_chunks(descriptor: int) -> AsyncIterator[bytes]:
    """What can be read, chunk by chunk, as soon as it is there. Raises OSError.

    The next chunk is read when it is asked for: that is the back-pressure.
    """
    read = functools.partial(os.read, descriptor, CHUNK_BYTES)
    with SideThread("collectorqueue input") as thread:
        while chunk := await thread.call(read):
            yield chunk


class LineWriter:
    """Writes lines in the order in which they are added, all that are there at a time.

        async with line_writer(1, on_written=count) as writer:
            writer.add(line)

    `on_written` is told how many lines each write wrote: that is the back-pressure, for
    adding never waits.
    """

    def __init__(self, descriptor: int, on_written: Callable[[int], None]) -> None:
        self._descriptor = descriptor
        self._on_written = on_written
        self._lines: list[bytes] = []
        self._has_news = asyncio.Event()
        self._is_closed = False

    def add(self, line: bytes) -> None:
        """Take a line."""
        self._lines.append(line)
        self._has_news.set()

    def close(self) -> None:
        """No more lines will come."""
        self._is_closed = True
        self._has_news.set()

    async def write(self) -> None:
        """Write until closed. Raises OSError."""
        with SideThread("collectorqueue output") as thread:
            while self._lines or not self._is_closed:
                await self._has_news.wait()
                self._has_news.clear()
                lines, self._lines = self._lines, []
                data = b"".join(lines)
                await thread.call(functools.partial(write_all, self._descriptor, data))
                self._on_written(len(lines))


@contextlib.asynccontextmanager
async def line_writer(
    descriptor: int, on_written: Callable[[int], None]
) -> AsyncIterator[LineWriter]:
    """A writer at work; at the end, all is written.

    What a write raises ends the body, and comes out in an ExceptionGroup.
    """
    writer = LineWriter(descriptor, on_written)
    async with asyncio.TaskGroup() as group:
        group.create_task(writer.write(), name="writer")
        yield writer
        writer.close()


def write_all(descriptor: int, data: bytes) -> None:
    """Write until nothing is left: a pipe takes a part at a time."""
    left = memoryview(data)
    while left:
        left = left[os.write(descriptor, left) :]


def _settle(
    future: asyncio.Future[Any], settle: Callable[[Any], None], outcome: Any
) -> None:
    if not future.done():
        settle(outcome)
