"""The way back from a worker: frames to the loop's process, from any of its threads."""

from __future__ import annotations

import itertools
import socket
import threading

import msgspec

from collectorqueue._native.wire import KIND_BELL, KIND_NOTE, KIND_RESULT, pack_frame
from collectorqueue.workers.messages import FromWorker

__all__ = ["Line"]


class Line:
    """Counts and sends the frames of one worker."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._lock = threading.Lock()
        self._numbers = itertools.count()
        self._encode = msgspec.msgpack.Encoder().encode

    def ring(self) -> None:
        """There are results in the page."""
        self._send(KIND_BELL, b"")

    def send_whole(self, result: bytes) -> None:
        """A result that has no room there; waits until all of it is on the socket."""
        self._send(KIND_RESULT, result)

    def tell(self, message: FromWorker) -> None:
        """A message."""
        self._send(KIND_NOTE, self._encode(message))

    def _send(self, kind: int, body: bytes) -> None:
        with self._lock:
            self._connection.sendall(pack_frame(kind, body, next(self._numbers)))
