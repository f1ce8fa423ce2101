"""When the user forks the loop's process: the child must not hold workers' files open.

A worker ends when all copies of the other end of its socket are closed. This is the one
place with state of the module's own: what is called after a fork cannot be taken back.
"""

from __future__ import annotations

import os
import weakref
from typing import Protocol

__all__ = ["watch"]


class Forsaken(Protocol):
    """What has files that a child must let go of."""

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
