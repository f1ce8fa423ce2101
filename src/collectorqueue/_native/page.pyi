"""What a worker and the loop's process share: claims, and a ring of finished results."""

from mmap import mmap
from typing import Self, final

@final
class Page:
    """One worker's page, over a writable buffer of `bytes_for(store)` bytes.

    The buffer must not move: a memory map. `fresh`: make it, before the worker is there;
    the worker only opens it. Raises ValueError for memory that is no page.
    """

    def __new__(cls, memory: mmap, *, fresh: bool) -> Self: ...
    @property
    def store_bytes(self) -> int:
        """How large the store for large payloads is."""

    @property
    def told(self) -> tuple[int, int, int]:
        """What the worker has told last: events, bytes of memory, ns of CPU time."""

    def tell(self, events: int, memory_bytes: int, cpu_ns: int) -> None:
        """In the worker: how many events it has run, its memory, its CPU time."""

def bytes_for(store_bytes: int) -> int:
    """The size of a page with so much room for large payloads."""
