"""The one error of the commands, and what a shell sees of it.

    0  all well        1  some of the work failed        2  could not run
"""

from __future__ import annotations

from enum import IntEnum

from collectorqueue.errors import CollectorQueueError

__all__ = ["CommandError", "Exit"]


class CommandError(CollectorQueueError):
    """The command cannot run as asked; its message is all that the user sees."""


class Exit(IntEnum):
    """What a command returns to the shell."""

    OK = 0
    SOME_FAILED = 1
    COULD_NOT_RUN = 2
    INTERRUPTED = 130  # the shells' own number for SIGINT
