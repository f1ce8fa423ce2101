"""One C function tells the time; tests swap it for their loop's virtual time."""

from collections.abc import Callable

def follow(new_source: Callable[[], float] | None) -> None:
    """Take the time from `new_source()`, in seconds, instead; None: the real clock."""

def now_ns() -> int:
    """The core's time now: nanoseconds on a monotonic clock with no fixed zero."""

def kernel_uses_counter() -> bool:
    """Whether the kernel trusts the processor's counter on this machine."""
