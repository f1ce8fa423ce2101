"""The fork server: a process with one thread that forks workers, and reports their ends.

Rules of residence: forking and waiting. It is started by exec, so that nothing of the loop's
process (threads, locks, open files) is in it or in a worker. It imports what every worker
needs, and nothing of the user's. When its control socket closes it kills all workers.
"""

from __future__ import annotations

import contextlib
import gc
import os
import select
import signal
import socket
import sys
import traceback
from typing import NoReturn

import msgspec

from collectorqueue.workers.births import (
    FILES,
    MESSAGE_BYTES,
    Forked,
    ForkFailed,
    FromServer,
    Gone,
)
from collectorqueue.workers.child import work

__all__ = ["main"]

class ForkServer:
    """Serves one control socket: each message is a number, and the worker's files."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._children: set[int] = set()
        self._wake_read, self._wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._encode = msgspec.msgpack.Encoder().encode

    def serve(self) -> None:
        """Until the other end is closed."""
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the loop's process decides
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._wake_write, warn_on_full_buffer=False)
        poll = select.poll()
        poll.register(self._control, select.POLLIN)
        poll.register(self._wake_read, select.POLLIN)
        gc.freeze()  # a worker's collector would copy the pages it looks at
        try:
            while True:
                ready = {descriptor for descriptor, _ in poll.poll()}
                if self._wake_read in ready:
                    with contextlib.suppress(BlockingIOError):
                        os.read(self._wake_read, 4096)
                    self._reap()
                if self._control.fileno() in ready and not self._take_order():
                    break
        finally:
            for pid in self._children:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(pid, signal.SIGKILL)

    def _take_order(self) -> bool:
        """Fork a worker as asked; False: there is nobody to ask any more."""
        try:
            order, files, _, _ = socket.recv_fds(self._control, MESSAGE_BYTES, FILES)
        except ConnectionError:
            return False
        if not order:
            return False
        number = int(order)
        try:
            pid = os.fork()
        except OSError as error:
            self._tell(ForkFailed(number, str(error)))
        else:
            if pid == 0:
                self._become_worker(*files)
            self._children.add(pid)
            self._tell_forked(number, pid)
        for each in files:
            os.close(each)
        return True

    def _tell_forked(self, number: int, pid: int) -> None:
        # Opened here: the number cannot be another process's before it is reaped here.
        try:
            watched = os.pidfd_open(pid)
        except OSError as error:
            os.kill(pid, signal.SIGKILL)
            self._tell(ForkFailed(number, str(error)))
            return
        try:
            self._tell(Forked(number, pid), watched)
        finally:
            os.close(watched)

    def _reap(self) -> None:
        while self._children:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            self._children.discard(pid)
            self._tell(Gone(pid, status))

    def _tell(self, message: FromServer, *files: int) -> None:
        with contextlib.suppress(OSError):  # gone: the next read says so
            socket.send_fds(self._control, [self._encode(message)], files)

    def _become_worker(self, connection: int, page: int, bell: int) -> NoReturn:
        code = 1
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            self._control.close()
            os.close(self._wake_read)
            os.close(self._wake_write)
            os.setsid()  # a group of its own, with all children that it may have
            gc.unfreeze()
            work(socket.socket(fileno=connection), page, bell)
            code = 0
        except SystemExit:
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            with contextlib.suppress(BaseException):
                sys.stdout.flush()
                sys.stderr.flush()
            os._exit(code)


def main(control: int) -> None:
    """What the new process runs."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:  # closed in the loop's process: a worker's files must not land there
            os.open(os.devnull, os.O_RDWR)
    with socket.socket(fileno=control) as connection:
        ForkServer(connection).serve()
