"""What the loop's process and a worker tell each other, besides events and results."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from collectorqueue._native.retrial import is_one_of
from collectorqueue.errors import PayloadInvalid
from collectorqueue.workers.paths import Main, Path, TypePath

__all__ = [
    "READ_BYTES", "Blueprint", "Boot", "Ended", "FromWorker", "LogLine", "Ready", "Stop",
    "ToWorker",
]  # fmt: skip

READ_BYTES = 262_144  # that either side takes from the socket at once


class Blueprint(msgspec.Struct, frozen=True):
    """A collector, as a worker makes it."""

    number: int
    key: str
    processor: Path
    takes_context: bool
    is_async: bool
    lifecycle: Path | None = None
    context_type: Path = Path("collectorqueue.flow.context", "Context")
    context: bytes = b"\x80"  # msgpack of what the Context holds
    payload_type: TypePath | None = None
    enc_hook: Path | None = None
    dec_hook: Path | None = None
    timeout: float | None = None
    max_concurrency: int | None = None
    takes_batches: bool = False
    retry_on: tuple[Path, ...] | None = None  # None: nothing is tried again
    retry_never: tuple[Path, ...] = ()

    def is_retried(self) -> Callable[[Any], bool] | None:
        """In a worker: what tells whether an error is to be tried again."""
        if self.retry_on is None:
            return None
        on = tuple(path.find() for path in self.retry_on)
        never = (PayloadInvalid, *(path.find() for path in self.retry_never))

        return lambda error: is_one_of(error, on, never)

    def paths(self) -> Iterator[Path]:
        """Where all that it needs is found."""
        yield self.processor
        for path in (self.lifecycle, self.enc_hook, self.dec_hook):
            if path is not None:
                yield path
        yield from (*(self.retry_on or ()), *self.retry_never)
        if self.payload_type is not None:
            yield from self.payload_type.paths()


class Boot(msgspec.Struct, frozen=True, tag=True):
    """The first message to a worker."""

    sys_path: list[bytes]  # as the file system has them, which may be no text
    argv: list[bytes]
    folder: bytes
    blueprints: list[Blueprint]
    log_levels: dict[str, int]
    main: Main | None = None


class Stop(msgspec.Struct, frozen=True, tag=True):
    """Nothing more will come: leave the lifecycles and end."""


class Ready(msgspec.Struct, frozen=True, tag=True):
    """The worker can take events; or why it cannot."""

    failure: str | None = None


class Ended(msgspec.Struct, frozen=True, tag=True):
    """The lifecycles were left; the failures of those that failed, as (key, text)."""

    failures: list[tuple[str, str]] = []


class LogLine(msgspec.Struct, frozen=True, tag=True):
    """A log record of a worker."""

    name: str
    level: int
    text: str
    created: float
    file: str
    line: int
    function: str | None
    thread: str | None
    trace: str | None


ToWorker = Boot | Stop
FromWorker = Ready | Ended | LogLine
