"""The run: phase after phase through one queue, then a drain, then the report."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from pathlib import Path

import msgspec

from collectorqueue import Ok
from collectorqueue.cli.demo.chaos import Chaos
from collectorqueue.cli.demo.comparison import Comparison, compare
from collectorqueue.cli.demo.events import ScanFinished
from collectorqueue.cli.demo.findings import findings
from collectorqueue.cli.demo.monitor import Monitor
from collectorqueue.cli.demo.phases import DRAIN, PHASES, Phase, shares
from collectorqueue.cli.demo.publishing import Publishing
from collectorqueue.cli.demo.report import (
    Lag,
    Rates,
    Report,
    comparison_line,
    phase_line,
)
from collectorqueue.cli.demo.sources import Found
from collectorqueue.cli.demo.topology import Topology, outline_elsewhere
from collectorqueue.cli.demo.view import View
from collectorqueue.workers.stats import WorkersStats

__all__ = ["Indexing"]


class Indexing:
    """One run.

        report = await Indexing(root, files, index, view).run(seconds=None)
    """

    def __init__(
        self,
        root: Path,
        files: Sequence[Found],
        index: Path,
        view: View,
        *,
        chaos: bool = False,
    ) -> None:
        self._root = root
        self._files = files
        self._index = index
        self._view = view
        self._topology = Topology(index, str(root))
        self._queue = self._topology.queue
        self._publishing = Publishing(self._queue)
        self._chaos = Chaos(self._queue) if chaos else None
        self._comparison: Comparison | None = None
        self._workers: WorkersStats | None = None
        self._totals: dict[str, msgspec.Struct] = {}

    async def run(self, seconds: float | None = None) -> Report:
        """Index the files, for at most `seconds`; the drain comes on top.

        SIGINT or SIGTERM ends it early, drained all the same. Raises BrokenPipeError
        when nobody reads any more.
        """
        self._comparison = await compare(self._files, outline_elsewhere())
        if self._comparison is not None:
            self._view.say(comparison_line(self._comparison))
        monitor = Monitor(self._queue, self._publishing, self._view.second)
        async with (
            self._queue,
            self._queue.shutdown_on_signals(),
            watched(monitor, self._chaos),
        ):
            await self._pass_phases(monitor, seconds)
            await self._finish(monitor)
        return self._report(monitor)

    async def _pass_phases(self, monitor: Monitor, seconds: float | None) -> None:
        ends = itertools.accumulate(phase.share for phase in PHASES)
        parts = shares(self._files, PHASES)
        for phase, files, end in zip(PHASES, parts, ends, strict=True):
            await self._queue.publisher.wait()  # no phase works off what another sent
            self._topology.rehearsal.is_on = phase.fails
            with self._shown(phase, monitor):
                await self._publishing.send_all(
                    iter(files), phase, deadline(monitor, seconds, end)
                )

    async def _finish(self, monitor: Monitor) -> None:
        """Let the queue run empty, then ask everyone for totals, all at once."""
        with self._shown(DRAIN, monitor):
            await self._queue.publisher.wait()
            reported = await self._queue.publisher.request(ScanFinished())
            self._workers = self._queue.metrics.workers
        for key, result in reported.items():
            match key, result:
                case str(), Ok(msgspec.Struct() as totals):
                    self._totals[key] = totals
                    self._view.say(f"  {key} reports {_counts(totals)}")

    @contextlib.contextmanager
    def _shown(self, phase: Phase, monitor: Monitor) -> Iterator[None]:
        self._view.say(f"{phase.name}: {phase.about}")
        monitor.begin(phase.name)
        try:
            yield
        finally:
            report = monitor.end()
        self._view.say(phase_line(report))

    def _report(self, monitor: Monitor) -> Report:
        report = self._queue.drain_report
        assert report is not None, "the queue was closed"
        ledger, seconds = report.ledger, monitor.seconds
        # Interrupted, nobody was asked: what they have so far is what they would say.
        totals = self._totals or {
            key: each.totals() for key, each in self._topology.reporting.items()
        }
        return Report(
            root=str(self._root),
            index=str(self._index),
            interrupted=not self._totals,
            files=self._publishing.files,
            lines=self._publishing.lines,
            seconds=seconds,
            rates=Rates(ledger.accepted / seconds, self._publishing.lines / seconds),
            lag=Lag(monitor.lag.worst_s, self._comparison),
            kills=None if self._chaos is None else self._chaos.kills,
            workers=self._workers,
            peak_consumers=self._queue.metrics.peak_consumers,
            ledger=ledger,
            phases=monitor.phases,
            collectors=self._queue.collector_stats(),
            totals=totals,
            findings=findings(totals),
            failed_files=sorted(self._publishing.failed, key=lambda each: each.file),
        )


@contextlib.asynccontextmanager
async def watched(monitor: Monitor, chaos: Chaos | None) -> AsyncIterator[None]:
    """Have the monitor watch the body, which ends when its view cannot show; and chaos
    reign meanwhile, if there is to be any."""
    try:
        async with asyncio.TaskGroup() as group:
            watching = group.create_task(monitor.watch(), name="monitor")
            reigning = group.create_task(chaos.reign(), name="chaos") if chaos else None
            yield
            watching.cancel()
            if reigning is not None:
                reigning.cancel()
    except* BrokenPipeError as broken:
        raise broken.exceptions[0] from None


def deadline(
    monitor: Monitor, seconds: float | None, share: float
) -> Callable[[], bool]:
    """Whether that share of the time has passed; never, when there is no bound."""
    if seconds is None:
        return lambda: False
    return lambda: monitor.seconds >= seconds * share


def _counts(totals: msgspec.Struct) -> str:
    fields = msgspec.structs.asdict(totals).items()
    return ", ".join(
        f"{name.replace('_', ' ')} {value:,}"
        for name, value in fields
        if isinstance(value, int)
    )
