"""Running a program on the best event loop there is."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from collectorqueue.errors import ConfigError
from collectorqueue.signals import handled_signals

__all__ = ["run"]

T = TypeVar("T")
LoopFactory = Callable[[], asyncio.AbstractEventLoop]


def run(
    main: Coroutine[Any, Any, T],
    *,
    loop: str | LoopFactory = "auto",
    debug: bool | None = None,
) -> T:
    """Run `main` to its end on a new event loop, as asyncio.run does, and return its value.

        collectorqueue.run(main())

    `loop`: "auto" takes uvloop (winloop on Windows) where it is installed and asyncio
    otherwise; "uvloop", "winloop", "asyncio" insist; a callable makes the loop itself.
    The first SIGTERM or SIGINT cancels `main`, so that an `async with queue` in it drains;
    a second one aborts the drain. Then SIGINT raises KeyboardInterrupt, and SIGTERM
    SystemExit(143). Raises RuntimeError where a loop is running already.
    """
    if asyncio._get_running_loop() is not None:
        raise RuntimeError("run() starts a loop, and one is running already")
    factory = loop_factory(loop)
    received: list[signal.Signals] = []
    with asyncio.Runner(debug=debug, loop_factory=factory) as runner:

        async def supervised() -> T:
            task = asyncio.current_task()
            assert task is not None

            def on_signal(number: signal.Signals) -> None:
                received.append(number)
                task.cancel()

            with handled_signals(asyncio.get_running_loop(), on_signal):
                return await main

        try:
            return runner.run(supervised())
        except asyncio.CancelledError:
            if not received:
                raise
            if received[0] == signal.SIGINT:
                raise KeyboardInterrupt from None
            raise SystemExit(128 + received[0]) from None


def loop_factory(loop: str | LoopFactory) -> LoopFactory:
    """The function that makes the event loop. Raises ConfigError, ImportError."""
    if callable(loop):
        return loop
    if loop == "asyncio":
        return asyncio.new_event_loop
    best = "winloop" if sys.platform == "win32" else "uvloop"
    if loop not in ("auto", "uvloop", "winloop"):
        raise ConfigError(
            "loop must be 'auto', 'uvloop', 'winloop', 'asyncio' or a callable, "
            f"got {loop!r}"
        )
    try:
        module = __import__(best if loop == "auto" else loop)
    except ImportError:
        if loop != "auto":
            raise
        return asyncio.new_event_loop
    factory: LoopFactory = module.new_event_loop
    return factory
