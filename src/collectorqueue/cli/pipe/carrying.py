"""The way of a line: read -> decode -> send -> wait -> write.

At most `WINDOW` lines are between read and written. In order, a finished line waits for
those before it; so a slow one holds up the window, never memory.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

from collectorqueue import CollectorEvent, CollectorQueue, Payload
from collectorqueue.cli.errors import CommandError
from collectorqueue.cli.pipe.blocking import line_writer, read_chunks
from collectorqueue.cli.pipe.lines import LineSplitter
from collectorqueue.cli.pipe.records import MalformedLine, decode, encode
from collectorqueue.cli.words import describe
from collectorqueue.errors import QueueClosed

__all__ = ["Carrying"]

WINDOW = 1_000  # lines: many times what a pool of 64 runs at once


class Carrying:
    """Carries the lines of one input through one queue.

        carrying = Carrying(queue, ordered=True, complain=print)
        await carrying.run(source=0, sink=1)
        carrying.failed, carrying.malformed
    """

    def __init__(
        self, queue: CollectorQueue, ordered: bool, complain: Callable[[str], None]
    ) -> None:
        self._queue = queue
        self._ordered = ordered
        self._complain = complain
        self._room = asyncio.Semaphore(WINDOW)
        self._last_turn: asyncio.Task[None] | None = None
        self.well = 0  # lines, each counted once
        self.failed = 0
        self.malformed = 0
        self.is_interrupted = False
        self.unreadable = ""  # why the input could not be read to its end

    async def run(self, source: int, sink: int) -> None:
        """Read one descriptor to its end, and write the results to the other.

        A signal ends the reading; what was accepted is drained and written all the
        same.
        Raises an ExceptionGroup: of CommandError when the queue does not start, and of
        OSError when the output cannot be written.
        """
        async with (
            line_writer(sink, self._make_room) as self._writer,
            asyncio.TaskGroup() as self._deliveries,
        ):
            is_read = False
            async with started(self._queue), self._queue.shutdown_on_signals():
                await self._feed(source)
                is_read = True
            self.is_interrupted = not is_read

    async def _feed(self, source: int) -> None:
        try:
            async for number, line in numbered_lines(source):
                await self._take(number, line)
        except QueueClosed:
            return  # by a handler: no more is taken
        except OSError as error:
            self.unreadable = f"the input cannot be read: {describe(error)}"

    async def _take(self, number: int, line: bytes | None) -> None:
        if line is not None and not line.strip():
            return
        try:
            if line is None:
                raise MalformedLine("it is too long")
            payload = decode(line)
        except MalformedLine as error:
            self.malformed += 1
            self._complain(f"line {number}: malformed: {error}")
            return
        await self._room.acquire()
        event = await self._send(number, payload)
        if event is not None:
            delivery = self._deliver(number, event, self._last_turn)
            self._last_turn = self._deliveries.create_task(delivery)

    async def _send(self, number: int, payload: Payload[Any]) -> CollectorEvent | None:
        try:
            return await self._queue.publisher.send(payload)
        except Exception as error:  # of the queue, or of functions it was given
            self.failed += 1
            self._make_room(1)
            self._complain(f"line {number}: not accepted: {describe(error)}")
            if isinstance(error, QueueClosed):
                raise
            return None

    async def _deliver(
        self, number: int, event: CollectorEvent, before: asyncio.Task[None] | None
    ) -> None:
        await event
        line, is_well = encode(number, event)
        self.well += is_well
        self.failed += not is_well
        if self._ordered and before is not None:
            await before
        self._writer.add(line)

    def _make_room(self, lines: int) -> None:
        for _ in range(lines):
            self._room.release()


@contextlib.asynccontextmanager
async def started(queue: CollectorQueue) -> AsyncIterator[None]:
    """The queue, running. Raises CommandError when it does not start."""
    async with contextlib.AsyncExitStack() as stack:
        try:
            await stack.enter_async_context(queue)
        except Exception as error:  # a lifecycle of the user's own may raise anything
            raise CommandError(f"the queue did not start: {describe(error)}") from error
        yield


async def numbered_lines(source: int) -> AsyncIterator[tuple[int, bytes | None]]:
    """The lines of a descriptor, as they come. Raises OSError."""
    splitter = LineSplitter()
    async for chunk in read_chunks(source):
        for each in splitter.feed(chunk):
            yield each
    for each in splitter.finish():
        yield each
