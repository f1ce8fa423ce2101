"""The faults: what is done to a queue while it is under load, one after the other.

Rules of residence: doing harm, and telling of it. Nothing here looks whether it was
borne.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import random
import resource
import signal
import time
from collections.abc import Callable, Collection, Iterator
from typing import Any, Protocol

from benchmarks.soak.handlers import ACTS, DEADLY, HERE
from collectorqueue import CollectorEvent, CollectorQueue

__all__ = ["Faults", "Target"]

CONSUMER = "collectorqueue consumer "  # how the names of their tasks begin
STORM = 20  # allocations between two passes of the garbage collector
LASTS_S = 0.05  # at most, what is put back: a storm, a limit

Fault = Callable[[], dict[str, Any] | None]


class Target(Protocol):
    """What is harmed."""

    @property
    def queue(self) -> CollectorQueue:
        """That runs."""

    @property
    def keys(self) -> list[str]:
        """Of all its collectors."""

    @property
    def loop_keys(self) -> list[str]:
        """Of those whose handlers may do anything on the loop."""

    @property
    def worker_keys(self) -> list[str]:
        """Of those in worker processes; empty: there are none."""

    @property
    def crowd(self) -> Collection[asyncio.Task[Any]]:
        """Tasks that may be cancelled."""

    @property
    def recent(self) -> list[CollectorEvent]:
        """Events that may be cancelled."""

    def poison(self, key: str, act: str, seconds: float) -> bool:
        """Send an event that makes a handler act; False: it was refused."""


class Faults:
    """Those of one run; `tell(record)` is called for each that was done.

    `rest_s`: seconds between two of them at most.
    """

    def __init__(
        self,
        target: Target,
        dice: random.Random,
        tell: Callable[[dict[str, Any]], None],
        rest_s: float = 0.15,
    ) -> None:
        self._target = target
        self._dice = dice
        self._tell = tell
        self._rest_s = rest_s
        self._restore: list[Callable[[], object]] = []

    async def reign(self) -> None:
        """Until cancelled; what was changed for a while is put back then."""
        kinds: dict[str, Fault] = {
            "handlers fail": self._poison,
            "handlers fail on the loop": self._poison_here,
            "cancel consumer": self._cancel_consumer,
            "cancel tasks of senders and waiters": self._cancel_crowd,
            "cancel events": self._cancel_events,
            "loop blocked": self._block,
            "observer raises": self._observe_badly,
            "garbage storm": self._storm,
            "pool resized": self._resize,
        }
        if self._target.worker_keys:
            kinds |= {
                "worker killed": self._kill,
                "worker stopped for a while": self._stop_worker,
                "worker dies of an event": self._poison_worker,
                "fork server killed": self._kill_server,
                "files run out": self._exhaust_files,
                "workers resized": self._resize_workers,
            }
        try:
            while True:
                await asyncio.sleep(self._dice.random() * self._rest_s)
                name = self._dice.choice(list(kinds))
                if (done := kinds[name]()) is not None:
                    self._tell({"fault": name, **done})
                if self._restore:
                    await asyncio.sleep(self._dice.random() * LASTS_S)
                    self._put_back()
        finally:
            self._put_back()

    def break_down(self) -> None:
        """The worst: all consumers cancelled in one turn."""
        consumers = self._consumers()
        for task in consumers:
            task.cancel()
        self._tell({"fault": "all consumers cancelled", "consumers": len(consumers)})

    def _put_back(self) -> None:
        while self._restore:
            self._restore.pop()()

    # -- what events do -----------------------------------------------------------

    def _poison(self) -> dict[str, Any] | None:
        return self._send(self._dice.choice(ACTS), self._target.keys)

    def _poison_here(self) -> dict[str, Any] | None:
        seconds = self._dice.random() * 0.05
        return self._send(self._dice.choice(HERE), self._target.loop_keys, seconds)

    def _poison_worker(self) -> dict[str, Any] | None:
        return self._send(self._dice.choice(DEADLY), self._target.worker_keys)

    def _send(
        self, act: str, keys: list[str], seconds: float = 0.0
    ) -> dict[str, Any] | None:
        sent = sum(
            self._target.poison(self._dice.choice(keys), act, seconds)
            for _ in range(self._dice.choice([1, 3, 10]))
        )
        return {"act": act, "events": sent} if sent else None

    # -- what is done to the loop's side ------------------------------------------

    def _consumers(self) -> list[asyncio.Task[Any]]:
        return sorted(
            (
                task
                for task in asyncio.all_tasks()
                if task.get_name().startswith(CONSUMER)
            ),
            key=lambda task: int(task.get_name().removeprefix(CONSUMER)),
        )

    def _cancel_consumer(self) -> dict[str, Any] | None:
        consumers = self._consumers()
        if len(consumers) < 2:
            return None  # the only one: that would be all of them
        self._dice.choice(consumers).cancel()
        return {"consumers": len(consumers)}

    def _cancel_crowd(self) -> dict[str, Any] | None:
        crowd = sorted(self._target.crowd, key=id)
        cancelled = crowd if self._dice.random() < 0.2 else crowd[:5]
        for task in cancelled:
            task.cancel()
        return {"tasks": len(cancelled)} if cancelled else None

    def _cancel_events(self) -> dict[str, Any] | None:
        if not self._target.recent:
            return None
        chosen = self._dice.choices(self._target.recent, k=20)
        return {"events": sum(event.cancel() for event in chosen)}

    def _block(self) -> dict[str, Any] | None:
        seconds = self._dice.choice([0.01, 0.05, 0.3])
        time.sleep(seconds)
        return {"seconds": seconds}

    def _observe_badly(self) -> dict[str, Any] | None:
        error = self._dice.choice([ValueError, asyncio.CancelledError, GeneratorExit])
        name = self._dice.choice(
            ["on_sent", "on_started", "on_settled", "on_overflowed"]
        )
        self._restore.append(self._target.queue.observe(BadObserver(name, error)))
        return {"method": name, "error": error.__name__}

    def _storm(self) -> dict[str, Any] | None:
        before = gc.get_threshold()
        gc.set_threshold(STORM, *before[1:])
        self._restore.append(lambda: gc.set_threshold(*before))
        return {}

    def _resize(self) -> dict[str, Any] | None:
        most = self._dice.choice([4, 8, 32])
        self._target.queue.max_consumers = most
        return {"max_consumers": most}

    # -- what is done to processes ------------------------------------------------

    def _resize_workers(self) -> dict[str, Any] | None:
        choices: list[int | tuple[int, int]] = [1, 2, (1, 3)]
        workers = self._dice.choice(choices)
        self._target.queue.workers = workers
        return {"workers": workers}

    def _kill(self) -> dict[str, Any] | None:
        stats = self._target.queue.metrics.workers
        if stats is None or not stats.workers:
            return None
        number = self._dice.choice([signal.SIGKILL, signal.SIGSEGV, signal.SIGTERM])
        killed = 0
        for each in stats.workers[: self._dice.choice([1, 1, 9])]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(each.pid, number)
                killed += 1
        return {"signal": number.name, "workers": killed}

    def _stop_worker(self) -> dict[str, Any] | None:
        stats = self._target.queue.metrics.workers
        if stats is None or not stats.workers:
            return None
        pid = self._dice.choice(stats.workers).pid

        def send(number: signal.Signals) -> None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

        send(signal.SIGSTOP)
        self._restore.append(lambda: send(signal.SIGCONT))
        return {}

    def _kill_server(self) -> dict[str, Any] | None:
        killed = 0
        for pid in children():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
                killed += 1
        return {"processes": killed} if killed else None

    def _exhaust_files(self) -> dict[str, Any] | None:
        """No file can be opened for a moment, in which a worker must be replaced."""
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        with open(os.devnull) as file:
            lowest = file.fileno()
        self._kill()
        resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, hard))
        self._restore.append(
            lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        )
        return {"files": lowest}


class BadObserver:
    """Raises in one of its methods, and has no other."""

    def __init__(self, name: str, error: type[BaseException]) -> None:
        def fail(happened: object) -> None:
            raise error("an observer's own fault")

        setattr(self, name, fail)


def children() -> Iterator[int]:
    """The processes that are this one's children: the fork servers."""
    with open(f"/proc/self/task/{os.getpid()}/children") as file:
        yield from map(int, file.read().split())
