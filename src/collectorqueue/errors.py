"""Every error this library raises, one base class, one class for each thing a caller can do.

Rules of residence: exceptions only, nothing that imports from this package.
"""

from __future__ import annotations

__all__ = [
    "CollectorFailed",
    "CollectorQueueError",
    "ConfigError",
    "DuplicateKey",
    "EventAborted",
    "EventDropped",
    "PayloadSealed",
    "QueueClosed",
    "QueueFailed",
    "QueueFull",
    "QueueNotStarted",
    "UnknownKey",
    "Unrouted",
    "WouldDeadlock",
    "WrongLoop",
    "WrongThread",
]


class CollectorQueueError(Exception):
    """The base of them all."""


class ConfigError(CollectorQueueError, ValueError):
    """An option has a value that cannot work; raised where it is given."""


class DuplicateKey(ConfigError):
    """Two collectors of one queue have the same key (`key`)."""

    def __init__(self, key: str) -> None:
        super().__init__(f"collector keys must be unique, got {key!r} twice")
        self.key = key


class PayloadSealed(CollectorQueueError):
    """A payload was changed after it was sent: others may be reading it."""


class QueueNotStarted(CollectorQueueError):
    """The queue has not been started: enter it with `async with` or call `start()`."""


class QueueClosed(CollectorQueueError):
    """The queue is draining or closed; what was sent was not accepted."""


class QueueFailed(CollectorQueueError):
    """The queue lost all its consumers at once and cannot run any event."""


class QueueFull(CollectorQueueError):
    """There is no place (`capacity`); what was sent was not accepted."""

    def __init__(self, message: str, capacity: int = 0) -> None:
        super().__init__(message)
        self.capacity = capacity


class UnknownKey(CollectorQueueError):
    """No collector has this key (`key`)."""

    def __init__(self, message: str, key: str = "") -> None:
        super().__init__(message)
        self.key = key


class Unrouted(CollectorQueueError):
    """No collector matched the payload."""


class EventAborted(CollectorQueueError):
    """The event was cancelled, or left over at the drain deadline."""


class EventDropped(CollectorQueueError):
    """The event was given up by its `ttl` or by the overflow policy."""


class CollectorFailed(CollectorQueueError):
    """A collector returned `Error("text")`; raised by its `unwrap()`."""


class WouldDeadlock(CollectorQueueError):
    """A handler waits for something that cannot happen before it ends itself."""


class WrongLoop(CollectorQueueError):
    """The call was made on another event loop than the one the queue runs on."""


class WrongThread(CollectorQueueError):
    """The call was made from another thread than the one the queue runs in."""
