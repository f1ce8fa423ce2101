"""What must not be left behind: tasks, threads, files, processes, memory."""

from __future__ import annotations

import asyncio
import gc
import os
import time
from pathlib import Path

from collectorqueue.testing.leaks import left_over, present

__all__ = ["Residue", "resident_bytes", "slope"]

PATIENCE_S = 5.0  # a thread that was left to itself may still run
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


class Residue:
    """The baseline, and what is there beyond it."""

    def __init__(self) -> None:
        self._before = {kind: set(found) for kind, found in present().items()}

    async def beyond(self) -> list[str]:
        """What is left over once it had time to go."""
        until = time.monotonic() + PATIENCE_S
        while left := left_over(self._before):
            if time.monotonic() >= until:
                break
            await asyncio.sleep(0.01)
        return [
            f"left over {kind}: {sorted(map(str, found))}"
            for kind, found in left.items()
        ]


def resident_bytes() -> int:
    """Memory of this process now, once the garbage is out."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE_BYTES


def slope(samples: list[tuple[float, int]]) -> float:
    """Bytes a second over (second, bytes), by least squares; 0 of fewer than two."""
    if len(samples) < 2:
        return 0.0
    mean_s = sum(at for at, _ in samples) / len(samples)
    mean_bytes = sum(size for _, size in samples) / len(samples)
    spread = sum((at - mean_s) ** 2 for at, _ in samples)
    return sum((at - mean_s) * (size - mean_bytes) for at, size in samples) / spread
