"""Checks of options: what may be given, said where it is given.

Rules of residence: one value and its rule. TypeError for a wrong type, ConfigError for a
value that cannot work; both name the option, the value and the rule.
"""

from __future__ import annotations

from typing import Any

from collectorqueue.errors import ConfigError

__all__ = ["check_bool", "check_int", "check_seconds", "one_of"]


def check_int(name: str, value: Any, low: int, high: int) -> None:
    """A whole number between two bounds."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name} must be an int, got {value!r}")
    if not low <= value <= high:
        raise ConfigError(f"{name} must be between {low} and {high}, got {value!r}")


def check_seconds(name: str, value: Any, *, above_zero: bool = False) -> None:
    """A number of seconds, zero or more."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{name} must be a number of seconds, got {value!r}")
    if not 0 <= value <= 1e9:
        raise ConfigError(f"{name} must be between 0 and 1e9 seconds, got {value!r}")
    if above_zero and value == 0:
        raise ConfigError(f"{name} must be more than 0 seconds, got {value!r}")


def check_bool(name: str, value: Any) -> None:
    """True or False, nothing that passes for it."""
    if not isinstance(value, bool):
        raise TypeError(f"{name} must be a bool, got {value!r}")


def one_of(name: str, kind: Any, value: Any) -> Any:
    """A member of a StrEnum, given as member or as its text."""
    try:
        return kind(value)
    except ValueError:
        known = ", ".join(repr(str(each)) for each in kind)
        raise ConfigError(f"{name} must be one of {known}, got {value!r}") from None
