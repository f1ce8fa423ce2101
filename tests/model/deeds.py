"""Deeds: what is done to a queue besides sending, one method each.

Rules of residence: doing. As in Sends, `choice` chooses among those that it may be done
to, and the reference is told first.
"""

from __future__ import annotations

import asyncio
from math import inf

from tests.faults.harness import consumer_tasks
from tests.model.reference import Shape, require
from tests.model.sends import Sends, chosen
from tests.model.told import raising_observer
from tests.model.world import GRACE_S
from tests.support import turn

__all__ = ["Deeds"]


class Deeds(Sends):
    """A world in which everything happens that can happen to a queue."""

    def __init__(self, shape: Shape, loop_kind: str = "virtual") -> None:
        super().__init__(shape, loop_kind)
        self.close_by = inf
        self.start()
        self.rest()

    # -- handlers ---------------------------------------------------------------------

    def answer(self, choice: int, answer: str) -> None:
        """Let a handler that runs return or raise this."""
        for run in chosen(self.free_runs, choice):
            run.tell(answer)

    # -- cancels ----------------------------------------------------------------------

    def cancel_event(self, choice: int) -> None:
        """Cancel an event that is not over."""
        for item in chosen(self.alive, choice):
            item.is_given_up = True
            require(
                self.events[item.number].cancel(), "I4", f"{item} was not cancelled"
            )

    def kill_consumer(self, choice: int) -> None:
        """Cancel the task of one consumer of several, from outside."""
        self.rest()
        consumers = consumer_tasks(self.loop)
        if len(consumers) > 1:
            for task in chosen(consumers, choice):
                self.kill([task])

    def kill_all_consumers(self) -> None:
        """Cancel them all at once: the queue has failed."""
        self.rest()
        consumers = consumer_tasks(self.loop)
        if self.reference.phase == "open" and all(
            self.is_obedient(task) for task in consumers
        ):
            self.reference.break_down()
            self.kill(consumers)

    def kill(self, tasks: list[asyncio.Task[None]]) -> None:
        for task in tasks:
            if self.is_obedient(task):
                if task in self.held:
                    self.held[task].is_given_up = True
                task.cancel()

    def is_obedient(self, task: asyncio.Task[None]) -> bool:
        """Whether its handler ends when it is cancelled."""
        return task not in self.held or self.held[task].on_cancel == "obeys"

    # -- time and sizes ---------------------------------------------------------------

    def pass_time(self, seconds: float) -> None:
        """Virtual seconds."""
        self.do(asyncio.sleep(seconds))

    def scale(self, least: int, most: int) -> None:
        """Other bounds for the pool."""
        self.reference.min_consumers = least
        self.reference.max_consumers = most
        self.queue.min_consumers = 1
        self.queue.max_consumers = most
        self.queue.min_consumers = least

    def limit(self, most: int) -> None:
        """So many runs of "narrow" at once."""
        if "narrow" in self.reference.limits:
            self.reference.limits["narrow"] = most
            self.queue.collectors["narrow"].max_concurrency = most

    # -- collectors and observers -----------------------------------------------------

    def add_collector(self) -> None:
        """The collector "extra" comes, if it is not there."""

        async def add() -> None:
            await self.queue.add_collector(self.make_collector("extra"))
            self.reference.keys.append("extra")

        if self.may_add:
            self.do(add())

    @property
    def may_add(self) -> bool:
        """Whether it is not there, and the queue takes it."""
        return "extra" not in self.lifecycles and self.reference.phase == "open"

    @property
    def may_remove(self) -> bool:
        """Whether it is there."""
        return "extra" in self.reference.keys and self.reference.phase == "open"

    def remove_collector(self) -> None:
        """It goes: from now on nothing is routed there."""

        async def remove() -> None:
            self.reference.keys.remove("extra")
            await self.queue.remove_collector("extra")

        if self.may_remove:
            self.ask("remove", [], remove())
            self.turn(1)

    def observe(self) -> None:
        """Somebody observes who raises whatever he is told."""
        self.queue.observe(raising_observer, spans=True)

    # -- the end ----------------------------------------------------------------------

    def close(self, timeout: float | None) -> None:
        """Begin to close, or join a close that has begun."""

        async def close() -> None:
            by = inf if timeout is None else self.now + timeout
            self.close_by = min(self.close_by, by)
            if self.closings[1:]:
                self.reference.drain(self.close_by)
            await self.queue.close(timeout)

        if not self.is_closed:
            closing = self.ask("close", [], close())
            self.askings.remove(closing)
            self.closings.append(closing)
            self.turn(1)

    def on_drain_started(self, record: object) -> None:
        """An observer's."""
        self.reference.drain(self.close_by)

    def cancel_close(self, choice: int) -> None:
        """Cancel one who closes: the rest is aborted."""
        self.rest()
        for closing in chosen(self.closings, choice):
            if closing.task.cancel():
                closing.is_cancelled = True
                self.reference.drain(self.now)

    def start(self) -> None:
        """Start the queue, for the first time or again."""
        if self.is_closed:
            self.counts_before.clear()
            self.events.clear()
            self.held.clear()
            self.close_by = inf
            self.is_closed = False
            self.reference.begin()
            self.do(self.queue.start())

    def end(self) -> None:
        """I2 and I9: whatever was done, all ends, and nothing is left."""
        self.rest()
        self.close(0)
        if self.is_virtual:
            self.rest()
            self.pass_time(GRACE_S)
        self.rest()
        require(self.is_closed, "I12", "close(0) has not ended")
        for run in list(self.left_alone):
            run.tell("value")
        self.rest()
        require(not self.askings, "I2", f"they wait for ever: {self.askings}")
        self.check_no_residue()

    def give_back(self) -> None:
        """The loop and the clock."""
        for task in asyncio.all_tasks(self.loop):
            task.cancel()
        turn(self.loop, 20)
        self.stack.close()
        self.loop.close()
