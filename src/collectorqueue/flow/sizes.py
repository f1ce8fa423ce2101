"""How many bytes a value has, for `max_bytes` and for batches.

Rules of residence: one value, one number.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from collectorqueue.errors import ConfigError

__all__ = ["measure_by"]


def measure_by(size_of: Callable[[Any], int] | None) -> Callable[[Any], int]:
    """What measures values: what has a length in bytes by itself, all else by `size_of`."""

    def measure(value: Any) -> int:
        if isinstance(value, (bytes, bytearray)):
            return len(value)
        if isinstance(value, str):
            if value.isascii():
                return len(value)
            return len(value.encode("utf-8", "surrogatepass"))
        if isinstance(value, memoryview):
            return value.nbytes
        if size_of is None:
            raise TypeError(
                f"the bytes of a {type(value).__qualname__} are not known: give the queue "
                "size_of=, which returns them"
            )
        size = size_of(value)
        if isinstance(size, bool) or not isinstance(size, int):
            raise TypeError(f"size_of must return an int, got {size!r}")
        if size < 0:
            raise ConfigError(f"size_of must return 0 or more, got {size!r}")
        return size

    return measure
