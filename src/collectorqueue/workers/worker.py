"""One worker, as the loop's process sees it: its socket, its page, its process.

Rules of residence: bytes in and out, and the end of it. Nothing here waits: what does not
go into the socket now goes when there is room, and how much may be there is bounded by the
worker's window.
"""

from __future__ import annotations

import asyncio
import contextlib
import mmap
import os
import signal
import socket
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from collectorqueue._native.crew import Crew
from collectorqueue._native.errand import Errand
from collectorqueue._native.page import Page, bytes_for
from collectorqueue._native.window import Window
from collectorqueue._native.wire import KIND_RESULT, Reader
from collectorqueue.workers.messages import (
    READ_BYTES,
    Ended,
    FromWorker,
    Ready,
    ToWorker,
)
from collectorqueue.workers.stats import WorkerStats

__all__ = ["STORE_BYTES", "Worker"]

STORE_BYTES = 16 * 1024 * 1024  # of shared memory for large values; taken as it is used
READS = 8  # in one turn of the loop
CRASH_TEXT_BYTES = 65_536


class Worker:
    """One worker between its fork and its burial.

    `on_message(worker, message)`; `on_broken(worker, why)`: its bytes make no sense, or
    (None) its end of the socket is closed; `on_worn(worker)`: it should be replaced.
    """

    def __init__(
        self,
        number: int,
        crew: Crew,
        loop: asyncio.AbstractEventLoop,
        on_message: Callable[[Worker, FromWorker], None],
        on_broken: Callable[[Worker, str | None], None],
        on_worn: Callable[[Worker], None],
    ) -> None:
        self.number = number
        self.pid = 0
        self.born_at = loop.time()
        self.is_ready = False
        self.is_ending = False  # another takes its place
        self.is_stopping = False  # it was told to stop
        self.is_dead = False
        self.failure: str | None = None  # why it could not start
        self.exit_failures: list[tuple[str, str]] = []
        self.lifecycles: list[str] = []  # keys of those that it has not left yet
        self.overran: set[Errand] = set()  # it is killed for these
        self.doomed_at = 0.0  # when the first was found
        self.begun: list[Errand] = []  # and these were lost with it
        self.status: int | None = None  # as from waitpid, once that is known
        self._crew = crew
        self._loop = loop
        self._on_message = on_message
        self._on_broken = on_broken
        self._on_worn = on_worn
        self._encode = msgspec.msgpack.Encoder().encode
        self._decode = msgspec.msgpack.Decoder(FromWorker).decode
        self._reader = Reader()
        # One for all reads: memory of that size is mapped anew each time it is asked for.
        self._incoming = bytearray(READ_BYTES)
        self._pidfd: int | None = None
        self._writing = False
        self._killing: asyncio.TimerHandle | None = None
        self._page_file = os.memfd_create(f"collectorqueue-{number}", os.MFD_CLOEXEC)
        try:
            os.ftruncate(self._page_file, bytes_for(STORE_BYTES))
            self._memory = mmap.mmap(self._page_file, bytes_for(STORE_BYTES))
            self._bell = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
            try:
                self._connection, self._theirs = socket.socketpair()
            except BaseException:
                os.close(self._bell)
                raise
        except BaseException:
            os.close(self._page_file)
            raise
        self._connection.setblocking(False)
        self.window = Window(
            Page(self._memory, fresh=True), self, send=self.flush, pack=self._encode
        )
        self._loop.add_reader(self._connection.fileno(), self._read)
        self._loop.add_reader(self._bell, self._answer_bell)

    # -- birth ----------------------------------------------------------------------

    def offer_to(self, fork: Callable[[int, Sequence[int]], None]) -> None:
        """Have it forked with its end of the socket, its page and its bell. Raises OSError."""
        fork(self.number, (self._theirs.fileno(), self._page_file, self._bell))
        self._theirs.close()

    def forked(self, pid: int, pidfd: int, on_death: Callable[[Worker], None]) -> None:
        """It is this process."""
        self.pid = pid
        self._pidfd = pidfd
        self._loop.add_reader(pidfd, on_death, self)

    def tell(self, message: ToWorker) -> None:
        """A message, behind all that was sent before."""
        self.window.put_note(self._encode(message))
        self.flush()

    # -- bytes ----------------------------------------------------------------------

    def flush(self) -> None:
        """Send what is there, as much as there is room for."""
        window = self.window
        while not self.is_dead and (unsent := window.unsent()) is not None:
            try:
                sent = self._connection.send(unsent)
            except BlockingIOError:
                if not self._writing:
                    self._writing = True
                    self._loop.add_writer(self._connection.fileno(), self.flush)
                return
            except OSError:
                return  # it is gone: its death will be noticed
            finally:
                del unsent
            window.sent(sent)
        self._stop_writing()
        self.look_whether_worn()

    def look_whether_worn(self) -> None:
        """Have it replaced if it has run all the events that it may, or asks to be."""
        window = self.window
        spent = 0 < window.at_most <= window.handed
        if (spent or window.is_worn) and not self.is_ending and not self.is_dead:
            self._on_worn(self)

    def _stop_writing(self) -> None:
        if self._writing:
            self._writing = False
            self._loop.remove_writer(self._connection.fileno())

    def _read(self) -> None:
        for _ in range(READS):
            try:
                count = self._connection.recv_into(self._incoming)
            except BlockingIOError:
                return
            except OSError:
                count = 0
            if not count:
                self._loop.remove_reader(self._connection.fileno())
                self._on_broken(self, None)
                return
            self._take_in(memoryview(self._incoming)[:count])
            if count < READ_BYTES or self.is_dead:
                return

    def _answer_bell(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.eventfd_read(self._bell)
        self.collect()

    def collect(self) -> None:
        """Take in the results that stand in its page."""
        if self.is_dead:
            return
        try:
            self._crew.collect(self.window)
        except ValueError as error:
            self._loop.remove_reader(self._bell)
            self._break_off(error)
            return
        self.look_whether_worn()

    def _break_off(self, error: Exception) -> None:
        self._on_broken(self, f"it sent what makes no sense: {error}")

    def _take_in(self, data: bytes | memoryview) -> None:
        messages = []
        try:
            self._reader.feed(data)
            while (frame := self._reader.next()) is not None:
                kind, _, _, body = frame
                if kind == KIND_RESULT:
                    self._crew.collect_whole(self.window, body)
                else:
                    messages.append(self._decode(body))
        except Exception as error:  # whatever garbled bytes do to a decoder
            self._loop.remove_reader(self._connection.fileno())
            self._break_off(error)
            return
        for message in messages:
            self._on_message(self, message)

    # -- death ----------------------------------------------------------------------

    def kill(self, grace_s: float = 0.0) -> None:
        """End its whole process group: SIGTERM first, where there is time for it."""
        if self.is_dead:
            return
        if grace_s > 0:
            if self._killing is None:
                self._signal(signal.SIGTERM)
                self._killing = self._loop.call_later(grace_s, self.kill)
        else:
            self._signal(signal.SIGKILL)

    def _signal(self, number: int) -> None:
        if not self.pid:
            return  # never forked: group 0 would be our own
        # By itself too: it may not have made its group yet.
        if self._pidfd is not None:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._pidfd, number)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)

    def died(self) -> None:
        """The process has ended: take in the last it said, and let its files go."""
        if self.is_dead:
            return
        with contextlib.suppress(OSError):
            while data := self._connection.recv(READ_BYTES):
                self._take_in(data)
        try:
            self._crew.collect(self.window)
        except ValueError as error:
            self.failure = str(error)
        self.is_dead = True
        if self._killing is not None:
            self._killing.cancel()
        self._signal(signal.SIGKILL)  # children that it has left behind
        self.begun = self._crew.dismiss(self.window)
        self._forget_files()

    def crash_text(self) -> str:
        """What faulthandler wrote when it crashed."""
        try:
            data = os.pread(self._page_file, CRASH_TEXT_BYTES, bytes_for(STORE_BYTES))
        except OSError:
            return ""
        return data.decode("utf-8", "replace")

    def bury(self) -> None:
        """Nothing more is to be known."""
        if self._page_file >= 0:
            os.close(self._page_file)
            self._page_file = -1
            # They hold each other, and the memory: not until the collector comes round.
            del self.window, self._memory

    def _forget_files(self) -> None:
        self._stop_writing()
        self._loop.remove_reader(self._connection.fileno())
        self._connection.close()
        self._theirs.close()
        self._loop.remove_reader(self._bell)
        os.close(self._bell)
        self._bell = -1
        if self._pidfd is not None:
            self._loop.remove_reader(self._pidfd)
            os.close(self._pidfd)
            self._pidfd = None

    def abandon(self) -> None:
        """In a child that the user forked: these files are the parent's."""
        self.is_dead = True
        for each in (self._connection, self._theirs):
            if each.fileno() >= 0:
                os.close(each.detach())
        for file in (self._bell, self._page_file, self._pidfd):
            if file is not None and file >= 0:
                os.close(file)

    def stats(self) -> WorkerStats:
        """What there is to tell of it."""
        events, memory_bytes, cpu_ns = self.told
        return WorkerStats(
            self.number, self.pid, events, memory_bytes, cpu_ns / 1e9,
            self.window.outstanding,
        )  # fmt: skip

    def can_say(self, message: Ready | Ended) -> bool:
        """Whether it is the time for that: once that it is ready; that it ends, at its end."""
        if isinstance(message, Ended):
            return self.is_stopping or self.failure is not None
        return not self.is_ready

    @property
    def is_being_killed(self) -> bool:
        """It was told to end, by a signal."""
        return self._killing is not None

    @property
    def is_at_work(self) -> bool:
        """It can run events, and is alive."""
        return self.is_ready and not self.is_dead

    @property
    def told(self) -> tuple[int, int, int]:
        """Events run, bytes of memory, ns of CPU time, as it told last."""
        told: Any = self.window.page.told
        return told[0], told[1], told[2]
