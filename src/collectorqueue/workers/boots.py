"""What a new worker is told: the collectors, and what the program changed since it began."""

from __future__ import annotations

import os
import sys

from collectorqueue.workers.logs import levels
from collectorqueue.workers.messages import Blueprint, Boot
from collectorqueue.workers.paths import main_for

__all__ = ["boot_for"]


def boot_for(blueprints: list[Blueprint]) -> Boot:
    """For a worker that starts now. Raises ConfigError if the program's file has gone,
    UnicodeError for what no file can be called."""
    try:
        folder = os.getcwdb()
    except OSError:
        folder = b""  # it was removed
    return Boot(
        # Others than text Python ignores.
        sys_path=[os.fsencode(each) for each in sys.path if isinstance(each, str)],
        argv=[os.fsencode(str(each)) for each in sys.argv],
        folder=folder,
        blueprints=blueprints,
        log_levels=levels(),
        main=main_for(each.paths() for each in blueprints),
    )
