"""multiprocessing.Pool: `imap`, which batches by its chunksize and blocks."""

from __future__ import annotations

import multiprocessing
from typing import Any, Self

from benchmarks.workers.work import Work

__all__ = ["MODES", "Rival"]

CHUNKS = {"chunksize=1": 1, "chunksize=64": 64, "chunksize=1024": 1024}
MODES = tuple(CHUNKS)


class Rival:
    """With the start method that is Python's default."""

    def __init__(self, work: Work, mode: str | None) -> None:
        self._work = work
        self._chunk = CHUNKS[mode or "chunksize=1"]
        self._pool = multiprocessing.Pool(work.workers)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._pool.close()
        self._pool.join()

    def carry(self, count: int) -> list[Any]:
        """The pool's own threads do the sending."""
        items = self._work.sent(count)
        return list(self._pool.imap(self._work.handler, items, self._chunk))

    def ask(self, item: Any) -> Any:
        """`apply`, which is what there is for one."""
        return self._pool.apply(self._work.handler, (item,))
