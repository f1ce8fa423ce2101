"""Delivery policies: what a Collector may ask for besides being called.

Rules of residence: what is asked, checked. How it is kept is compiled, see `fitting`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from collectorqueue._native.payload import Payload
from collectorqueue.checks import check_int, check_seconds
from collectorqueue.errors import ConfigError

__all__ = ["Batch", "RateLimit", "Retry", "classes_of"]

Failures = type[BaseException] | tuple[type[BaseException], ...]

MOST = 2**31 - 1


class Retry(msgspec.Struct, frozen=True):
    """Run again what failed: `Retry(attempts=5, backoff=0.2, never=(ValueError,))`.

    The n-th wait is `backoff * factor ** (n - 1)` seconds, at most `max_backoff`, and then
    made up to `jitter` (a share, 0 to 1) shorter or longer at random. An exception is tried
    again if it is one of `on` and none of `never`; a returned Error, if it carries such an
    exception.
    Raises ConfigError or TypeError.
    """

    attempts: int = 3
    """Runs, the first included."""
    backoff: float = 0.1
    """Seconds until the second run."""
    factor: float = 2.0
    """By which each wait is longer than the one before."""
    max_backoff: float = 30.0
    """Seconds that no wait exceeds, before jitter."""
    jitter: float = 0.5
    """The share by which a wait is changed at random, so that not all come back at once."""
    on: Failures = (Exception,)
    """Exception classes that are tried again."""
    never: Failures = ()
    """Exception classes that are not."""

    def __post_init__(self) -> None:
        check_int("attempts", self.attempts, 1, MOST)
        check_seconds("backoff", self.backoff)
        check_seconds("max_backoff", self.max_backoff)
        check_number("factor", self.factor, 1, 1000)
        check_number("jitter", self.jitter, 0, 1)
        classes_of("on", self.on)
        classes_of("never", self.never)


class Batch(msgspec.Struct, frozen=True):
    """Hand payloads over many at a time: `Batch(200, wait=0.05)`.

    The processor gets a list of payloads, with their reason in `payloads.trigger`, and
    returns one value for all, or a list with a value, Ok or Error for each. Raises
    ConfigError or TypeError.
    """

    size: int = 100
    """Payloads at most."""
    wait: float = 0.05
    """Seconds from the first payload until it is handed over all the same."""
    bytes: int | None = None
    """Bytes at most, as `size_of` of the queue counts them; None: without limit."""
    by: Callable[[Payload[Any]], Any] | None = None
    """Only payloads for which this returns the same come together; hashable."""

    def __post_init__(self) -> None:
        check_int("size", self.size, 1, MOST)
        check_seconds("wait", self.wait)
        if self.bytes is not None:
            check_int("bytes", self.bytes, 1, 2**60)
        if self.by is not None and not callable(self.by):
            raise TypeError(f"by must be callable, got {self.by!r}")


class RateLimit(msgspec.Struct, frozen=True):
    """Begin at most `rate` runs in `per` seconds, on the long run: `RateLimit(100)`.

    A token bucket: after a rest `burst` of them may begin at once. Raises ConfigError or
    TypeError.
    """

    rate: float
    """Runs."""
    per: float = 1.0
    """Seconds."""
    burst: int | None = None
    """At once; None: as many as `rate`, 1 at least. 1 spaces them evenly."""

    def __post_init__(self) -> None:
        check_number("rate", self.rate, 1e-9, 1e9)
        check_seconds("per", self.per, above_zero=True)
        if self.burst is not None:
            check_int("burst", self.burst, 1, MOST)

    @property
    def at_once(self) -> int:
        """How many may begin at once after a rest."""
        return max(1, int(self.rate)) if self.burst is None else self.burst


def check_number(name: str, value: Any, low: float, high: float) -> None:
    """A number between two bounds."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{name} must be a number, got {value!r}")
    if not low <= value <= high:
        raise ConfigError(f"{name} must be between {low:g} and {high:g}, got {value!r}")


def classes_of(name: str, given: Any) -> tuple[type[BaseException], ...]:
    """One exception class or several, as a tuple."""
    several = given if isinstance(given, (tuple, list)) else (given,)
    for each in several:
        if not (isinstance(each, type) and issubclass(each, BaseException)):
            raise TypeError(f"{name} takes exception classes, got {each!r}")
    return tuple(several)
