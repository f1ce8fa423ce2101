"""Frames: what travels on the socket between the loop's process and a worker."""

from typing import Self, final

KIND_ITEMS: int
KIND_NOTE: int
KIND_RESULT: int

def pack_frame(kind: int, body: bytes, number: int) -> bytearray:
    """A frame of one message, the `number`th of its direction.

    Raises ValueError if it is 2 GiB or more.
    """

@final
class Reader:
    """Makes frames of the bytes that come in."""

    def __new__(cls) -> Self: ...
    def feed(self, data: bytes | memoryview) -> None:
        """These bytes have come in."""

    def next(self) -> tuple[int, int, int, bytes] | None:
        """The next whole frame: (kind, first, count, body); None: not all of it is there.

        Raises ValueError for bytes that are not the next frame; nothing after them can be
        read.
        """
