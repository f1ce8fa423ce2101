"""What tests share: loops to run on, virtual time, small fakes.

Rules of residence: how a test runs. No claim about the library stands here.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import json
from collections.abc import Callable, Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import pytest
import uvloop

from collectorqueue import CollectorQueue, Payload
from collectorqueue._native import clock
from collectorqueue.testing import VirtualLoop

__all__ = [
    "Gate",
    "Hang",
    "Log",
    "Stubborn",
    "VirtualLoop",
    "assert_closes",
    "both_loops",
    "naughty_strings",
    "run_on",
    "run_virtual",
    "running",
    "ticks",
    "until",
    "virtual",
]

T = TypeVar("T")

HANG_S = 20.0  # of real time, after which a test on a real loop counts as hung
ENDLESS_S = 1e7  # the same in virtual time
SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


class Hang(AssertionError):
    """Nothing can happen any more, and the test is not over."""


# -- virtual time -----------------------------------------------------------------


def run_virtual(main: Coroutine[Any, Any, T], **options: Any) -> T:
    """Run a coroutine to its end in virtual time, and return its value."""
    result: T = run_on(VirtualLoop(), main, **options)
    return result


# -- running ----------------------------------------------------------------------


def run_on(
    loop: asyncio.AbstractEventLoop,
    main: Coroutine[Any, Any, T],
    *,
    debug: bool = False,
    leftovers: bool = False,
) -> T:
    """Run a coroutine to its end; return its value.

    Then no other task may be left and the loop must not have been told of an error,
    unless `leftovers` says so. Raises Hang if it does not end.
    """
    complaints: list[dict[str, Any]] = []
    loop.set_exception_handler(lambda _, context: complaints.append(context))
    if debug:
        loop.set_debug(True)
    asyncio.set_event_loop(loop)
    is_virtual = isinstance(loop, VirtualLoop)
    if is_virtual:
        clock.follow(loop.time)
    try:
        task = loop.create_task(main)
        task.add_done_callback(lambda _: loop.stop())
        guard = loop.call_later(ENDLESS_S if is_virtual else HANG_S, loop.stop)
        loop.run_forever()
        guard.cancel()
        if not task.done():
            waiting = "\n".join(map(repr, asyncio.all_tasks(loop)))
            raise Hang(f"nothing can happen any more; tasks:\n{waiting}")
        turn(loop, 5)
        left = {each for each in asyncio.all_tasks(loop) if not each.done()}
        result = task.result()
        if not leftovers:
            assert not left, f"tasks are left: {left}"
            assert not complaints, f"the loop was told of errors: {complaints}"
        return result
    finally:
        for each in asyncio.all_tasks(loop):
            each.cancel()
        turn(loop, 20)
        if is_virtual:
            clock.follow(None)
        asyncio.set_event_loop(None)
        loop.close()


def turn(loop: asyncio.AbstractEventLoop, turns: int) -> None:
    """Let a loop that is not running turn a few times."""
    for _ in range(turns):
        loop.call_soon(loop.stop)
        loop.run_forever()


LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {
    "asyncio": asyncio.SelectorEventLoop,
    "uvloop": uvloop.new_event_loop,
    "virtual": VirtualLoop,
}


def both_loops(test: Any = None, **options: Any) -> Any:
    """An async test that runs on asyncio and on uvloop, in real time."""
    if test is None:
        return functools.partial(both_loops, **options)
    return running(test, ["asyncio", "uvloop"], options)


def virtual(test: Any = None, **options: Any) -> Any:
    """An async test that runs in virtual time."""
    if test is None:
        return functools.partial(virtual, **options)
    return running(test, ["virtual"], options)


def running(test: Any, kinds: list[str], options: dict[str, Any]) -> Any:
    @functools.wraps(test)
    def run(*, loop_kind: str, **arguments: Any) -> None:
        run_on(LOOPS[loop_kind](), test(**arguments), **options)

    keyword = inspect.Parameter.KEYWORD_ONLY
    signature = inspect.signature(test)
    parameters = [each.replace(kind=keyword) for each in signature.parameters.values()]
    parameters.append(inspect.Parameter("loop_kind", keyword))
    run.__signature__ = signature.replace(  # type: ignore[attr-defined]
        parameters=parameters, return_annotation=None
    )
    return pytest.mark.parametrize("loop_kind", kinds)(run)


async def ticks(count: int) -> None:
    """Let the loop turn that many times."""
    for _ in range(count):
        await asyncio.sleep(0)


async def until(claim: Callable[[], Any], turns: int = 1000) -> None:
    """Let the loop turn until something holds."""
    for _ in range(turns):
        if claim():
            return
        await asyncio.sleep(0)
    raise AssertionError(f"never came true: {inspect.getsource(claim).strip()}")


# -- fakes and checks -------------------------------------------------------------


class Gate:
    """A handler that waits until the test lets it go on.

    gate = Gate()
    queue = CollectorQueue([Collector("gate", gate)], max_consumers=1)
    gate.started == [1, 2]      # the values it has been called with
    gate.open()                 # all of them return, and later ones do not wait
    """

    def __init__(self) -> None:
        self.started: list[Any] = []
        self.ended: list[Any] = []
        self._opened = asyncio.Event()

    async def __call__(self, payload: Payload[Any]) -> Any:
        self.started.append(payload.value)
        await self._opened.wait()
        self.ended.append(payload.value)
        return payload.value

    def open(self) -> None:
        """Let all runs go on, those that come later too."""
        self._opened.set()

    def shut(self) -> None:
        """Hold the runs that come from now on."""
        self._opened.clear()


class Stubborn(Gate):
    """A gate whose runs do not mind being cancelled."""

    async def __call__(self, payload: Payload[Any]) -> Any:
        self.started.append(payload.value)
        while not self._opened.is_set():
            with suppress(asyncio.CancelledError):
                await self._opened.wait()
        self.ended.append(payload.value)
        return payload.value


class Log:
    """A handler that keeps the values it was called with, and returns them."""

    def __init__(self) -> None:
        self.values: list[Any] = []

    def __call__(self, payload: Payload[Any]) -> Any:
        self.values.append(payload.value)
        return payload.value


def assert_closes(queue: CollectorQueue) -> None:
    """The sum of the ledger closes now, and so does that of the time its events stayed."""
    ledger = queue.ledger
    assert ledger.closes, ledger
    assert queue.metrics.little_residual == 0.0


def naughty_strings() -> list[str]:
    """Strings that are known to break programs; skips where they are absent."""
    path = SHARED_DATA / "naughty_strings.json"
    if not path.is_file():
        pytest.skip(f"{path} is not here")
    strings: list[str] = json.loads(path.read_text(encoding="utf-8"))
    return strings
