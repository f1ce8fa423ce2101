"""SIGTERM and SIGINT: the first one drains, the second one aborts.

Rules of residence: installing handlers and putting the previous ones back, and what the first
and the second signal call.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
import signal
import threading
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from collectorqueue.quiet import quietly

__all__ = ["drained_on_signals", "handled_signals"]

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
    context = contextvars.copy_context()

    # Not the loop's own handlers: those that were there before cannot be asked for, nor,
    # once they have been replaced, put back. Writing to itself wakes the loop.
    def forward(number: int, frame: object) -> None:
        received = signal.Signals(number)
        loop.call_soon_threadsafe(on_signal, received, context=context)

    before: dict[signal.Signals, Any] = {}
    try:
        for number in SIGNALS:
            try:
                before[number] = signal.signal(number, forward)
            except ValueError as exc:  # in another interpreter than the main one
                log.info("%s is left as it is: %s", number.name, exc)
        yield
    finally:
        for number, handler in before.items():
            # None: it was set by something else than Python, which cannot set it again.
            signal.signal(number, signal.SIG_DFL if handler is None else handler)


@asynccontextmanager
async def drained_on_signals(
    close: Callable[..., Awaitable[object]], abort: Callable[[], None]
) -> AsyncGenerator[None, None]:
    """Within it, the first SIGTERM or SIGINT ends the body, and at its end `close()` is
    called; a second one calls `abort()`, or `close(0)` if it is not closing yet."""
    loop = asyncio.get_running_loop()
    task = asyncio.current_task()
    assert task is not None
    received: list[signal.Signals] = []
    in_body = True

    def on_signal(number: signal.Signals) -> None:
        received.append(number)
        step = "drain" if len(received) == 1 else "abort"
        quietly(log, logging.WARNING, "%s: %s", number.name, step)
        if len(received) > 1:
            abort()
        elif in_body:  # else it came with the last turn: what follows drains by itself
            task.cancel()

    with handled_signals(loop, on_signal):
        try:
            yield
        except asyncio.CancelledError:
            if not received or task.uncancel() > 0:
                raise
        finally:
            in_body = False
            if len(received) > 1:
                await close(0)
            elif received:
                await close()
