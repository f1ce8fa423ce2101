"""What one worker has been sent, and has not answered."""

from collections.abc import Callable
from typing import Any, Self, final

from collectorqueue._native.page import Page

@final
class Window:
    """What one worker has been sent."""

    is_open: bool
    at_most: int

    def __new__(
        cls,
        page: Page,
        worker: Any,
        *,
        send: Callable[[], None],
        pack: Callable[[Any], bytes],
    ) -> Self: ...
    @property
    def page(self) -> Page: ...
    @property
    def worker(self) -> Any:
        """Whose window it is."""

    @property
    def outstanding(self) -> int:
        """Events that it has."""

    @property
    def tasks(self) -> int:
        """Of them, those of async collectors."""

    @property
    def handed(self) -> int:
        """Events that it was sent in its life."""

    @property
    def late(self) -> int:
        """Results for what it did not have any more; they were dropped."""

    @property
    def is_worn(self) -> bool:
        """The worker asks to be replaced."""

    def is_silent(self, now: int) -> bool:
        """Whether the worker runs nothing, and has begun nothing of what it was handed for as
        long as that may run; `now` is in ns."""

    def put_note(self, body: bytes) -> None:
        """A message to the worker, after all that it was sent before."""

    def unsent(self) -> memoryview | None:
        """The bytes to send, to be let go of before anything else; None: there are none."""

    def sent(self, count: int) -> None:
        """So many of them have been sent."""

    def forget_unsent(self) -> None:
        """There is nobody to send it to."""
