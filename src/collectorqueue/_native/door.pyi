"""The door of a queue: who may send now, and what becomes of a payload without room."""

import enum
from collections.abc import Callable
from typing import Any

from typing_extensions import disjoint_base

from collectorqueue._native.places import Places
from collectorqueue.errors import QueueFull

class Overflow(enum.StrEnum):
    """What happens to a send when the queue is full."""

    WAIT = "wait"
    REJECT = "reject"
    DROP_OLDEST = "drop_oldest"
    DROP_INCOMING = "drop_incoming"

@disjoint_base
class Door(Places):
    """Who may send to one queue now."""

    on_overflow: Callable[[], object] | None
    """Told of each send that is refused."""

    @property
    def threads_must_ask(self) -> bool:
        """A send from another thread cannot be handed over without asking the loop."""

    @property
    def waits_when_full(self) -> bool: ...
    @property
    def drops_oldest(self) -> bool:
        """When full, to make room."""

    @property
    def drops_incoming(self) -> bool:
        """When full."""

    @property
    def oldest_dropped(self) -> int:
        """Events that were dropped for newer ones."""

    @property
    def incoming_dropped(self) -> int:
        """Events that were dropped as they came in."""
    def clear(self) -> None:
        """Nothing is handed over."""

    @property
    def is_here(self) -> bool:
        """Whether the queue's own thread is asking."""

    def bound_bytes(self, most: int, measure: Callable[[Any], int]) -> None:
        """Hold so many bytes at most, as `measure(value)` counts them."""

    def bound(self) -> str:
        """What it may hold, in words."""

    def check_thread(self, what: str) -> None:
        """Raise WrongThread if it runs, in another thread than that which calls."""

    def check_accepting(self) -> None:
        """Raise what a send raises that comes too early or too late, in any thread."""

    def take_all(self) -> None:
        """On the loop: accept all that was handed over."""

    def full_for_threads(self, why: str) -> QueueFull:
        """In any thread: the error of a send that found no room, which is counted."""

    def take_some(self) -> None:
        """On the loop: accept what was handed over, or a part of it and the rest later."""
