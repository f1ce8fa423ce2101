"""The publishers: each takes file after file through the queue.

A file is read by the `reader`, sent whole on one topic and line by line on another;
what `outline` answers is sent on to the `store`. A publisher waits for its file before
it takes the next, and for room whenever the queue is full: that bounds memory.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator

import msgspec

from collectorqueue import (
    CollectorEvent,
    CollectorQueue,
    Error,
    Ok,
    Payload,
    ResultList,
)
from collectorqueue.cli.demo.events import (
    FILES,
    LINES,
    OUTLINES,
    Outlined,
    SourceFile,
    SourceLine,
)
from collectorqueue.cli.demo.phases import Phase
from collectorqueue.cli.demo.sources import Found, SourceText
from collectorqueue.errors import RemoteError

__all__ = ["FailedFile", "Publishing"]

READ_FIRST = 0  # priorities: a reader that waited behind lines would starve publishers
BATCH = 1_000  # lines a send_many: its list of events is all it holds


class FailedFile(msgspec.Struct, frozen=True):
    """A file that a collector could not handle."""

    file: str
    collector: str
    error: str


class Publishing:
    """What has been sent so far, and who is sending now."""

    def __init__(self, queue: CollectorQueue) -> None:
        self._publisher = queue.publisher
        self.files = 0
        self.lines = 0
        self.sending = 0  # publishers within a send: when seen from outside, they wait
        self.failed: list[FailedFile] = []

    async def send_all(
        self, files: Iterator[Found], phase: Phase, is_over: Callable[[], bool]
    ) -> None:
        """Send files as the phase says, until none is left or it `is_over`."""
        async with asyncio.TaskGroup() as group:
            for _ in range(phase.publishers):
                group.create_task(self._send_until(files, phase, is_over))

    async def _send_until(
        self, files: Iterator[Found], phase: Phase, is_over: Callable[[], bool]
    ) -> None:
        while not is_over() and (found := next(files, None)) is not None:
            await self._send(found, phase.pace)

    async def _send(self, found: Found, pace: int | None) -> None:
        """Take one file through the queue; returns when its own event has ended."""
        self.files += 1
        read = await self._publisher.request(found, keys="reader", priority=READ_FIRST)
        match read.first():
            case Ok(SourceText() as text):
                await self._send_text(text, urgency(found.size_bytes), pace)
            case _:
                self._note_failures(found.name, read)

    async def _send_text(
        self, text: SourceText, priority: int, pace: int | None
    ) -> None:
        event = await self._publisher.send(
            SourceFile(text), topics=FILES, priority=priority
        )
        await self._send_lines(text, priority, pace)
        results = await event
        self._note_failures(text.name, results)
        match results["outline"]:
            case Ok(dict() as outlined):
                await self._publisher.send(
                    msgspec.convert(outlined, Outlined), topics=OUTLINES, priority=priority
                )

    async def _send_lines(
        self, text: SourceText, priority: int, pace: int | None
    ) -> None:
        numbers = range(1, len(text.lines) + 1)
        step = pace or BATCH
        for at in range(0, len(numbers), step):
            batch = numbers[at : at + step]
            await self._send_batch(
                Payload(SourceLine(text, number), topics=LINES, priority=priority)
                for number in batch
            )
            if pace:
                await self._publisher.wait()

    async def _send_batch(self, payloads: Iterator[Payload[SourceLine]]) -> None:
        self.sending += 1
        accepted: list[CollectorEvent] = []
        try:
            accepted = await self._publisher.send_many(payloads)
        except asyncio.CancelledError as stopped:
            accepted = getattr(stopped, "accepted", [])
            raise
        finally:
            self.sending -= 1
            self.lines += len(accepted)

    def _note_failures(self, name: str, results: ResultList) -> None:
        for key, result in results.items():
            if isinstance(result, Error):
                error = result.err
                text = error.text if isinstance(error, RemoteError) else str(error)
                self.failed.append(FailedFile(name, key or "", text))


def urgency(size_bytes: int) -> int:
    """The priority of a file's events: small files first, a step for each doubling.

    The queue ages by 10,000 sends a step: a file of 1 MB waits while some 80,000 events
    of 4 KB files pass it, not for ever.
    """
    return size_bytes.bit_length()
