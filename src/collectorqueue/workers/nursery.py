"""The nursery: where workers come from, as the loop's process sees it.

Rules of residence: the fork server, started by exec and made again when it has died; a
worker is asked for by its number, and its end is reported once, with its status if that is
known.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Sequence

import msgspec

from collectorqueue.workers.births import (
    MESSAGE_BYTES,
    Forked,
    ForkFailed,
    FromServer,
    Gone,
)

__all__ = ["Nursery"]

START = """\
import sys
sys.path[:] = {path!r}
from collectorqueue.workers.forkserver import main
main({control})
"""


class Nursery:
    """Forks workers, through a server of its own.

    `on_forked(number, pid, pidfd)` owns the pidfd; `on_failed(number, why)`;
    `on_gone(pid, status)`. When the server has died, the workers whose end it would have
    told are its children no more: `on_server_lost()`.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        *,
        on_forked: Callable[[int, int, int], None],
        on_failed: Callable[[int, str], None],
        on_gone: Callable[[int, int], None],
        on_server_lost: Callable[[], None],
    ) -> None:
        self._loop = loop
        self._on_forked = on_forked
        self._on_failed = on_failed
        self._on_gone = on_gone
        self._on_server_lost = on_server_lost
        self._decode = msgspec.msgpack.Decoder(FromServer).decode
        self._control: socket.socket | None = None
        self._server: subprocess.Popen[bytes] | None = None
        self._asked: set[int] = set()

    @property
    def pid(self) -> int | None:
        """The server's process; None: there is none now."""
        return None if self._server is None else self._server.pid

    def fork(self, number: int, files: Sequence[int]) -> None:
        """Have a worker, with its end of a socket pair, its page and its bell.

        Raises OSError.
        """
        if self._control is None:
            self._start_server()
        assert self._control is not None
        try:
            socket.send_fds(self._control, [b"%d" % number], files)
        except ConnectionError:
            # It has died, and we were not told yet: once more, with a new one.
            self._lose_server()
            self._start_server()
            socket.send_fds(self._control, [b"%d" % number], files)
        self._asked.add(number)

    def close(self) -> None:
        """Let the server go: it kills what is left of the workers, and ends."""
        self._drop_control()
        if self._server is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._server.wait(0.5)
            if self._server.returncode is None:
                self._server.kill()
                self._server.wait()
            self._server = None

    def kill(self) -> None:
        """End the server at once, whether the loop runs or not."""
        if self._server is not None:
            self._server.kill()
            self._server.wait()

    def abandon(self) -> None:
        """In a child that the user forked: these files are the parent's."""
        if self._control is not None:
            os.close(self._control.detach())
            self._control = None
        if self._server is not None:
            self._server.returncode = 0  # it is not this process's child
        self._server = None

    def _start_server(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        path = [each for each in sys.path if isinstance(each, str)]  # as Python does
        program = START.format(path=path, control=theirs.fileno())
        with theirs:
            try:
                self._server = subprocess.Popen(
                    [
                        sys.executable,
                        *subprocess._args_from_interpreter_flags(),  # type: ignore[attr-defined]
                        "-c",
                        program,
                    ],
                    stdin=subprocess.DEVNULL,
                    pass_fds=[theirs.fileno()],
                    start_new_session=True,
                )
            except BaseException:
                ours.close()
                raise
        ours.setblocking(False)
        self._control = ours
        self._loop.add_reader(ours.fileno(), self._hear)

    def _hear(self) -> None:
        while self._control is not None:
            try:
                data, files, _, _ = socket.recv_fds(self._control, MESSAGE_BYTES, 1)
            except BlockingIOError:
                return
            except ConnectionError:
                data, files = b"", []
            if not data:
                self._lose_server()
                return
            message = self._decode(data)
            if isinstance(message, Forked):
                self._asked.discard(message.number)
                if files:
                    self._on_forked(message.number, message.pid, files[0])
                else:  # its socket will be closed, so that it ends
                    self._on_failed(message.number, "no file can be opened any more")
            elif isinstance(message, ForkFailed):
                self._asked.discard(message.number)
                self._on_failed(message.number, message.reason)
            elif isinstance(message, Gone):
                self._on_gone(message.pid, message.status)

    def _lose_server(self) -> None:
        self._drop_control()
        if self._server is not None:
            self._server.kill()
            self._server.wait()
            self._server = None
        asked, self._asked = self._asked, set()
        self._on_server_lost()
        for number in asked:
            self._on_failed(number, "the fork server has died")

    def _drop_control(self) -> None:
        if self._control is not None:
            self._loop.remove_reader(self._control.fileno())
            self._control.close()
            self._control = None
