"""A worker, from its first line to its last.

Rules of residence: what runs in a worker besides the workbench: making collectors from
blueprints, reading frames, telling how one is. Async collectors and lifecycles need a loop,
which is in `tasks`.
"""

from __future__ import annotations

import contextlib
import faulthandler
import logging
import mmap
import os
import signal
import socket
import sys
import time
import traceback
from typing import Any

import msgspec

from collectorqueue._native.accounts import encodable
from collectorqueue._native.lifeline import hold
from collectorqueue._native.page import Page
from collectorqueue._native.wire import KIND_ITEMS, Reader
from collectorqueue._native.workbench import Tool, Workbench
from collectorqueue.workers.batches import BatchRunner
from collectorqueue.workers.encoding import Encoding
from collectorqueue.workers.forks import watch
from collectorqueue.workers.line import Line
from collectorqueue.workers.logs import ForwardingHandler
from collectorqueue.workers.messages import (
    READ_BYTES,
    Blueprint,
    Boot,
    Ended,
    Ready,
    ToWorker,
)
from collectorqueue.workers.tasks import Lifecycle, TaskLoop

__all__ = ["work"]

TELL_S = 0.2  # between two looks at one's own memory
MEMORY_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096


def work(connection: socket.socket, page: int, bell: int) -> None:
    """Be a worker until told to stop, or until the loop's process is gone."""
    signal.signal(signal.SIGINT, lambda *_: None)  # the loop's process decides
    hold(connection.fileno(), bell)
    memory = mmap.mmap(page, 0)
    # Behind the page: the loop's process finds it there, whatever has become of us.
    os.lseek(page, 0, os.SEEK_END)
    faulthandler.enable(page, all_threads=True)
    Worker(Line(connection, bell), connection, memory).run()


class Worker:
    """One worker's life."""

    def __init__(self, line: Line, connection: socket.socket, memory: mmap.mmap) -> None:
        self._connection = connection
        self._line = line
        self._page = Page(memory, fresh=False)
        self._reader = Reader()
        self._decode = msgspec.msgpack.Decoder(ToWorker).decode
        self._told_at = 0.0
        self._cpu_before_ns = time.process_time_ns()
        self._handler = ForwardingHandler(self._line.tell)
        self._tasks = TaskLoop(connection, self._line)
        self._bench = Workbench(
            self._page,
            ring_bell=self._ring,
            send_whole=self._line.send_whole,
            begin_task=self._tasks.begin,
            pack=msgspec.msgpack.encode,
            unpack=msgspec.msgpack.decode,
        )
        watch(self)

    def run(self) -> None:
        """Until told to stop."""
        boot = self._first_message()
        self._prepare(boot)
        try:
            if boot.main is not None:
                boot.main.load()
            lifecycles = [self._learn(blueprint) for blueprint in boot.blueprints]
        except BaseException:
            self._line.tell(Ready(failure=encodable(traceback.format_exc())))
            return
        entered = [each for each in lifecycles if each is not None]
        if entered or any(each.is_async for each in boot.blueprints):
            self._tasks.run(self._bench, boot.blueprints, entered, self._take_in)
            return
        self._line.tell(Ready())
        self._tell_state()
        # One for all reads: memory of that size is mapped anew each time it is asked for.
        incoming = memoryview(bytearray(READ_BYTES))
        while self._take_in(incoming[: self._connection.recv_into(incoming)]):
            pass
        self._line.tell(Ended())

    def _first_message(self) -> Boot:
        while (frame := self._reader.next()) is None:
            self._reader.feed(self._connection.recv(READ_BYTES))
        message = self._decode(frame[3])
        assert isinstance(message, Boot)
        return message

    def _prepare(self, boot: Boot) -> None:
        sys.path[:] = map(os.fsdecode, boot.sys_path)
        sys.argv[:] = map(os.fsdecode, boot.argv)
        with contextlib.suppress(OSError):
            os.chdir(boot.folder)
        logging.getLogger().handlers[:] = [self._handler]
        for name, level in boot.log_levels.items():
            logging.getLogger(name or None).setLevel(level)

    def _learn(self, blueprint: Blueprint) -> Lifecycle | None:
        """Make a collector's tool; its lifecycle, not entered yet. Raises what its imports
        raise."""
        encoding = Encoding(
            None if blueprint.payload_type is None else blueprint.payload_type.find(),
            None if blueprint.enc_hook is None else blueprint.enc_hook.find(),
            None if blueprint.dec_hook is None else blueprint.dec_hook.find(),
        )
        make_context: Any = blueprint.context_type.find()
        context = make_context(msgspec.msgpack.decode(blueprint.context))
        call, decode = blueprint.processor.find(), encoding.decode
        retried = blueprint.is_retried()
        if blueprint.takes_batches:
            runner = BatchRunner(call, encoding, retried)
            call = runner.call_async if blueprint.is_async else runner.call
            decode = runner.decode
        tool = Tool(
            call,
            context,
            with_ctx=blueprint.takes_context,
            is_async=blueprint.is_async,
            decode=decode,
            encode_into=encoding.encode_into,
            explain=encoding.explain,
            retried=retried,
        )
        tools = self._bench.tools
        tools += [tool] * (blueprint.number + 1 - len(tools))  # a gap is never addressed
        tools[blueprint.number] = tool
        if blueprint.lifecycle is None:
            return None
        return Lifecycle(blueprint.key, blueprint.lifecycle.find(), context)

    def _take_in(self, data: bytes | memoryview) -> bool:
        """Do what has come in; False: this was the last."""
        if not data:
            os._exit(0)  # nobody is there
        self._reader.feed(data)
        while (frame := self._reader.next()) is not None:
            kind, first, count, body = frame
            if kind != KIND_ITEMS:
                self._decode(body)  # Stop: there is no other
                return False
            self._bench.run(first, count, body)
        self._tell_now_and_then()
        return True

    def abandon(self) -> None:
        """In a child that a collector forked: it must not speak in the worker's place."""
        self._bench.disown()
        handlers = logging.getLogger().handlers
        if self._handler in handlers:
            handlers[handlers.index(self._handler)] = logging.StreamHandler()

    def _ring(self) -> None:
        self._line.ring()
        self._tell_now_and_then()

    def _tell_now_and_then(self) -> None:
        if self._told_at + TELL_S < time.monotonic():
            self._tell_state()

    def _tell_state(self) -> None:
        self._told_at = time.monotonic()
        cpu_ns = time.process_time_ns() - self._cpu_before_ns
        self._page.tell(self._bench.events, resident_bytes(), cpu_ns)


def resident_bytes() -> int:
    """This process's memory; 0 where that cannot be told."""
    try:
        with open("/proc/self/statm", "rb") as file:
            return int(file.read().split()[1]) * MEMORY_PAGE_BYTES
    except (OSError, IndexError, ValueError):
        return 0
