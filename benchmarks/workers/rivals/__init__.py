"""The rivals: each module drives one of them as its class `Rival`.

Rules of residence: one module a rival, written as its best user would write it. Its
workers run when `async with Rival(work, mode) as rival` begins, and are gone when it is
left. A rival that waits for its workers without the loop has plain functions; where the
loop must go on, they are called in a thread.

    carry(count)    send the first `count` items, return their answers in that order
    ask(item)       send one, return its answer

`mode` is one of the rival's `MODES`.
"""

from __future__ import annotations

import importlib
from types import ModuleType

__all__ = ["NAMES", "load", "why_not"]

NAMES = {
    "collectorqueue": "collectorqueue_",
    "inline": "inline",
    "ProcessPoolExecutor": "process_pool_executor",
    "Pool.imap": "pool_imap",
    "loky": "loky_",
    "pebble": "pebble_",
    "pyzmq": "pyzmq_",
    "faster-fifo": "faster_fifo_",
    "bare processes": "bare_processes",
}
"""The rivals' names, and the modules that drive them."""


def load(rival: str) -> ModuleType:
    """The module that drives a rival. Raises ImportError when it is not installed."""
    return importlib.import_module(f"benchmarks.workers.rivals.{NAMES[rival]}")


def why_not(rival: str, function: str, mode: str | None) -> str | None:
    """Why a rival cannot take part; None: it can. Each that can does every case."""
    try:
        module = load(rival)
    except ImportError as error:
        return f"cannot be imported: {error}"
    if mode is not None and mode not in module.MODES:
        return f"sends by {', '.join(module.MODES)} only"
    return None
