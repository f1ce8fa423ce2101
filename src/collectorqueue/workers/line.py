"""The way back from a worker: a bell for the results in its page, and frames for the rest.

The bell is an eventfd: it is rung for every result that comes alone, and costs a third of
what a message on the socket does.
"""

from __future__ import annotations

import itertools
import os
import select
import socket
import threading

import msgspec

from collectorqueue._native.wire import KIND_NOTE, KIND_RESULT, pack_frame
from collectorqueue.workers.messages import FromWorker

__all__ = ["Line"]


class Line:
    """Rings for one worker, and counts and sends its frames, from any of its threads."""

    def __init__(self, connection: socket.socket, bell: int) -> None:
        self._connection = connection
        self._bell = bell
        self._lock = threading.Lock()
        self._numbers = itertools.count()
        self._encode = msgspec.msgpack.Encoder().encode

    def ring(self) -> None:
        """There are results in the page."""
        os.eventfd_write(self._bell, 1)

    def send_whole(self, result: bytes) -> None:
        """A result that has no room there; waits until all of it is on the socket."""
        self._send(KIND_RESULT, result)

    def tell(self, message: FromWorker) -> None:
        """A message."""
        self._send(KIND_NOTE, self._encode(message))

    def _send(self, kind: int, body: bytes) -> None:
        with self._lock:
            unsent = memoryview(pack_frame(kind, body, next(self._numbers)))
            while unsent:
                try:
                    unsent = unsent[self._connection.send(unsent) :]
                except BlockingIOError:  # a loop that reads there has made it so
                    self._wait_for_room()

    def _wait_for_room(self) -> None:
        room = select.poll()
        room.register(self._connection, select.POLLOUT)
        room.poll()
