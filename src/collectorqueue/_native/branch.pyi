"""One of an event's several collectors, in a task of its own."""

from collections.abc import Coroutine, Generator
from types import FrameType, TracebackType
from typing import Any, Self, final

from collectorqueue._native.driver import Driver

@final
class Branch(Driver, Coroutine[Any, Any, None]):
    """One of an event's several collectors, in a task of its own."""

    __name__: str
    __qualname__: str

    @property
    def cr_await(self) -> Any:
        """The handler's coroutine it is in, for debuggers."""

    @property
    def cr_frame(self) -> FrameType | None:
        """The handler's frame, for `task.print_stack()`."""

    def is_over_or_detached(self) -> bool:
        """Nothing is left to wait for: it ended, or runs where it cannot be stopped."""

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
