"""pyzmq by hand: push items in batches, pull answers, encoded by msgspec."""

from __future__ import annotations

import multiprocessing
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import msgspec
import zmq

from benchmarks.workers.work import Work, batches

__all__ = ["MODES", "Rival"]

MODES = ("push",)

encode, decode = msgspec.msgpack.encode, msgspec.msgpack.decode


class Rival:
    """Batches carry the place of each item, so that answers find theirs."""

    def __init__(self, work: Work, mode: str | None) -> None:
        self._work = work
        self._folder = tempfile.TemporaryDirectory()
        self._context = zmq.Context()
        self._push = self._bound(zmq.PUSH, "items")
        self._pull = self._bound(zmq.PULL, "answers")
        self._workers = [
            multiprocessing.Process(
                target=_serve,
                args=(work.handler, self._address("items"), self._address("answers")),
                daemon=True,
            )
            for _ in range(work.workers)
        ]

    async def __aenter__(self) -> Self:
        for worker in self._workers:
            worker.start()
        for _ in self._workers:
            assert decode(self._pull.recv()) == []  # it is connected
        return self

    async def __aexit__(self, *exc: object) -> None:
        for worker in self._workers:
            worker.terminate()
            worker.join()
        self._context.destroy(linger=0)
        self._folder.cleanup()

    def carry(self, count: int) -> list[Any]:
        """Never more than `in_flight` on their way."""
        work = self._work
        answers: list[Any] = [None] * count
        waiting = 0
        for batch in batches(iter(enumerate(work.sent(count))), work.batch):
            while waiting + len(batch) > work.in_flight:
                waiting -= self._receive(answers)
            self._push.send(encode(batch))
            waiting += len(batch)
        while waiting:
            waiting -= self._receive(answers)
        return answers

    def ask(self, item: Any) -> Any:
        """A batch of one."""
        self._push.send(encode([(0, item)]))
        [(_, answer)] = decode(self._pull.recv())
        return answer

    def _receive(self, answers: list[Any]) -> int:
        batch = decode(self._pull.recv())
        for at, answer in batch:
            answers[at] = answer
        return len(batch)

    def _bound(self, kind: int, name: str) -> zmq.Socket[bytes]:
        socket = self._context.socket(kind)
        socket.bind(self._address(name))
        return socket

    def _address(self, name: str) -> str:
        return f"ipc://{Path(self._folder.name, name)}"


def _serve(handler: Callable[[Any], Any], items: str, answers: str) -> None:
    context = zmq.Context()
    pull, push = context.socket(zmq.PULL), context.socket(zmq.PUSH)
    pull.connect(items)
    push.connect(answers)
    push.send(encode([]))
    while True:
        batch = decode(pull.recv())
        push.send(encode([(at, handler(item)) for at, item in batch]))
