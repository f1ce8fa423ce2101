"""Numbers and errors in words, as the commands print them."""

from __future__ import annotations

from collectorqueue._native.accounts import encodable

__all__ = ["counted", "describe", "duration"]


def counted(number: int, noun: str) -> str:
    """A number with its noun: 1 file, 1,726 files."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def duration(seconds: float) -> str:
    """A time with three digits: 870 ns, 43.2 us, 1.25 ms, 3.5 s."""
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds * 1e9:.0f} ns"


def describe(error: object) -> str:
    """An error as text that every encoder takes."""
    if isinstance(error, BaseException):
        try:
            text = f"{type(error).__name__}: {error}"
        except Exception:  # an exception of the user's own, which cannot be shown
            text = type(error).__name__
    else:
        text = str(error)
    return encodable(text)
