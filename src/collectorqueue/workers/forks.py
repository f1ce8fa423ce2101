"""When the user forks the loop's process, or a collector its worker.

A child of the loop's process must take nothing for the queue, which does not run there, and
not hold workers' files open: a worker ends when all copies of the other end of its socket
are closed. A child of a worker must not answer for it.
This is the one place with state of the module's own: what is called after a fork cannot be
taken back.
"""

from __future__ import annotations

import os
import weakref
from typing import Protocol

__all__ = ["watch"]


class Forsaken(Protocol):
    """What a child must let go of."""

    def abandon(self) -> None: ...


_watched: weakref.WeakSet[Forsaken] = weakref.WeakSet()


def watch(owner: Forsaken) -> None:
    """Have `owner.abandon()` called in children that are forked from now on."""
    _watched.add(owner)


def _after_fork_in_child() -> None:
    for owner in list(_watched):
        owner.abandon()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
