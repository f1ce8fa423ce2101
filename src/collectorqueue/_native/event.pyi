"""What travels: the payload a publisher made, and the event the queue made of it."""

import asyncio
import enum
from collections.abc import Coroutine, Generator, Iterable
from types import GenericAlias, TracebackType
from typing import Any, Generic, Self, final

from typing_extensions import TypeVar, disjoint_base

from collectorqueue._native.results import ResultList

_T_co = TypeVar("_T_co", covariant=True, default=Any)

class Delivery(enum.StrEnum):
    """Whom a payload is for."""

    BROADCAST = "broadcast"
    KEY = "key"
    TOPIC = "topic"

class Outcome(enum.StrEnum):
    """How an event ended; each accepted event ends in exactly one."""

    OK = "ok"
    FAILED = "failed"
    UNROUTED = "unrouted"
    DROPPED = "dropped"
    ABORTED = "aborted"

@final
class Payload(Generic[_T_co]):
    """A value and whom it is for: `Payload({"id": 7}, topics="order.paid")`."""

    def __new__(
        cls,
        value: _T_co,
        delivery: Delivery | str | None = None,
        keys: str | Iterable[str] | None = None,
        topics: str | Iterable[str] | None = None,
        priority: int | None = None,
        *,
        ttl: float | None = None,
    ) -> Self: ...
    @property
    def value(self) -> _T_co: ...
    @property
    def delivery(self) -> Delivery: ...
    @property
    def keys(self) -> tuple[str, ...]:
        """The collector keys it is for; empty unless `Delivery.KEY`."""

    @property
    def topics(self) -> tuple[str, ...]:
        """The topics it is sent on; empty unless `Delivery.TOPIC`."""

    @property
    def priority(self) -> int | None:
        """Lower first; None: the queue's `default_priority`."""

    @property
    def ttl(self) -> float | None:
        """Seconds from being sent in which it must start; None: for ever."""

    def set_delivery(
        self,
        delivery: Delivery | str | None,
        keys: str | Iterable[str] | None = None,
        topics: str | Iterable[str] | None = None,
    ) -> None:
        """Say anew whom it is for. Raises PayloadSealed once it has been sent."""

    def set_priority(self, priority: int) -> None:
        """Say anew how urgent it is. Raises PayloadSealed once it has been sent."""

    def check_open(self) -> None:
        """Raise PayloadSealed if it has been sent."""

    def __class_getitem__(cls, args: Any, /) -> GenericAlias: ...

@disjoint_base
class Labelled:
    """A stop on an event's route, with the key that labels its result."""

    def __new__(cls, key: str, *args: Any, **options: Any) -> Self: ...
    @property
    def key(self) -> str: ...

@disjoint_base
class Hub:
    """What an event may ask of the queue that accepted it."""

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The one it belongs to while it runs."""

@final
class Home:
    """An event's way back to its queue, which does not keep that queue alive."""

@final
class CollectorEvent:
    """One accepted payload on its way; made by `send`, never by hand."""

    @property
    def id(self) -> int:
        """Its number in the order of acceptance."""

    @property
    def payload(self) -> Payload[Any]: ...
    @property
    def outcome(self) -> Outcome | None:
        """None until the event has ended."""

    def is_done(self) -> bool:
        """Whether the event has ended."""

    def get_result(self) -> ResultList | None:
        """The ResultList; None until the event has ended."""

    def wait(self, timeout: float | None = None) -> Coroutine[Any, Any, ResultList]:
        """Wait until it has ended; TimeoutError after `timeout` seconds, it goes on."""

    def __await__(self) -> Generator[Any, Any, ResultList]: ...
    def cancel(self) -> bool:
        """Give the event up; True if that was possible, False if it had ended."""

    def wait_time(self) -> int:
        """Nanoseconds from being sent until first started; 0 until then."""

    def service_time(self) -> int:
        """Nanoseconds from first started until ended; 0 until then."""

@final
class EventWait(Coroutine[Any, Any, ResultList]):
    """One waiting for one event, so that `create_task(event.wait())` works."""

    def __await__(self) -> Generator[Any, Any, ResultList]: ...
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
    def expire(self) -> None:
        """Its timeout is over."""

def checked_address(
    name: str, given: str | Iterable[str] | None
) -> str | tuple[str, ...]:
    """One str, or a tuple of several. Raises ConfigError, TypeError."""

def checked_ttl(ttl: float) -> float:
    """Seconds, above 0. Raises ConfigError, TypeError."""
