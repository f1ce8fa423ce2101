"""A queue for the pieces: its loop stands still except where a benchmark turns it."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from benchmarks.workload import Handler
from collectorqueue import Collector, CollectorQueue

__all__ = ["StandingQueue", "at_once"]


class StandingQueue:
    """A started queue on a loop that is not running.

    with StandingQueue(answer, capacity=1000) as standing:
        standing.publisher.send_nowait(payload)     # waits in its lane
        standing.drain()                            # consumers run now
    """

    def __init__(self, handler: Handler, **options: Any) -> None:
        self._queue = CollectorQueue([Collector("collector", handler)], **options)
        self.publisher = self._queue.publisher

    def drain(self) -> None:
        """Collect all that is queued."""
        self._loop.run_until_complete(self.publisher.wait())

    def __enter__(self) -> StandingQueue:
        self._runner = asyncio.Runner()
        self._loop = self._runner.get_loop()
        self._loop.run_until_complete(self._queue.start())
        # The consumers' first steps.
        self._loop.run_until_complete(asyncio.sleep(0))
        return self

    def __exit__(self, *exc: object) -> None:
        self._loop.run_until_complete(self._queue.close())
        self._runner.close()
        report = self._queue.drain_report
        assert report is not None
        assert report.ledger.ok == report.ledger.accepted


def at_once(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """What a coroutine returns that does not suspend."""
    try:
        coroutine.send(None)
    except StopIteration as done:
        return done.value
    raise AssertionError("the coroutine suspended")
