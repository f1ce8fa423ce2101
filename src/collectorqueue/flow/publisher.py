"""EventPublisher: how events come into the queue, and how their results come back."""

from __future__ import annotations

import asyncio
import concurrent.futures
from collections.abc import Callable, Iterable
from typing import Any, NoReturn, overload

from collectorqueue._native.core import Core
from collectorqueue._native.event import CollectorEvent
from collectorqueue._native.payload import Delivery, Payload
from collectorqueue._native.results import Error, ResultList
from collectorqueue._native.sender import Sender
from collectorqueue.checks import check_seconds
from collectorqueue.errors import (
    CollectorFailed,
    QueueClosed,
    UnknownKey,
)
from collectorqueue.flow.collector import Collector, In, Out
from collectorqueue.flow.otherthreads import OtherThreads

__all__ = ["EventPublisher"]

Names = str | Iterable[str] | None


class EventPublisher(Sender):
    """Sends payloads to one queue; `queue.publisher`.

        event = await publisher.send({"id": 7}, topics="order.paid")    # accepted
        results = await event                                           # collected
        value = await publisher.call("price", {"id": 7})                # both, one value

    Where a payload is asked for, a `Payload` is taken as it is, and any other value with
    the keywords of `Payload`. A send that raises, cancelled included, was never accepted.
    """

    def __init__(self, core: Core, one_more: Callable[[int], None]) -> None:
        super().__init__(core, OtherThreads(core, self.send_nowait))
        self._one_more = one_more

    async def send_many(self, iterable: Iterable[Any]) -> list[CollectorEvent]:
        """Send all that an iterable yields, payloads or plain values; waits for room.

        A sequence of sends: if one raises, those before it stay accepted and run, and the
        exception carries them as `accepted`, a list of events.
        """
        accepted: list[CollectorEvent] = []
        items = iter(iterable)
        try:
            while (waiting := self.offer_many(items, accepted)) is not None:
                accepted.append(await self.send(waiting))
        except BaseException as exc:
            # Whatever the class forbids or has of that name: its instances have a dictionary.
            BaseException.__getattribute__(exc, "__dict__")["accepted"] = accepted
            raise
        return accepted

    async def request(
        self,
        x: Any,
        delivery: Delivery | str | None = None,
        keys: Names = None,
        topics: Names = None,
        priority: int | None = None,
        *,
        ordering_key: str | bytes | int | None = None,
        delay: float | None = None,
        ttl: float | None = None,
        timeout: float | None = None,
    ) -> ResultList:
        """Send and wait for the results; `timeout` seconds are for both.

        The handlers see the caller's context variables. A request that times out
        (TimeoutError) or is cancelled cancels its event. Raises as `send` does, and
        WouldDeadlock in a handler that would wait for itself.
        """
        what = (x, delivery, keys, topics, priority, ordering_key, delay, ttl)
        if timeout is None:
            return await self._request(what)
        check_seconds("timeout", timeout)
        async with asyncio.timeout(timeout):
            return await self._request(what)

    async def _request(self, what: tuple[Any, ...]) -> ResultList:
        event: CollectorEvent | None = None
        try:
            asked = self.ask(what)
            if isinstance(asked, Payload):
                event = await self.send(asked)
                self.carry_context(event)
            else:
                event = asked
            return await event
        except BaseException:
            if event is not None:
                event.cancel()
            raise

    def request_threadsafe(
        self,
        x: Any,
        delivery: Delivery | str | None = None,
        keys: Names = None,
        topics: Names = None,
        priority: int | None = None,
        *,
        ordering_key: str | bytes | int | None = None,
        delay: float | None = None,
        ttl: float | None = None,
        timeout: float | None = None,
    ) -> concurrent.futures.Future[ResultList]:
        """`request`, from any thread or another loop; returns a future of the results.

        It never blocks: a full queue lets the request wait in the loop. Cancelling the
        future cancels the event. To wait for it in the loop's own thread is a deadlock.
        Raises QueueNotStarted and QueueClosed.
        """
        if timeout is not None:
            check_seconds("timeout", timeout)
        self.core.check_accepting()
        asking = self.request(
            x, delivery, keys, topics, priority,
            ordering_key=ordering_key, delay=delay, ttl=ttl, timeout=timeout,
        )  # fmt: skip
        try:
            return asyncio.run_coroutine_threadsafe(asking, self.core.loop)
        except RuntimeError:
            asking.close()
            raise QueueClosed.with_its_loop() from None

    @overload
    async def call(
        self, collector: Collector[In, Out], value: In, timeout: float | None = None
    ) -> Out: ...

    @overload
    async def call(
        self, collector: str, value: Any, timeout: float | None = None
    ) -> Any: ...

    async def call(
        self,
        collector: Collector | str,
        value: Any,
        timeout: float | None = None,
    ) -> Any:
        """Have one collector handle a value; returns its value, or raises its error.

        `timeout`: seconds, for the send and the run; then TimeoutError. Raises UnknownKey,
        and what `send` raises.

        What would end the caller's own task or program (CancelledError, SystemExit,
        KeyboardInterrupt, all that is no Exception) is raised as CollectorFailed from it.
        """
        key = collector.key if isinstance(collector, Collector) else collector
        if key not in self.core.index.steps:
            self._refuse_key(key)
        result = (await self.request(value, keys=key, timeout=timeout)).first()
        match result:
            case Error(BaseException() as err) if not isinstance(err, Exception):
                raise CollectorFailed(f"collector {key!r} raised {err!r}") from err
        return result.unwrap()

    def _refuse_key(self, key: object) -> NoReturn:
        if not isinstance(key, str):
            raise TypeError(f"call() takes a Collector or its key, got {key!r}")
        known = ", ".join(map(repr, list(self.core.index.steps)[:8])) or "none"
        raise UnknownKey(f"no collector {key!r}; registered: {known}", key)

    async def wait(self) -> None:
        """Wait until all that was accepted before this call has ended, whoever sent it.

        Inside a handler it leaves out the events of the handlers that call it, with what
        cannot end before those (behind them by an ordering key or a limit, say), and lends
        the pool one consumer while it waits. Raises WrongLoop.
        """
        core = self.core
        if not (core.is_live or core.is_broken or core.queued or core.in_flight):
            return
        inside = self.core.wait_inside()
        if inside is None:
            await asyncio.shield(self.core.wait_for_all())
            return
        future, members = inside
        self._one_more(1)
        try:
            await future
        finally:
            self.core.stop_wait_inside(members)
            self._one_more(-1)
