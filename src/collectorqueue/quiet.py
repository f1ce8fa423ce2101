"""What cannot get in an event's way: log lines, and errors of the application's functions."""

from __future__ import annotations

import asyncio
import logging
from typing import Any, NoReturn

__all__ = ["contained", "quietly"]


def quietly(log: logging.Logger, level: int, text: str, *values: Any, **more: Any) -> None:
    """Log, and survive a handler of the application that raises (a full disk, say).

    Used wherever a log line stands between an event and its outcome, or in a drain.
    """
    try:
        log.log(level, text, *values, **more)
    except Exception:
        # The one place where an error is dropped: there is nowhere left to report it.
        return


def contained(error: BaseException) -> None:
    """What somebody else's function raised in the middle of our work ends here.

    What must end the program does so in the loop's next turn.
    """
    # By its type: what it says of its class may be anything.
    if issubclass(type(error), (KeyboardInterrupt, SystemExit)):
        asyncio.get_running_loop().call_soon(reraise, error)


def reraise(error: BaseException) -> NoReturn:
    """Raise it here."""
    raise error
