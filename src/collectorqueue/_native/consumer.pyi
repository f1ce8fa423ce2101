"""A consumer: take -> route -> collect -> settle, as one compiled state machine."""

import contextvars
from collections.abc import Callable, Coroutine, Generator
from types import FrameType, TracebackType
from typing import Any, Self, final

from collectorqueue._native.branch import Branch
from collectorqueue._native.collecting import Collecting
from collectorqueue._native.core import Core
from collectorqueue._native.event import CollectorEvent

@final
class Consumer(Collecting, Coroutine[Any, Any, None]):
    """One competing consumer. Made, started and replaced by the pool."""

    __name__: str
    __qualname__: str

    def __new__(
        cls,
        core: Core,
        make_branch: Callable[[Branch, contextvars.Context], None],
        only: CollectorEvent | None = None,
    ) -> Self: ...
    @property
    def lost(self) -> bool:
        """It ended by somebody else's cancellation."""

    @property
    def only_event(self) -> CollectorEvent | None:
        """The one event it is for, if it is not counted in the pool."""

    @property
    def cr_await(self) -> Any:
        """The handler's coroutine it is in, for debuggers."""

    @property
    def cr_frame(self) -> FrameType | None:
        """The handler's frame, for `task.print_stack()`."""

    def __await__(self) -> Generator[Any, Any]: ...
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
