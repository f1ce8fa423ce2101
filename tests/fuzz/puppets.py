"""Workers without processes: a pool whose workers are played here, in the loop's process.

Rules of residence: what the fork server and a worker's own process do, played by a puppet:
its end of the socket, its page, its bell, its death. All on the other side of the border is
the library's own, and so is the workbench that runs events; what the puppet does with the
results is its part's.
"""

from __future__ import annotations

import asyncio
import contextlib
import mmap
import os
import signal
import socket
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import msgspec

from collectorqueue._native.page import Page
from collectorqueue._native.wire import KIND_ITEMS, Reader
from collectorqueue._native.workbench import Tool, Workbench
from collectorqueue.workers import staff
from collectorqueue.workers.batches import BatchRunner
from collectorqueue.workers.encoding import Encoding
from collectorqueue.workers.line import Line
from collectorqueue.workers.messages import (
    READ_BYTES,
    Boot,
    Ended,
    FromWorker,
    Ready,
    ToWorker,
)
from collectorqueue.workers.worker import Worker

__all__ = ["Frame", "Part", "Puppet", "Stage", "stage"]

FIRST_PID = 2**22 + 1  # Linux has no greater ones: none of them is a process

Frame = tuple[int, int, bytes]  # the number of the first event, how many, the body
Part = Callable[["Puppet", Frame], None]


class Puppet:
    """One worker: honest, until it is its turn to play a part."""

    def __init__(self, play: Stage, number: int, files: Sequence[int]) -> None:
        connection, page, bell = map(os.dup, files)
        self.number = number
        self.pid = FIRST_PID + number
        self.play = play
        self.socket = socket.socket(fileno=connection)
        self.socket.setblocking(False)
        self.memory = mmap.mmap(page, 0)
        os.close(page)
        self.bell = bell
        self.line = Line(self.socket, bell)
        self.rings = True  # whether its workbench is let at the bell
        self.is_dead = self.is_ready = False
        self.reader = Reader()
        self.bench = Workbench(
            Page(self.memory, fresh=False),
            ring_bell=self.ring,
            send_whole=self.line.send_whole,
            begin_task=lambda *_: None,
            pack=msgspec.msgpack.encode,
            unpack=msgspec.msgpack.decode,
        )
        self._decode = msgspec.msgpack.Decoder(ToWorker).decode
        self._death = os.eventfd(
            0
        )  # in place of a pidfd: it can be read after its death
        play.loop.add_reader(self.socket.fileno(), self._read)

    def ring(self) -> None:
        if self.rings:
            self.line.ring()

    def run(self, frame: Frame) -> None:
        """Run all events of a frame, as a worker does."""
        self.bench.run(*frame)

    def die(self) -> None:
        """As if by SIGKILL: what it has written stays, and nothing is added."""
        if self.is_dead:
            return
        self.is_dead = True
        self.play.puppets.pop(self.number, None)
        self.play.loop.remove_reader(self.socket.fileno())
        self.socket.close()
        os.close(self.bell)
        os.eventfd_write(self._death, 1)
        self.play.on_gone(self.pid, signal.SIGKILL)

    def watched(self) -> int:
        """What the loop's process is to watch for its death; that closes it."""
        return self._death

    def _read(self) -> None:
        with contextlib.suppress(BlockingIOError):
            if self.is_ready and self.play.reads is not None:
                self._read_some(self.play.reads)
            elif data := self.socket.recv(READ_BYTES):
                self._take_in(data)
            else:
                self.die()

    def _read_some(self, count: int) -> None:
        """Die within a frame: what is not whole must not come out of the reader."""
        self.play.reads = None
        self.reader.feed(self.socket.recv(count) if count else b"")
        self.play.read = self.reader.next()
        self.die()

    def _take_in(self, data: bytes) -> None:
        self.reader.feed(data)
        while not self.is_dead and (frame := self.reader.next()) is not None:
            kind, first, count, body = frame
            if kind == KIND_ITEMS:
                self.play.part_of(self)(self, (first, count, body))
                continue
            message = self._decode(body)
            if isinstance(message, Boot):
                self._learn(message)
                self.is_ready = True
                for each in self.play.first_words:
                    self.line.tell(each)
                self.line.tell(Ready())
            else:
                self.line.tell(Ended())
                self.die()

    def _learn(self, boot: Boot) -> None:
        for blueprint in boot.blueprints:
            encoding = Encoding()
            call, decode = blueprint.processor.find(), encoding.decode
            if blueprint.takes_batches:
                runner = BatchRunner(call, encoding, None)
                call, decode = runner.call, runner.decode
            self.bench.tools.append(
                Tool(
                    call, None, with_ctx=False, is_async=False, decode=decode,
                    encode_into=encoding.encode_into, explain=encoding.explain,
                )
            )  # fmt: skip


class Stage:
    """In place of the nursery."""

    def __init__(self) -> None:
        self.part: Part | None = None  # of the next worker that gets events
        self.first_words: list[FromWorker] = []  # of each worker, before it is ready
        self.reads: int | None = None  # bytes that the next worker reads, and dies
        self.read: object = None  # the frame that these were
        self.puppets: dict[int, Puppet] = {}
        self.loop: asyncio.AbstractEventLoop
        self.on_gone: Callable[[int, int], None]
        self._on_forked: Callable[[int, int, int], None]

    def open(
        self,
        loop: asyncio.AbstractEventLoop,
        *,
        on_forked: Callable[[int, int, int], None],
        on_failed: Callable[[int, str], None],
        on_gone: Callable[[int, int], None],
        on_server_lost: Callable[[], None],
    ) -> Stage:
        """Be the nursery of one pool."""
        self.loop, self.on_gone, self._on_forked = loop, on_gone, on_forked
        return self

    def part_of(self, puppet: Puppet) -> Part:
        part, self.part = self.part, None
        return part or Puppet.run

    def fork(self, number: int, files: Sequence[int]) -> None:
        """A new puppet, with its files."""
        puppet = self.puppets[number] = Puppet(self, number, files)
        self.loop.call_soon(self._on_forked, number, puppet.pid, puppet.watched())

    def signal(self, worker: Worker, number: int) -> None:
        """Any signal ends it."""
        if worker.number in self.puppets:
            self.puppets[worker.number].die()

    def close(self) -> None:
        """There is no server."""

    kill = abandon = close


@contextlib.contextmanager
def stage() -> Iterator[Stage]:
    """Within it, pools that are made have puppets for workers."""
    found = Stage()
    changed: list[tuple[Any, str, Any]] = [
        (staff, "Nursery", found.open),
        (Worker, "_signal", lambda worker, number: found.signal(worker, number)),
    ]
    before = [getattr(owner, name) for owner, name, _ in changed]
    for owner, name, ours in changed:
        setattr(owner, name, ours)
    try:
        yield found
    finally:
        for (owner, name, _), theirs in zip(changed, before, strict=True):
            setattr(owner, name, theirs)
