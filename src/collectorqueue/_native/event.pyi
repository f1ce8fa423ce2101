"""What travels: the payload a publisher made, and the event the queue made of it."""

import asyncio
import enum
from collections.abc import Coroutine, Generator
from types import TracebackType
from typing import Any, Self, final

from typing_extensions import disjoint_base

from collectorqueue._native.payload import Payload
from collectorqueue._native.results import ResultList

class Outcome(enum.StrEnum):
    """How an event ended; each accepted event ends in exactly one."""

    OK = "ok"
    FAILED = "failed"
    UNROUTED = "unrouted"
    DROPPED = "dropped"
    ABORTED = "aborted"

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
        """Give the event up; True if that was possible, False if it had ended.

        Queued: it ends ABORTED now. Running on the loop: when its coroutines, which are
        cancelled, have ended. In a thread or a worker: now. Raises WrongThread.
        """

    def wait_time(self) -> int:
        """Nanoseconds from being sent until first started; 0 until then."""

    def service_time(self) -> int:
        """Nanoseconds from first started until ended; 0 until then."""

def wake_some(
    loop: asyncio.AbstractEventLoop, futures: list[asyncio.Future[None]], begin: int
) -> None:
    """Wake those who wait from `begin` on, some in each turn of the loop."""


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
