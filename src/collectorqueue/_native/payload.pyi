"""What a publisher sends: a value, and whom it is for."""

import enum
from collections.abc import Iterable
from types import GenericAlias
from typing import Any, Generic, Self, final

from typing_extensions import TypeVar

_T_co = TypeVar("_T_co", covariant=True, default=Any)
_T2 = TypeVar("_T2")

class Delivery(enum.StrEnum):
    """Whom a payload is for."""

    BROADCAST = "broadcast"
    KEY = "key"
    TOPIC = "topic"

@final
class Terms:
    """What few payloads have: an ordering key, a delay, a ttl."""

    @property
    def ordering_key(self) -> str | bytes | int | None: ...
    @property
    def delay(self) -> float: ...
    @property
    def ttl(self) -> float: ...

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
        ordering_key: str | bytes | int | None = None,
        delay: float | None = None,
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
    def ordering_key(self) -> str | bytes | int | None:
        """What it keeps its order with; None: nothing."""

    @property
    def delay(self) -> float | None:
        """Seconds from being sent before which it does not start; None: at once."""

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

    def with_value(self, value: _T2) -> Payload[_T2]:
        """The same payload with another value."""

    def check_open(self) -> None:
        """Raise PayloadSealed if it has been sent."""

    def __class_getitem__(cls, args: Any, /) -> GenericAlias: ...

def checked_address(
    name: str, given: str | Iterable[str] | None
) -> str | tuple[str, ...]:
    """One str, or a tuple of several. Raises ConfigError, TypeError."""

def check_ordering_key(key: object) -> None:
    """Raises TypeError."""

def checked_seconds(name: str, seconds: float, or_zero: bool) -> float:
    """Seconds as a float. Raises ConfigError, TypeError."""
