"""Logging that cannot get in an event's way."""

from __future__ import annotations

import logging
from typing import Any

__all__ = ["quietly"]


def quietly(log: logging.Logger, level: int, text: str, *values: Any, **more: Any) -> None:
    """Log, and survive a handler of the application that raises (a full disk, say).

    Used wherever a log line stands between an event and its outcome, or in a drain.
    """
    try:
        log.log(level, text, *values, **more)
    except Exception:
        # The one place where an error is dropped: there is nowhere left to report it.
        return
