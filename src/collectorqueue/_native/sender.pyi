"""Where payloads come in: the compiled part of the publisher."""

import asyncio
from collections.abc import Coroutine, Generator, Iterable
from types import TracebackType
from typing import Any, Protocol, Self, final

from typing_extensions import disjoint_base

from collectorqueue._native.core import Core
from collectorqueue._native.event import CollectorEvent
from collectorqueue._native.payload import Delivery, Payload

class _Others(Protocol):
    def send(self, payload: Payload[Any], block: bool, timeout: float | None, /) -> None: ...

@disjoint_base
class Sender:
    """Makes payloads of what it is given and offers them to the core."""

    def __init__(self, core: Core, others: _Others) -> None: ...
    @property
    def core(self) -> Core: ...
    def send_nowait(
        self,
        x: Any,
        delivery: Delivery | str | None = None,
        keys: str | Iterable[str] | None = None,
        topics: str | Iterable[str] | None = None,
        priority: int | None = None,
        *,
        ordering_key: str | bytes | int | None = None,
        delay: float | None = None,
        ttl: float | None = None,
    ) -> CollectorEvent:
        """Send at once. Raises QueueFull, QueueNotStarted, QueueClosed, Unrouted."""

    def send(
        self,
        x: Any,
        delivery: Delivery | str | None = None,
        keys: str | Iterable[str] | None = None,
        topics: str | Iterable[str] | None = None,
        priority: int | None = None,
        *,
        ordering_key: str | bytes | int | None = None,
        delay: float | None = None,
        ttl: float | None = None,
    ) -> Sending:
        """Send, and wait for room if the queue is full; to be awaited.

        Raises QueueFull under `overflow="reject"`, QueueNotStarted, QueueClosed, Unrouted.
        """

    def send_threadsafe(
        self,
        x: Any,
        delivery: Delivery | str | None = None,
        keys: str | Iterable[str] | None = None,
        topics: str | Iterable[str] | None = None,
        priority: int | None = None,
        *,
        ordering_key: str | bytes | int | None = None,
        delay: float | None = None,
        ttl: float | None = None,
        block: bool = True,
        timeout: float | None = None,
    ) -> None:
        """Send from any thread; returns once it is accepted, whatever becomes of it.

        Raises QueueFull after `timeout` seconds without room, or at once with `block=False`;
        QueueNotStarted, QueueClosed, Unrouted.
        """

    def ask(self, what: tuple[Any, ...]) -> CollectorEvent | Payload[Any]:
        """Accept a payload, made of a send's arguments, and have an idle consumer begin with
        it in the calling task's own step: the event. Not accepted: the payload, to be sent."""

    def carry_context(self, event: CollectorEvent) -> None:
        """Run it in a copy of the caller's context."""

    def offer_many(
        self, items: Iterable[Any], accepted: list[CollectorEvent]
    ) -> Payload[Any] | None:
        """Accept what `items` yields; returns a payload that must wait, or None."""

@final
class Sending(Coroutine[Any, Any, CollectorEvent]):
    """One `send`, to be awaited once; nothing is sent before."""

    @property
    def cr_await(self) -> asyncio.Future[None] | None:
        """The future it waits on for room, for debuggers."""

    @property
    def __name__(self) -> str: ...  # pyright: ignore[reportIncompatibleVariableOverride]
    @property
    def __qualname__(self) -> str: ...  # pyright: ignore[reportIncompatibleVariableOverride]
    def __await__(self) -> Generator[Any, Any, CollectorEvent]: ...
    def __iter__(self) -> Self: ...
    def __next__(self) -> Any: ...
    def send(self, value: Any) -> Any: ...
    def throw(
        self,
        typ: type[BaseException] | BaseException,
        val: BaseException | object = None,
        tb: TracebackType | None = None,
    ) -> Any: ...
    def close(self) -> None: ...
