"""A file that cannot be opened, and a socket that takes little: each in turn, at the start."""

from __future__ import annotations

import errno
import os
import random
import socket
import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from collectorqueue.errors import WorkersFailed
from tests.support import assert_closes, both_loops
from tests.workers import handlers
from tests.workers.support import queue_of

pytestmark = pytest.mark.slow  # each starts processes

OPENING = [
    (os, "memfd_create"), (os, "eventfd"), (socket, "socketpair"), (subprocess, "Popen"),
    (socket, "send_fds"),
]  # fmt: skip
CALLS = 11  # of these, at the start of two workers, and no more


class Failing:
    """Counts calls of several functions, and has the n-th of them fail."""

    def __init__(self, number: int) -> None:
        self.left = number
        self.what = ""

    def wrap(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **keywords: Any) -> Any:
            self.left -= 1
            if self.left == 0:
                self.what = name
                raise OSError(errno.EMFILE, "Too many open files")
            return function(*arguments, **keywords)

        return call


def open_files() -> set[str]:
    return set(os.listdir("/proc/self/fd"))


@both_loops
@pytest.mark.parametrize("number", range(1, CALLS + 1))
async def test_whichever_file_cannot_be_opened_the_start_says_so_and_leaves_none(
    number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue = queue_of(handlers.add_one)
    async with queue:  # what is opened once for all is open from now on
        pass
    before = open_files()
    failing = Failing(number)
    with monkeypatch.context() as patched:
        for module, name in OPENING:
            patched.setattr(module, name, failing.wrap(name, getattr(module, name)))
        try:
            await queue.start()
        except WorkersFailed as error:
            assert "Too many open files" in str(error), (failing.what, error)
        else:
            assert failing.left > 0, f"{failing.what} failed, and nobody says so"
            await queue.close()
    assert open_files() == before, failing.what
    async with queue:
        assert await queue.publisher.call("add_one", number) == number + 1
        assert_closes(queue)
    assert open_files() == before


class Reluctant(socket.socket):
    """Takes a few bytes at a time, and now and then none."""

    chance = random.Random(4)

    def send(self, data: Any, flags: int = 0) -> int:
        if self.chance.random() < 0.3:
            raise BlockingIOError
        return super().send(memoryview(data)[: self.chance.randrange(1, 400)], flags)


@both_loops
async def test_a_socket_that_takes_a_few_bytes_at_a_time_loses_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pair = socket.socketpair

    def reluctant_pair(*arguments: Any) -> tuple[socket.socket, socket.socket]:
        ours, theirs = pair(*arguments)
        return Reluctant(fileno=ours.detach()), theirs

    monkeypatch.setattr(socket, "socketpair", reluctant_pair)
    values = [b"x" * size for size in (0, 1, 100, 1000, 5000)] * 40
    async with queue_of(handlers.same, workers=2) as queue:
        events = await queue.publisher.send_many(values)
        assert [(await each).first().unwrap() for each in events] == values
        assert_closes(queue)
