"""The load: actors that send in every way there is, at rates that change.

Rules of residence: sending, and noting what became of each send. Each actor has dice of
its own. They end when the queue refuses them, or when `stop()` was called.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import random
import threading
import time
from collections.abc import Awaitable, Callable
from typing import Any

from benchmarks.soak.handlers import ACTS
from benchmarks.soak.topology import TOPICS, Stage
from collectorqueue import CollectorEvent, Payload
from collectorqueue.errors import CollectorQueueError, QueueFull

__all__ = ["Load"]

THREADS = 2
CROWD = 150  # tasks at once that send, ask or wait
KEPT = 500  # events of late, to be waited for or cancelled
FINE_S = 0.005  # of work at most
GONE_S = 20.0  # after which who waits counts as hung


class Load:
    """What is sent to one run of a queue; `dice_for(name)`: the chance of an actor."""

    def __init__(self, stage: Stage, dice_for: Callable[[str], random.Random]) -> None:
        self.stage = stage
        self.queue = stage.queue
        self.keys = stage.keys
        self.loop_keys = stage.loop_keys
        self.worker_keys = stage.worker_keys
        self.publisher = stage.queue.publisher
        self.book = stage.book
        self.crowd: set[asyncio.Task[Any]] = set()
        self.recent: list[CollectorEvent] = []
        self._dice_for = dice_for
        self._stopped = threading.Event()
        self._actors: list[asyncio.Task[None]] = []
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Begin to send."""
        actors: dict[str, Callable[[random.Random], Awaitable[object]]] = {
            "sends": self._send,
            "sends now": self._send_now,
            "sends many": self._send_many,
            "gathers": self._gather,
        }
        self._actors = [
            asyncio.create_task(self._act(self._dice_for(name), actor))
            for name, actor in actors.items()
        ]
        for number in range(THREADS):
            dice = self._dice_for(f"thread {number}")
            thread = threading.Thread(target=self._act_in_thread, args=(dice,))
            thread.start()
            self._threads.append(thread)

    def stop(self) -> None:
        """Send no more, once what is being sent has been."""
        self._stopped.set()

    async def ended(self) -> list[str]:
        """Wait for all actors, once the queue is closed; what is wrong with them."""
        tasks = [*self._actors, *self.crowd]
        _, hung = await asyncio.wait(tasks, timeout=GONE_S)
        found = [f"waits for ever: {task!r}" for task in hung]
        for task in hung:
            task.cancel()
        for task in self._actors:
            if task not in hung and (error := task.exception()) is not None:
                found.append(f"a sender was told {error!r}")
        until = time.monotonic() + GONE_S
        for thread in self._threads:
            while thread.is_alive() and time.monotonic() < until:
                await asyncio.sleep(0.002)
            if thread.is_alive():
                found.append(f"waits for ever: {thread!r}")
        return found

    def poison(self, key: str, act: str, seconds: float) -> bool:
        """Send an event that makes a handler act; False: it was refused."""
        number = self.stage.next_number()
        self.book.wanted[number] = (key,)
        try:
            event = self.publisher.send_nowait([number, act, seconds], keys=key)
        except CollectorQueueError:
            self.book.refused.add(number)
            return False
        self.book.note_accepted(number, event)
        return True

    # -- actors -------------------------------------------------------------------

    async def _act(
        self, dice: random.Random, step: Callable[[random.Random], Awaitable[object]]
    ) -> None:
        """Again and again, at a rate that flaps."""
        while not self._stopped.is_set():
            gap_s = dice.choice([0.0, 0.0, 0.001, 0.005, 0.03])
            for _ in range(dice.choice([1, 5, 50, 200])):
                try:
                    await step(dice)
                except QueueFull:
                    await asyncio.sleep(0.001)
                except CollectorQueueError:
                    return  # closed, or failed
                await asyncio.sleep(gap_s)
                if self._stopped.is_set():
                    return

    async def _send(self, dice: random.Random) -> None:
        number, value, where = self.an_event(dice)
        try:
            event = await self.publisher.send(value, **where)
        except BaseException:
            self.book.refused.add(number)
            raise
        self.book.note_accepted(number, event)
        self._keep(event)

    async def _send_now(self, dice: random.Random) -> None:
        for _ in range(dice.choice([1, 1, 10])):
            number, value, where = self.an_event(dice)
            try:
                event = self.publisher.send_nowait(value, **where)
            except BaseException:
                self.book.refused.add(number)
                raise
            self.book.note_accepted(number, event)
            self._keep(event)

    async def _send_many(self, dice: random.Random) -> None:
        made = [self.an_event(dice) for _ in range(dice.choice([1, 20, 200]))]
        numbers = [number for number, _, _ in made]
        accepted: list[CollectorEvent] = []
        try:
            accepted = await self.publisher.send_many(
                Payload(value, **where) for _, value, where in made
            )
        except BaseException as error:
            accepted = error.accepted  # type: ignore[attr-defined]
            raise
        finally:
            for number, event in zip(numbers, accepted, strict=False):
                self.book.note_accepted(number, event)
            self.book.refused.update(numbers[len(accepted) :])
        self._keep(accepted[-1])

    async def _gather(self, dice: random.Random) -> None:
        """A crowd of short-lived tasks that send, ask and wait, to be cancelled."""
        if len(self.crowd) >= CROWD:
            await asyncio.sleep(0.001)
            return
        ways = [self._send, self._ask, self._ask_as_threads_do, self._wait_for_one]
        way = dice.choice([*ways, self._wait_for_all])
        task = asyncio.create_task(self._quietly(way, dice))
        self.crowd.add(task)
        task.add_done_callback(self.crowd.discard)
        if not self.queue.is_running:
            self.stop()

    async def _quietly(
        self, way: Callable[[random.Random], Awaitable[object]], dice: random.Random
    ) -> None:
        try:
            await way(dice)
        except (CollectorQueueError, TimeoutError):
            return  # full, closed, failed or late: what was sent is in the book

    async def _ask(self, dice: random.Random) -> None:
        _, value, where = self.an_event(dice)
        await self.publisher.request(
            value, **where, timeout=dice.choice([None, 0.05, 1.0])
        )

    async def _ask_as_threads_do(self, dice: random.Random) -> None:
        _, value, where = self.an_event(dice)
        asked = self.publisher.request_threadsafe(value, **where, timeout=1.0)
        await asyncio.wrap_future(asked)

    async def _wait_for_one(self, dice: random.Random) -> None:
        if self.recent:
            await dice.choice(self.recent).wait(timeout=dice.choice([None, 0.01, 1.0]))

    async def _wait_for_all(self, dice: random.Random) -> None:
        await self.publisher.wait()

    def _act_in_thread(self, dice: random.Random) -> None:
        while not self._stopped.is_set():
            for _ in range(dice.choice([1, 10, 100])):
                try:
                    self._send_from_thread(dice)
                except QueueFull:
                    continue
                except CollectorQueueError:
                    return
            time.sleep(dice.choice([0.001, 0.01, 0.1]))

    def _send_from_thread(self, dice: random.Random) -> None:
        number, value, where = self.an_event(dice)
        if dice.random() < 0.1:
            asked = self.publisher.request_threadsafe(value, **where, timeout=0.5)
            if dice.random() < 0.5:
                asked.cancel()
            else:
                concurrent.futures.wait([asked], timeout=1.0)
            return
        try:
            self.publisher.send_threadsafe(
                value,
                **where,
                block=dice.random() < 0.7,
                timeout=dice.choice([0.01, 0.5]),
            )
        except BaseException:
            self.book.refused.add(number)
            raise
        self.book.note_accepted(number)

    # -- events -------------------------------------------------------------------

    def an_event(self, dice: random.Random) -> tuple[int, list[Any], dict[str, Any]]:
        """Its number, its value, and the keywords to send it with."""
        number = self.stage.next_number()
        where, wanted = self._address(dice)
        self.book.wanted[number] = wanted
        act = dice.choice(ACTS) if dice.random() < 0.05 else ""
        seconds = dice.random() * FINE_S if dice.random() < 0.1 else 0.0
        if self.stage.queue_type == "priority" and dice.random() < 0.5:
            where["priority"] = dice.choice([0, 10, 1000, 5000])
        if self.stage.queue_type != "lifo" and dice.random() < 0.2:
            where["ordering_key"] = f"line {dice.randrange(8)}"
        if dice.random() < 0.05:
            where["delay"] = dice.random() * 0.2
        if dice.random() < 0.05:
            where["ttl"] = dice.choice([0.001, 0.05, 1.0])
        return number, [number, act, seconds], where

    def _address(self, dice: random.Random) -> tuple[dict[str, Any], tuple[str, ...]]:
        """Where to, and the collectors that this means."""
        keys = self.keys
        kind = dice.random()
        if kind < 0.7:
            # Most go where an event costs little.
            key = dice.choice(keys if dice.random() < 0.4 else keys[:3])
            return {"keys": key}, (key,)
        if kind < 0.8:
            several = tuple(dice.sample(keys, 3))
            return {"keys": several}, several
        if kind < 0.97:
            topic = dice.choice(list(TOPICS))
            return {"topics": topic}, tuple(key for key in TOPICS[topic] if key in keys)
        if kind < 0.98:
            return {}, tuple(keys)
        if kind < 0.99:
            return {"topics": "nobody's"}, ()
        return {"keys": "nobody"}, ()

    def _keep(self, event: CollectorEvent) -> None:
        self.recent.append(event)
        if len(self.recent) >= KEPT:
            del self.recent[: KEPT // 2]
