"""What the fork server tells: who was born, and who has died."""

from __future__ import annotations

import msgspec

__all__ = ["FILES", "MESSAGE_BYTES", "ForkFailed", "Forked", "FromServer", "Gone"]

MESSAGE_BYTES = 4096
FILES = 3  # of a worker: its socket, its page, its bell


class Forked(msgspec.Struct, frozen=True, tag=True):
    """A worker was forked; its pidfd comes along."""

    number: int
    pid: int


class ForkFailed(msgspec.Struct, frozen=True, tag=True):
    """A worker could not be forked."""

    number: int
    reason: str


class Gone(msgspec.Struct, frozen=True, tag=True):
    """A worker has ended; `status` is as from waitpid."""

    pid: int
    status: int


FromServer = Forked | ForkFailed | Gone
