"""faster-fifo by hand: two queues in shared memory, many items at a time."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from queue import Empty
from typing import Any, Self

import faster_fifo_reduction  # noqa: F401 - queues can be given to processes
import msgspec
from faster_fifo import Queue

from benchmarks.workers.work import Work, batches

__all__ = ["MODES", "Rival"]

MODES = ("put_many",)

encode, decode = msgspec.msgpack.encode, msgspec.msgpack.decode


class Rival:
    """Items carry their place, so that answers find theirs."""

    def __init__(self, work: Work, mode: str | None) -> None:
        self._work = work
        # Twice what may be in flight: then no put has to wait.
        room = 2 * work.in_flight * len(encode((0, work.items[-1]))) + 1_000_000
        self._items = Queue(max_size_bytes=room, loads=decode, dumps=encode)
        self._answers = Queue(max_size_bytes=1_000_000, loads=decode, dumps=encode)
        self._workers = [
            multiprocessing.Process(
                target=_serve,
                args=(work.handler, self._items, self._answers, work.batch),
                daemon=True,
            )
            for _ in range(work.workers)
        ]

    async def __aenter__(self) -> Self:
        for worker in self._workers:
            worker.start()
        return self

    async def __aexit__(self, *exc: object) -> None:
        for worker in self._workers:
            worker.terminate()
            worker.join()

    def carry(self, count: int) -> list[Any]:
        """Never more than `in_flight` on their way."""
        work = self._work
        answers: list[Any] = [None] * count
        waiting = 0
        for batch in batches(iter(enumerate(work.sent(count))), work.batch):
            while waiting + len(batch) > work.in_flight:
                waiting -= self._receive(answers)
            self._items.put_many(batch)
            waiting += len(batch)
        while waiting:
            waiting -= self._receive(answers)
        return answers

    def ask(self, item: Any) -> Any:
        """One put, one get."""
        self._items.put((0, item))
        return self._answers.get()[1]

    def _receive(self, answers: list[Any]) -> int:
        batch = self._answers.get_many()
        for at, answer in batch:
            answers[at] = answer
        return len(batch)


def _serve(
    handler: Callable[[Any], Any], items: Queue, answers: Queue, most: int
) -> None:
    while True:
        try:
            batch = items.get_many(max_messages_to_get=most)
        except Empty:  # after ten seconds
            continue
        answers.put_many([(at, handler(item)) for at, item in batch])
