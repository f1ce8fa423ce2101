"""Observers: who wants to know what becomes of a queue, and of each of its events.

Rules of residence: passing on. An observer that raises is logged once and removed; nobody
else pays for it, and nothing is paid while nobody listens.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable
from typing import Any

import msgspec

from collectorqueue._native.core import Core
from collectorqueue.admin.autoscaler import Scaling
from collectorqueue.quiet import contained, quietly

__all__ = [
    "DeadLettered", "DrainFinished", "DrainStarted", "Observers", "Overflowed", "QueueStarted",
    "WorkerDied", "WorkerStarted",
]  # fmt: skip

log = logging.getLogger("collectorqueue.observers")


class QueueStarted(msgspec.Struct, frozen=True, tag="queue_started"):
    """The queue accepts events."""


class DrainStarted(msgspec.Struct, frozen=True, tag="drain_started"):
    """It is being closed: no sends from outside any more."""

    queued: int
    """Events that wait."""
    in_flight: int
    """Events that run."""


class DrainFinished(msgspec.Struct, frozen=True, tag="drain_finished"):
    """It is closed."""

    aborted: int
    """Events that were left at the deadline."""
    seconds: float
    """How long it took."""


class Overflowed(msgspec.Struct, frozen=True, tag="overflowed"):
    """A send found the queue full, and was refused; or an event was dropped for it."""

    queued: int
    """Events that wait."""


class WorkerStarted(msgspec.Struct, frozen=True, tag="worker_started"):
    """A worker process is ready."""

    number: int
    pid: int
    seconds: float
    """How long its start took."""


class WorkerDied(msgspec.Struct, frozen=True, tag="worker_lost"):
    """A worker process ended that was not told to."""

    number: int
    pid: int


class DeadLettered(msgspec.Struct, frozen=True, tag="dead_lettered"):
    """Something has failed for good at a collector that has a `dead_letter`."""

    letter: Any
    """The DeadLetter."""


HANDLERS: dict[Any, str] = {
    QueueStarted: "on_queue_started",
    DrainStarted: "on_drain_started",
    DrainFinished: "on_drain_finished",
    Overflowed: "on_overflowed",
    WorkerStarted: "on_worker_started",
    WorkerDied: "on_worker_lost",
    Scaling: "on_scaled",
    DeadLettered: "on_dead_lettered",
}
SPANS = ("on_sent", "on_started", "on_settled")
NAMES = (*HANDLERS.values(), *SPANS)
Listener = Callable[[Any], object]


class Observers:
    """Those of one queue, over all its runs."""

    def __init__(self, core: Core) -> None:
        self._core = core
        # By number: what each wants to be told of, by the name of the method.
        self._listeners: dict[int, dict[str, Listener]] = {}
        self._number = 0

    def add(self, observer: Any, spans: bool) -> Callable[[], None]:
        """Tell it from now on; returns what makes an end of that. Raises TypeError."""
        found = listeners(observer, spans)
        self._number += 1
        number = self._number
        self._listeners[number] = found
        self._bind()
        return lambda: self._remove(number)

    def tell(self, happened: Any) -> None:
        """Pass one event of the queue's life on."""
        name = HANDLERS[type(happened)]
        for number, found in list(self._listeners.items()):
            if name in found:
                self._guarded(number, found[name])(happened)

    def _bind(self) -> None:
        """Have the core tell of each event, if somebody wants that."""
        self._core.on_sent = self._listening("on_sent")
        self._core.on_started = self._listening("on_started")
        self._core.on_settled = self._listening("on_settled")
        self._core.on_overflow = self._overflowed if self._listeners else None

    def _listening(self, name: str) -> Listener | None:
        calls = [
            self._guarded(number, found[name])
            for number, found in self._listeners.items()
            if name in found
        ]

        def tell_all(event: Any) -> None:
            for call in calls:
                call(event)

        if len(calls) > 1:
            return tell_all
        return calls[0] if calls else None

    def _guarded(self, number: int, call: Listener) -> Listener:
        def tell(happened: Any) -> None:
            try:
                call(happened)
            except BaseException as error:
                self._failed(number, call)
                contained(error)

        return tell

    def _overflowed(self) -> None:
        self.tell(Overflowed(self._core.queued))

    def _failed(self, number: int, call: Listener) -> None:
        if number in self._listeners:
            quietly(
                log, logging.ERROR, "an observer failed and is removed: %r", call,
                exc_info=True,
            )  # fmt: skip
            self._remove(number)

    def _remove(self, number: int) -> None:
        self._listeners.pop(number, None)
        self._bind()


def listeners(observer: Any, spans: bool) -> dict[str, Listener]:
    """What an observer wants to be told of, by the name of the method. Raises TypeError."""
    found = {name: getattr(observer, name) for name in NAMES if hasattr(observer, name)}
    if found and isinstance(observer, type):
        raise TypeError(f"an observer is an object, got the class {observer!r}")
    if callable(observer):
        names = [*HANDLERS.values(), *(["on_settled"] if spans else [])]
        found = dict.fromkeys(names, observer) | found
    if not found:
        raise TypeError(
            f"an observer is callable or has one of {', '.join(NAMES)}, got {observer!r}"
        )
    for name, call in found.items():
        if not callable(call):
            raise TypeError(f"{name} of an observer must be callable, got {call!r}")
        if inspect.iscoroutinefunction(call):
            raise TypeError(f"an observer is called in line, got the async {call!r}")
    return found
