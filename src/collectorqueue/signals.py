"""SIGTERM and SIGINT: the first one drains, the second one aborts.

Rules of residence: installing handlers and putting the previous ones back.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

__all__ = ["handled_signals"]

log = logging.getLogger("collectorqueue.signals")

SIGNALS = (signal.SIGTERM, signal.SIGINT)


@contextmanager
def handled_signals(
    loop: asyncio.AbstractEventLoop, on_signal: Callable[[signal.Signals], Any]
) -> Generator[None, None, None]:
    """Call `on_signal` on the loop for each SIGTERM and SIGINT; then as it was before.

    Outside the main thread, where no handler can be set, nothing happens; logged.
    """
    if threading.current_thread() is not threading.main_thread():
        log.info("not in the main thread: SIGTERM and SIGINT are left as they are")
        yield
        return
    # The loop's remove_signal_handler puts the default in, not what was there before.
    before = {number: signal.getsignal(number) for number in SIGNALS}
    installed: list[signal.Signals] = []
    try:
        for number in SIGNALS:
            try:
                loop.add_signal_handler(number, on_signal, number)
            except (NotImplementedError, RuntimeError, ValueError) as exc:
                log.info("%s is left as it is: %s", number.name, exc)
            else:
                installed.append(number)
        yield
    finally:
        for number in installed:
            loop.remove_signal_handler(number)
            if before[number] is not None:
                signal.signal(number, before[number])
