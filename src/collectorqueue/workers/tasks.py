"""In a worker that needs a loop: async collectors' tasks, and lifecycles.

Rules of residence: what the worker does besides running plain functions one by one. Those
run here too, between two turns of the loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import socket
import traceback
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from collectorqueue._native.accounts import encodable
from collectorqueue._native.workbench import Tool, Workbench
from collectorqueue.errors import RunTimeout
from collectorqueue.workers.line import Line
from collectorqueue.workers.messages import READ_BYTES, Blueprint, Ended, Ready

__all__ = ["TASKS_AT_ONCE", "Lifecycle", "TaskLoop"]

TASKS_AT_ONCE = 64  # of one async collector in one worker, unless it says otherwise

Item = tuple[bytes, bytes]


class Lifecycle(msgspec.Struct, frozen=True):
    """A collector's lifecycle, and the Context that it is given."""

    key: str
    make: Callable[[Any], contextlib.AbstractAsyncContextManager[Any]]
    context: Any


class Turn:
    """One async collector: what waits for its turn, and how many run."""

    def __init__(self, blueprint: Blueprint) -> None:
        self.blueprint = blueprint
        self.at_once = blueprint.max_concurrency or TASKS_AT_ONCE
        self.running = 0
        self.waiting: deque[tuple[int, Tool, Item]] = deque()


class TaskLoop:
    """The loop of one worker."""

    def __init__(self, connection: socket.socket, line: Line) -> None:
        self._connection = connection
        self._line = line
        self._turns: dict[int, Turn] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._bench: Workbench
        self._take_in: Callable[[bytes], bool]
        self._loop: asyncio.AbstractEventLoop
        self._stop: asyncio.Event
        self._context: contextvars.Context  # as the lifecycles leave it
        self._ringing = False

    def run(
        self,
        bench: Workbench,
        blueprints: Sequence[Blueprint],
        lifecycles: Sequence[Lifecycle],
        take_in: Callable[[bytes], bool],
    ) -> None:
        """Enter the lifecycles, work until `take_in` says that was all, leave them."""
        self._bench = bench
        self._take_in = take_in
        self._turns = {each.number: Turn(each) for each in blueprints if each.is_async}
        with asyncio.Runner(loop_factory=loop_factory()) as runner:
            runner.run(self._run(lifecycles))

    async def _run(self, lifecycles: Sequence[Lifecycle]) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        entered: list[tuple[str, contextlib.AbstractAsyncContextManager[Any]]] = []
        failure = None
        for each in lifecycles:
            try:
                manager = each.make(each.context)
                await manager.__aenter__()
            except BaseException:
                failure = encodable(traceback.format_exc())
                break
            entered.append((each.key, manager))
        self._line.tell(Ready(failure))
        self._context = contextvars.copy_context()
        if failure is None:
            self._loop.add_reader(self._connection.fileno(), self._read)
            await self._stop.wait()
            self._loop.remove_reader(self._connection.fileno())
            while self._tasks:
                await asyncio.wait(self._tasks)
            self._ring()
        failures = []
        for key, manager in reversed(entered):
            try:
                await manager.__aexit__(None, None, None)
            except BaseException:
                failures.append((key, encodable(traceback.format_exc())))
        self._line.tell(Ended(failures))

    def _read(self) -> None:
        try:
            data = self._connection.recv(READ_BYTES, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return
        try:
            if not self._take_in(data):
                self._stop.set()
        except BaseException:
            # A frame that cannot be read: nothing after it can.
            traceback.print_exc()
            raise SystemExit(1) from None

    def begin(self, sequence: int, tool: Tool, number: int, item: Item) -> None:
        """An event of an async collector has come; it begins when it is its turn."""
        turn = self._turns[number]
        turn.waiting.append((sequence, tool, item))
        self._advance(turn)

    def _advance(self, turn: Turn) -> None:
        while turn.waiting and turn.running < turn.at_once:
            sequence, tool, item = turn.waiting.popleft()
            begun = self._bench.claim(sequence)
            if not begun:
                continue  # withdrawn
            turn.running += 1
            task = self._loop.create_task(
                self._collect(turn, sequence, tool, item, begun),
                name=f"collector {turn.blueprint.key}",
                context=self._context.copy(),  # not that of the event that has just ended
            )
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _collect(
        self, turn: Turn, sequence: int, tool: Tool, item: Item, begun: int
    ) -> None:
        timeout = turn.blueprint.timeout
        limit = asyncio.timeout(timeout)
        failure: BaseException | None = None
        value = None
        try:
            async with limit:
                value = await tool.begin(self._bench.payload(tool, item))
        except BaseException as error:
            failure = error
        if limit.expired():  # whatever the collector made of it
            failure = RunTimeout.after(timeout or 0.0)
        try:
            if failure is None:
                self._bench.finish(sequence, tool, value, begun)
            else:
                self._bench.fail(sequence, tool, failure, begun)
        except BaseException:
            # It would be waited for in vain: lost with its worker, it is told.
            traceback.print_exc()
            raise SystemExit(1) from None
        turn.running -= 1
        self._advance(turn)
        if not self._ringing:
            self._ringing = True
            self._loop.call_soon(self._ring)

    def _ring(self) -> None:
        self._ringing = False
        self._bench.ring(0)


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    """The best loop there is."""
    try:
        import uvloop  # not on every platform
    except ImportError:
        return asyncio.new_event_loop
    return uvloop.new_event_loop
