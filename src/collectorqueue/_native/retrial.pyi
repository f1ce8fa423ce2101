"""Which failures are tried again, how often and when."""

from typing import Any, Self, final

from collectorqueue._native.results import Error

def is_one_of(
    error: Any,
    on: tuple[type[BaseException], ...],
    never: tuple[type[BaseException], ...],
) -> bool:
    """Whether an exception, or a class of some, is one of the first and none of the others."""

@final
class Retrial:
    """A collector's Retry, compiled; seconds."""

    def __new__(
        cls,
        attempts: int,
        backoff: float,
        factor: float,
        max_backoff: float,
        jitter: float,
        on: tuple[type[BaseException], ...],
        never: tuple[type[BaseException], ...],
    ) -> Self: ...
    @property
    def attempts(self) -> int:
        """Runs, the first included."""

    def next_wait(self, answer: Error, attempts: int) -> float | None:
        """Seconds until it is tried again, after so many runs; None: it is not."""

@final
class Tries:
    """What was tried of one event at one collector."""
