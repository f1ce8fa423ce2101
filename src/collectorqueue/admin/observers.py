"""Observers: who wants to know what becomes of a queue, and of each of its events.

Rules of residence: passing on. An observer that raises is logged once and removed; nobody
else pays for it, and nothing is paid while nobody listens.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import msgspec

from collectorqueue._native.core import Core
from collectorqueue.admin.autoscaler import Scaling
from collectorqueue.quiet import quietly

__all__ = [
    "DrainFinished", "DrainStarted", "Observers", "Overflowed", "QueueStarted",
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
    """A send found the queue full, and was refused."""

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


HANDLERS: dict[Any, str] = {
    QueueStarted: "on_queue_started",
    DrainStarted: "on_drain_started",
    DrainFinished: "on_drain_finished",
    Overflowed: "on_overflowed",
    WorkerStarted: "on_worker_started",
    WorkerDied: "on_worker_lost",
    Scaling: "on_scaled",
}
SPANS = ("on_sent", "on_started", "on_settled")
Observer = Callable[[Any], object]


class Observers:
    """Those of one queue, over all its runs."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._observers: dict[int, tuple[Any, bool]] = {}
        self._number = 0

    def add(self, observer: Any, spans: bool) -> Callable[[], None]:
        """Tell it from now on; returns what makes an end of that. Raises TypeError."""
        names = [*HANDLERS.values(), *SPANS]
        if not callable(observer) and not any(hasattr(observer, each) for each in names):
            raise TypeError(
                f"an observer is callable or has one of {', '.join(names)}, got {observer!r}"
            )
        self._number += 1
        number = self._number
        self._observers[number] = (observer, spans)
        self.bind()
        return lambda: self._remove(number)

    def tell(self, happened: Any) -> None:
        """Pass one event of the queue's life on."""
        for number, (observer, _) in list(self._observers.items()):
            call = getattr(observer, HANDLERS[type(happened)], None)
            if call is None and callable(observer):
                call = observer
            if call is not None:
                self._call(number, call, happened)

    def bind(self) -> None:
        """Have the core tell of each event, if somebody wants that."""
        self._core.on_sent = self._listening("on_sent")
        self._core.on_started = self._listening("on_started")
        self._core.on_settled = self._listening("on_settled")
        self._core.on_overflow = self._overflowed if self._observers else None

    def _listening(self, name: str) -> Observer | None:
        calls: list[Observer] = []
        for number, (observer, spans) in self._observers.items():
            call = getattr(observer, name, None)
            if call is None and spans and name == "on_settled" and callable(observer):
                call = observer
            if call is not None:
                calls.append(self._guarded(number, call))

        def tell_all(event: Any) -> None:
            for call in calls:
                call(event)

        if len(calls) > 1:
            return tell_all
        return calls[0] if calls else None

    def _guarded(self, number: int, call: Observer) -> Observer:
        """What `_call` does, without its cost: this is paid for every event."""

        def tell(event: Any) -> None:
            try:
                call(event)
            except Exception:
                self._failed(number)

        return tell

    def _overflowed(self) -> None:
        self.tell(Overflowed(self._core.queued))

    def _call(self, number: int, call: Observer, happened: Any) -> None:
        try:
            call(happened)
        except Exception:
            self._failed(number)

    def _failed(self, number: int) -> None:
        if number in self._observers:
            quietly(
                log, logging.ERROR, "an observer failed and is removed: %r",
                self._observers[number][0], exc_info=True,
            )  # fmt: skip
            self._remove(number)

    def _remove(self, number: int) -> None:
        self._observers.pop(number, None)
        self.bind()
