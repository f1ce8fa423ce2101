"""The comparison: what outlining files does to the loop, in a thread and in workers."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import msgspec

from collectorqueue import Collector, CollectorQueue, Payload
from collectorqueue.cli.demo.collectors.outline import Source, outline
from collectorqueue.cli.demo.events import SourceFile
from collectorqueue.cli.demo.lag import LagMeter
from collectorqueue.cli.demo.sources import Found, SourceText, read

__all__ = ["Comparison", "compare"]

FILES = 3  # the largest: each takes long enough to be felt


class Comparison(msgspec.Struct, frozen=True):
    """The worst lag of the loop while the same files were outlined."""

    files: int
    thread_s: float
    process_s: float


async def compare(files: Sequence[Found], outline_elsewhere: Collector) -> Comparison | None:
    """Outline the largest files in a thread, then in workers; None: none could be read."""
    largest = sorted(files, key=lambda each: each.size_bytes)[-FILES:]
    texts = await asyncio.to_thread(_read_all, largest)
    if not texts:
        return None
    in_thread, in_workers = LagMeter(), LagMeter()
    with in_thread.running():
        for text in texts:
            await asyncio.to_thread(outline, Payload(Source(text.name, text.data)))
    async with CollectorQueue([outline_elsewhere], workers=1) as queue:
        with in_workers.running():
            for text in texts:
                await queue.publisher.request(SourceFile(text))
    return Comparison(len(texts), in_thread.worst_s, in_workers.worst_s)


def _read_all(files: Sequence[Found]) -> list[SourceText]:
    texts = []
    for found in files:
        try:
            texts.append(read(found))
        except OSError:
            continue  # the reader collector will report it
    return texts
