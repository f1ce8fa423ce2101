"""Dead letters: what failed for good, handed to whoever shall keep it.

Rules of residence: from an event that ended FAILED to its sinks. A sink that fails loses
nothing: the letter is counted, logged, and kept here, up to a bound.
"""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import logging
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from collectorqueue._native.core import Core
from collectorqueue._native.event import CollectorEvent, Outcome
from collectorqueue._native.payload import Payload
from collectorqueue._native.plan import Step
from collectorqueue._native.results import Error
from collectorqueue.errors import EventAborted, QueueFull, UnknownKey
from collectorqueue.flow.collector import Collector
from collectorqueue.flow.deadline import Deadline
from collectorqueue.quiet import contained, quietly

__all__ = ["KEPT", "DeadLetter", "DeadLetters"]

log = logging.getLogger("collectorqueue.deadletters")

KEPT = 1000  # letters that no sink has taken

Sink = Collector | Callable[[Any], Any]


class DeadLetter(msgspec.Struct, frozen=True):
    """What failed for good at one collector. Times are seconds since 1970."""

    payload: Payload[Any]
    """As it was sent."""
    collector: str | None
    """The key of the collector that failed; None: a custom router did."""
    error: Error
    """Of its last run."""
    attempts: int
    """How many runs there were."""
    sent: float
    """When it was sent."""
    first_failed: float
    """When its first run failed."""
    last_failed: float
    """When its last run failed."""

    @property
    def ordering_key(self) -> str | bytes | int | None:
        """Of its payload."""
        return self.payload.ordering_key


class DeadLetters:
    """The dead letters of one running queue."""

    def __init__(
        self,
        core: Core,
        steps: Mapping[str, Step],
        default: Sink | None,
        kept: deque[DeadLetter],
        loop: asyncio.AbstractEventLoop,
        context: contextvars.Context,
        on_letter: Callable[[DeadLetter], None],
    ) -> None:
        self._core = core
        self._steps = steps
        self._default = default
        self._kept = kept
        self._loop = loop
        self._context = context
        self._on_letter = on_letter
        self._given_to: set[Collector] = set()
        self.under_way: dict[asyncio.Future[Any], list[DeadLetter]] = {}
        self.count = 0
        self.lost = 0  # that fell out of those that are kept

    def note(self, event: CollectorEvent, route: Step | tuple[Step, ...] | None) -> None:
        """An event has not ended OK, where it went: hand over what failed of it."""
        if event.outcome is not Outcome.FAILED:
            self._note_untaken(event)
            return
        results = event.get_result()
        assert results is not None
        # By what it went to: a collector may have been removed, or replaced, meanwhile.
        steps = route if isinstance(route, tuple) else () if route is None else (route,)
        gone_to = [step.collector for step in steps]  # or to a custom router
        collectors = {each.key: each for each in gone_to if isinstance(each, Collector)}
        for key, result in results.items():
            if isinstance(result, Error):
                self._note(event, key, self._failed(key, collectors), result)

    def _note_untaken(self, event: CollectorEvent) -> None:
        """It did not fail; but if it is a letter on its way to a sink, that has not got it."""
        letter, keys = event.payload.value, event.payload.keys
        if isinstance(letter, DeadLetter) and any(
            keys == (sink.key,) for sink in self._given_to
        ):
            self._keep(letter, EventAborted(f"on its way to {keys[0]!r}: {event.outcome}"))

    def _failed(self, key: object, collectors: dict[str, Collector]) -> Collector | None:
        """Which collector failed; None: a custom router did."""
        if type(key) is not str:
            return None  # a custom router may call its results anything
        if key in collectors or key not in self._steps:
            return collectors.get(key)
        collector: Collector = self._steps[key].collector
        return collector

    def _note(
        self, event: CollectorEvent, key: str | None, failed: Collector | None, error: Error
    ) -> None:
        sink: Sink | None
        if isinstance(event.payload.value, DeadLetter):
            letter = event.payload.value
            if failed not in self._given_to:
                return  # somebody's own business
            sink = None  # it has failed where it was to be kept
        else:
            own = None if failed is None else failed.dead_letter
            sink = self._default if own is None else own
            if sink is None:
                return
            letter = self._letter(event, key, error)
            self.count += 1
            self._on_letter(letter)
        try:
            self._hand_over(letter, sink)
        except BaseException as failure:
            self._keep(letter, failure)
            contained(failure)

    def _letter(self, event: CollectorEvent, key: str | None, error: Error) -> DeadLetter:
        now = time.time()
        since_sent, since_first = self._core.ages(event, error)
        return DeadLetter(
            event.payload, key, error, error.attempts,
            now - since_sent, now - since_first, now,
        )  # fmt: skip

    def _hand_over(self, letter: DeadLetter, sink: Sink | None) -> None:
        if sink is None:
            raise QueueFull("its dead_letter collector failed", 0)
        if isinstance(sink, Collector):
            step = self._steps.get(sink.key)
            if step is None or step.collector is not sink:
                raise UnknownKey(f"its dead_letter {sink!r} was removed", sink.key)
            self._given_to.add(sink)
            self._core.send_straight(step, Payload(letter, keys=sink.key))
            return
        context = self._context.copy()
        answer = context.run(sink, letter)
        if inspect.isawaitable(answer):
            taking = future_of(answer, self._loop, context)
            # It may be one for several.
            if taking not in self.under_way:
                self.under_way[taking] = []
                taking.add_done_callback(self._handed_over, context=self._context)
            self.under_way[taking].append(letter)

    def _handed_over(self, taking: asyncio.Future[Any]) -> None:
        cancelled = asyncio.CancelledError() if taking.cancelled() else None
        failure = cancelled or taking.exception()
        letters = self.under_way.pop(taking, [])  # none, if it was given up before
        if failure is not None:
            for letter in letters:
                self._keep(letter, failure)

    def _keep(self, letter: DeadLetter, failure: BaseException) -> None:
        if len(self._kept) == self._kept.maxlen:
            self.lost += 1
        self._kept.append(letter)
        quietly(
            log, logging.ERROR,
            "a dead letter of collector %s was not taken and is kept in memory (%d of %d): %r",
            letter.collector or "-", len(self._kept), KEPT, failure,
        )  # fmt: skip

    async def finish(self, deadline: Deadline) -> None:
        """Wait for what is being handed over; cancel what takes longer."""
        if self.under_way:
            await deadline.reach(asyncio.gather(*self.under_way, return_exceptions=True))
        for task in list(self.under_way):
            task.cancel()
        if self.under_way:
            await asyncio.wait(set(self.under_way), timeout=deadline.grace_s())
        for letters in self.under_way.values():
            for letter in letters:
                self._keep(letter, TimeoutError("it did not end when it was cancelled"))
        self.under_way.clear()


def future_of(
    answer: Any, loop: asyncio.AbstractEventLoop, context: contextvars.Context
) -> asyncio.Future[Any]:
    """When it is there. It is known before any of it has run, whatever the task factory.

    Raises ValueError for a future of another loop.
    """
    if asyncio.isfuture(answer):
        taking: asyncio.Future[Any] = asyncio.ensure_future(answer, loop=loop)
        return taking
    work = answer if inspect.iscoroutine(answer) else value_of(answer)
    return asyncio.Task(work, loop=loop, context=context)


async def value_of(answer: Any) -> Any:
    """A coroutine of anything else that can be awaited."""
    return await answer
