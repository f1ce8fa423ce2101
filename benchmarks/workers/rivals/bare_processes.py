"""Plain processes that have the items from the start: as fast as two cores can be.

Nothing is sent but how many to do, and all answers at once when they are done.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from itertools import cycle, islice
from multiprocessing.connection import Connection
from typing import Any, Self

from benchmarks.workers.work import Work

__all__ = ["MODES", "Rival"]

MODES = ("given",)


class Rival:
    """Each process does every second item."""

    def __init__(self, work: Work, mode: str | None) -> None:
        self._workers: list[multiprocessing.Process] = []
        self._ends: list[Connection] = []
        for first in range(work.workers):
            ours, theirs = multiprocessing.Pipe()
            share = (first, work.workers)
            self._ends.append(ours)
            self._workers.append(
                multiprocessing.Process(
                    target=_serve,
                    args=(work.handler, work.items, share, theirs),
                    daemon=True,
                )
            )

    async def __aenter__(self) -> Self:
        for worker in self._workers:
            worker.start()
        return self

    async def __aexit__(self, *exc: object) -> None:
        for end, worker in zip(self._ends, self._workers, strict=True):
            end.send(None)
            worker.join()
            end.close()

    def carry(self, count: int) -> list[Any]:
        """Say how many, wait until all have answered."""
        for end in self._ends:
            end.send(count)
        answers: list[Any] = [None] * count
        for first, end in enumerate(self._ends):
            answers[first :: len(self._ends)] = end.recv()
        return answers


def _serve(
    handler: Callable[[Any], Any],
    items: list[Any],
    share: tuple[int, int],
    end: Connection,
) -> None:
    while (count := end.recv()) is not None:
        mine = islice(cycle(items), share[0], count, share[1])
        end.send([handler(item) for item in mine])
