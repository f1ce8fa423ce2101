"""The demo's queue: which collectors there are, and what each one listens to.

    key         runs in   hears
    reader      thread    what is sent to it by key
    lines       loop      source.line
    imports     loop      source.outline
    outline     process   source.file
    symbols     loop      source.outline
    duplicates  loop      source.line, and fails on purpose when asked to
    store       thread    source.file, source.outline

And all of them hear the broadcast that the scan is finished.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import msgspec

from collectorqueue import Collector, CollectorQueue, QueueType
from collectorqueue.cli.demo.collectors.duplicates import Duplicates
from collectorqueue.cli.demo.collectors.imports import Imports
from collectorqueue.cli.demo.collectors.lines import Lines
from collectorqueue.cli.demo.collectors.outline import Source, as_source, outline
from collectorqueue.cli.demo.collectors.reader import Reader
from collectorqueue.cli.demo.collectors.rehearsal import Rehearsal
from collectorqueue.cli.demo.collectors.store import Store
from collectorqueue.cli.demo.collectors.symbols import Symbols
from collectorqueue.cli.demo.events import FILES, LINES, OUTLINES

__all__ = ["CAPACITY", "Topology", "outline_elsewhere"]

CAPACITY = 1_000  # events: two files' lines, so that the burst meets the bound


class Reporting(Protocol):
    """What can be asked for its totals."""

    def totals(self) -> msgspec.Struct: ...


class Topology:
    """The queue with its collectors."""

    def __init__(self, index: Path, root: str) -> None:
        reader, lines, imports = Reader(), Lines(), Imports()
        symbols, duplicates, store = Symbols(), Duplicates(), Store(index, root)
        self.rehearsal = Rehearsal(duplicates.collect)
        self.reporting: Mapping[str, Reporting] = {
            "reader": reader,
            "lines": lines,
            "imports": imports,
            "symbols": symbols,
            "duplicates": duplicates,
            "store": store,
        }
        self.queue = CollectorQueue(
            [
                Collector("reader", reader.collect, runs_in="thread"),
                Collector("lines", lines.collect, topics=LINES),
                Collector("imports", imports.collect, topics=OUTLINES),
                outline_elsewhere(),
                Collector("symbols", symbols.collect, topics=OUTLINES),
                Collector("duplicates", self.rehearsal.collect, topics=LINES),
                Collector(
                    "store",
                    store.collect,
                    topics=(FILES, OUTLINES),
                    lifecycle=store.lifecycle,
                    runs_in="thread",
                ),
            ],
            queue_type=QueueType.PRIORITY,
            capacity=CAPACITY,
        )


def outline_elsewhere() -> Collector:
    """The collector that runs in worker processes."""
    return Collector(
        "outline",
        outline,
        topics=FILES,
        runs_in="process",
        payload_type=Source,
        enc_hook=as_source,
        # It changes nothing, so that a second run does no harm.
        idempotent=True,
    )
