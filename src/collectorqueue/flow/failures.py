"""No failure is silent: events that do not end OK are logged, without flooding the log.

Rules of residence: one place that logs outcomes. The first of its kind in full, then one
line per ten seconds with the count. A kind is outcome, collector and error type.
"""

from __future__ import annotations

import asyncio
import contextvars
import difflib
import logging
from collections import Counter
from collections.abc import Iterable

from collectorqueue._native.core import Core
from collectorqueue._native.event import CollectorEvent, Outcome
from collectorqueue._native.payload import Delivery
from collectorqueue._native.results import Error
from collectorqueue.errors import UnknownKey
from collectorqueue.quiet import quietly

__all__ = ["FailureLog"]

log = logging.getLogger("collectorqueue.events")

SUMMARY_S = 10.0
KINDS = 1000  # remembered; an error type made anew for each event must not fill memory
NAMES = 8  # registered names shown in a message
SEARCHED = 10_000  # names looked through for the nearest one

Kind = tuple[Outcome, str, str]


class FailureLog:
    """Logs the events of one running queue that ended other than OK."""

    def __init__(
        self,
        core: Core,
        loop: asyncio.AbstractEventLoop,
        context: contextvars.Context,
    ) -> None:
        self._core = core
        self._loop = loop
        self._context = context
        self._known: set[Kind] = set()
        self._more: Counter[Kind] = Counter()
        self._timer: asyncio.TimerHandle | None = None

    def note(self, event: CollectorEvent) -> None:
        """An event ended FAILED, UNROUTED, DROPPED or ABORTED."""
        if event.outcome is Outcome.ABORTED and not self._core.is_open:
            return  # the drain reports what it aborts, with the count
        try:
            # Not in the handler's context: what log handlers do there is not its own.
            self._context.copy().run(self._note, event)
        except BaseException as exc:  # in the consumer's step: a hostile repr costs nothing
            quietly(
                log, logging.ERROR, "event id=%d ended %s and could not be described: %s",
                event.id, event.outcome, type(exc).__name__,
            )  # fmt: skip

    def close(self) -> None:
        """Log what has been counted and not said yet."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._summarise()

    def _note(self, event: CollectorEvent) -> None:
        outcome = event.outcome
        results = event.get_result()
        assert outcome is not None and results is not None
        for key, result in results.items():
            if not isinstance(result, Error):
                continue
            err = result.err
            error = err if isinstance(err, str) else type(err).__name__
            route = ""
            if outcome is Outcome.UNROUTED:
                route = f"{event.payload.delivery} {event.payload.keys}{event.payload.topics}"
            kind = (outcome, key or route, error[:200])
            if kind in self._known or len(self._known) >= KINDS:
                self._count(kind)
                continue
            self._known.add(kind)
            self._log_first(event, outcome, key, result)

    def _log_first(
        self, event: CollectorEvent, outcome: Outcome, key: str | None, result: Error
    ) -> None:
        failed = outcome is Outcome.FAILED
        text = f"event id={event.id} {outcome}"
        if key is not None:
            text += f" collector={key}"
        text += f": {result.err!r}"
        if outcome is Outcome.UNROUTED or issubclass(type(result.err), UnknownKey):
            text += self._nearest(event)
        if result.traceback:
            text += "\n" + result.traceback.rstrip()
        quietly(log, logging.ERROR if failed else logging.WARNING, "%s", text)

    def _nearest(self, event: CollectorEvent) -> str:
        """The registered names, and for each that is not the one most like it."""
        payload = event.payload
        by_topic = payload.delivery is Delivery.TOPIC
        index = self._core.index
        names: list[str] = index.known_topics() if by_topic else list(index.steps)
        wanted: Iterable[str] = payload.topics if by_topic else payload.keys
        text = f"; registered: {', '.join(map(repr, names[:NAMES])) or 'none'}"
        if len(names) > NAMES:
            text += f" and {len(names) - NAMES} more"
        for name in wanted:
            near = difflib.get_close_matches(name, names[:SEARCHED], n=1)
            if near and near[0] != name:
                text += f"; did you mean {near[0]!r}?"
        return text

    def _count(self, kind: Kind) -> None:
        if len(self._more) < KINDS:
            self._more[kind] += 1
        else:
            self._more[(kind[0], "", "others")] += 1
        if self._timer is None:
            self._timer = self._loop.call_later(
                SUMMARY_S, self._summarise, context=self._context
            )

    def _summarise(self) -> None:
        self._timer = None
        for (outcome, key, error), count in self._more.items():
            quietly(
                log, logging.WARNING,
                "%d more events %s in the last %d s: collector=%s error=%s",
                count, outcome, SUMMARY_S, key or "-", error,
            )  # fmt: skip
        self._more.clear()
