"""In a worker: runs the events of a frame, and puts their results in the page."""

from collections.abc import Callable
from typing import Any, Self, final

from collectorqueue._native.page import Page
from collectorqueue._native.payload import Payload
from collectorqueue._native.results import Error

@final
class Tool:
    """One collector, as it is in this worker."""

    def __new__(
        cls,
        call: Callable[..., Any],
        ctx: Any,
        *,
        with_ctx: bool,
        is_async: bool,
        decode: Callable[[bytes], Any],
        encode_into: Callable[..., None],
        explain: Callable[[Any, BaseException], BaseException],
        retried: Callable[[Any], bool] | None = None,
    ) -> Self: ...
    @property
    def is_async(self) -> bool: ...
    def begin(self, payload: Payload[Any]) -> Any:
        """Call the processor."""

@final
class Workbench:
    """The place where a worker works."""

    def __new__(
        cls,
        page: Page,
        *,
        ring_bell: Callable[[], None],
        send_whole: Callable[[bytes], None],
        begin_task: Callable[[int, Tool, int, tuple[bytes, bytes]], None],
        pack: Callable[[Any], bytes],
        unpack: Callable[[bytes], Any],
    ) -> Self: ...
    @property
    def tools(self) -> list[Tool]:
        """By the numbers that events name them by."""

    @property
    def events(self) -> int:
        """How many it has run."""

    def run(self, first: int, count: int, body: bytes) -> None:
        """Run the events of a frame; those of async collectors are only begun."""

    def ring(self, now: int) -> None:
        """Tell the loop's process that there are results."""

    def disown(self) -> None:
        """This process is a fork of the worker: what comes back from a collector ends it."""

    def claim(self, sequence: int) -> int:
        """Begin an event: when, in ns; 0: it was withdrawn."""

    def payload(self, tool: Tool, item: tuple[bytes, bytes]) -> Payload[Any]:
        """The payload of an event that `begin_task` was given."""

    def finish(self, sequence: int, tool: Tool, value: Any, begun: int) -> None:
        """A collector has returned this."""

    def fail(self, sequence: int, tool: Tool, exc: BaseException, begun: int) -> None:
        """A collector has raised this."""

def described(
    error: Error, pack: Callable[[Any], bytes]
) -> tuple[str, str, str, Any]:
    """A failure as data that `pack` takes: its type, text, traceback and details."""

def name_of(kind: type) -> str:
    """The full name of a class; it may refuse to tell all of it."""

def text_of(exc: BaseException) -> str:
    """What an exception says; it may refuse to."""
