"""TestQueue: a queue whose work can be waited for to the last cascade, and asked about."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any

from collectorqueue import CollectorEvent, CollectorQueue, Error, Payload, ResultList
from collectorqueue.errors import (
    CollectorFailed,
    EventAborted,
    EventDropped,
    UnknownKey,
    WouldDeadlock,
)

__all__ = ["TestQueue"]

ANY: Any = object()


class TestQueue(CollectorQueue):
    """A CollectorQueue that remembers what was sent and collected.

        async with TestQueue([receipt]) as queue:
            await queue.deliver({"id": 7}, topics="order.paid")
            queue.assert_sent(topic="mail.out", times=1)
            assert queue.collected["receipt"] == [{"id": 7}]

    It takes what CollectorQueue takes. `sent`: the payloads, in order, those of handlers too.
    `collected`: collector key -> the values it was sent, in the order its events ended;
    of an event with several collectors, those that it was given up before count as not called.
    """

    __test__ = False  # for pytest: this is no test

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.sent: list[Payload[Any]] = []
        self.collected: dict[str, list[Any]] = {}
        self._started: set[int] = set()  # ids
        self._failures: list[BaseException] = []
        self._expected: tuple[type[BaseException], ...] = ()
        self.observe(self)

    async def deliver(self, value: Any, **address: Any) -> ResultList:
        """Send, and wait until it and all that came of it is settled; its results.

        Raises as `settle` does.
        """
        event = await self.publisher.send(value, **address)
        await self.settle()
        return await event

    async def settle(self) -> None:
        """Wait until nothing is queued and nothing runs, whatever handlers send meanwhile.

        Raises an ExceptionGroup of the errors that were not expected, of handlers, and of
        events that were cancelled, dropped or for nobody; and WouldDeadlock in a handler of
        this queue, whose own event it would wait for.
        """
        if self._core.is_inside():
            raise WouldDeadlock("a handler cannot wait until its own queue is at rest")
        while self.ledger.queued or self.ledger.in_flight:
            await self.publisher.wait()
        self._raise_failures()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Drain and stop; raises as `settle` does what nobody has seen yet."""
        await super().__aexit__(kind, error, trace)
        if error is None:
            self._raise_failures()

    def _raise_failures(self) -> None:
        failures, self._failures = self._failures, []
        if failures:
            raise BaseExceptionGroup("handlers failed", failures)

    @contextmanager
    def expecting(self, *errors: type[BaseException]) -> Iterator[None]:
        """Within it, handlers may fail with these, whoever sent what they handle."""
        before, self._expected = self._expected, (*self._expected, *errors)
        try:
            yield
        finally:
            self._expected = before

    def assert_sent(
        self,
        value: Any = ANY,
        *,
        key: str | None = None,
        topic: str | None = None,
        times: int | None = None,
    ) -> None:
        """Something was sent with this value, key and topic; or just so many times."""
        found = [
            each
            for each in self.sent
            if (value is ANY or each.value == value)
            and (key is None or key in each.keys)
            and (topic is None or topic in each.topics)
        ]
        wanted = "at least once" if times is None else f"{times} times"
        if not found if times is None else len(found) != times:
            raise AssertionError(
                f"wanted {wanted}, found {len(found)} times among {self.sent!r}"
            )

    def assert_collected(self, key: str, *values: Any) -> None:
        """This collector was called with these values, in this order, and no others."""
        found = self.collected.get(key, [])
        if found != list(values):
            raise AssertionError(f"{key!r} was called with {found!r}")

    def on_sent(self, event: CollectorEvent) -> None:
        """Called by the queue."""
        self.sent.append(event.payload)

    def on_started(self, event: CollectorEvent) -> None:
        """Called by the queue."""
        self._started.add(event.id)

    def on_settled(self, event: CollectorEvent) -> None:
        """Called by the queue."""
        results = event.get_result()
        assert results is not None
        has_run = event.id in self._started and len(results) == 1
        self._started.discard(event.id)
        not_called: tuple[type, ...] = (UnknownKey,)
        if not has_run:
            not_called += EventAborted, EventDropped
        for key, result in results.items():
            is_called = not isinstance(result, Error) or type(result.err) not in not_called
            if key is not None and is_called:
                self.collected.setdefault(key, []).append(event.payload.value)
            if isinstance(result, Error):
                self._note(result)

    def _note(self, failure: Error) -> None:
        error = failure.err
        if not isinstance(error, BaseException):
            kind = error if isinstance(error, type) else CollectorFailed
            error = CollectorFailed(error if isinstance(error, str) else repr(error))
        else:
            kind = type(error)
        if not issubclass(kind, self._expected):
            self._failures.append(error)
