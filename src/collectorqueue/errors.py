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
    "NotEncodable",
    "PayloadInvalid",
    "PayloadSealed",
    "PayloadTooLarge",
    "QueueClosed",
    "QueueFailed",
    "QueueFull",
    "QueueNotStarted",
    "RemoteError",
    "RunTimeout",
    "UnknownKey",
    "Unrouted",
    "WorkerLost",
    "WorkersFailed",
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

    @classmethod
    def with_its_loop(cls) -> QueueClosed:
        """The error of a send to a queue whose loop has ended."""
        return cls("the loop of the queue has ended")

    @classmethod
    def before_there_was_room(cls) -> QueueClosed:
        """The error of a send that waited for room."""
        return cls("the queue was closed while a send waited for room")


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
    """A collector returned `Error("text")`, and `unwrap()` raises it; or `call()` was answered
    by what must not be raised in its caller, a CancelledError or SystemExit."""


class NotEncodable(CollectorQueueError, TypeError):
    """A value cannot cross to or from a worker: of type `type_name`, at `path` in it."""

    def __init__(self, message: str, type_name: str = "", path: str = "") -> None:
        super().__init__(message)
        self.type_name = type_name
        self.path = path


class RemoteError(CollectorQueueError):
    """What a collector raised in a worker, as text: no object of it crosses.

    `type_name` is the class's full name, `text` its message (up to 64 KiB), `traceback` as
    it would have been printed there (up to 256 KiB).
    """

    def __init__(self, type_name: str, text: str = "", traceback: str = "") -> None:
        super().__init__(type_name, text)
        self.type_name = type_name
        self.text = text
        self.traceback = traceback

    def __str__(self) -> str:
        return f"{self.type_name}: {self.text}" if self.text else self.type_name


class WorkerLost(RemoteError):
    """The worker died while it ran the event.

    `signal` or `exit_code` tells of what, the other is None; both are None where that could
    not be found out. `traceback` is what faulthandler wrote, if it did.
    """

    def __init__(
        self,
        text: str,
        traceback: str = "",
        *,
        signal: int | None = None,
        exit_code: int | None = None,
        worker: int = 0,
    ) -> None:
        super().__init__("collectorqueue.errors.WorkerLost", text, traceback)
        self.signal = signal
        self.exit_code = exit_code
        self.worker = worker

    def __str__(self) -> str:
        return self.text


class RunTimeout(RemoteError, TimeoutError):
    """A run took longer than its collector's `timeout`: it was cancelled, its worker was
    killed for it, or its thread was left to itself."""

    def __init__(self, text: str) -> None:
        super().__init__("collectorqueue.errors.RunTimeout", text)
        self.args = (text,)

    @classmethod
    def after(cls, seconds: float) -> RunTimeout:
        """The error of a run whose timeout this was."""
        return cls(f"the run took longer than its timeout of {seconds:g} s")

    def __str__(self) -> str:
        return self.text


class WorkersFailed(CollectorQueueError):
    """Workers could not be started; the message has what they said."""


class PayloadInvalid(CollectorQueueError, ValueError):
    """A value is not what a collector's `payload_type` asks for; the message says where."""


class PayloadTooLarge(CollectorQueueError):
    """A payload that could never fit: it is larger than `max_bytes`."""


class WouldDeadlock(CollectorQueueError):
    """A handler waits for something that cannot happen before it ends itself."""


class WrongLoop(CollectorQueueError):
    """The call was made on another event loop than the one the queue runs on."""


class WrongThread(CollectorQueueError):
    """The call was made from another thread than the one the queue runs in."""
