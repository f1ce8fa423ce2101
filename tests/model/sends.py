"""Sends: every way for a payload to come in, and to wait for what comes of it.

Rules of residence: sending, waiting. A method takes plain values only, so that a list
of calls is a program that can be run again. `choice` chooses among those that something
may be done to; where there is none, nothing is done.
"""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import Coroutine, Iterator
from functools import partial
from math import inf
from typing import Any, TypeVar

from collectorqueue import Payload
from collectorqueue.errors import QueueClosed, QueueFailed, QueueFull
from tests.model.reference import Item, Sender, Shape, require
from tests.model.world import Asking, World

__all__ = ["Sends", "chosen"]

T = TypeVar("T")
REFUSALS = (QueueFull, QueueClosed, QueueFailed)


def chosen(among: list[T], choice: int) -> Iterator[T]:
    """One of them; none of none."""
    if among:
        yield among[choice % len(among)]


class Sends(World):
    """A world in which things are sent."""

    def __init__(self, shape: Shape, loop_kind: str = "virtual") -> None:
        super().__init__(shape, loop_kind)
        self.numbers = itertools.count(1)

    def ask(
        self, what: str, items: list[Item], asking: Coroutine[Any, Any, Any]
    ) -> Asking:
        """Somebody waits for this in a task of theirs."""
        made = Asking(what, self.loop.create_task(asking), items)
        self.askings.append(made)
        return made

    # -- sending ----------------------------------------------------------------------

    def new_item(self, **terms: Any) -> Item:
        """What is known of a payload that is about to be sent."""
        item = Item(next(self.numbers), **terms)
        if self.shape.order == "lifo":
            item.ordering_key = None  # it would be refused
        if item.delay >= item.ttl:
            item.delay = 0.0  # so would this
        item.upsets_router = item.upsets_router and self.shape.has_router
        if self.shape.has_policies and not item.keys and item.topic is None:
            item.topic = "some"  # all would be more than the reference can predict
        self.items[item.number] = item
        return item

    def payload_of(self, item: Item) -> Payload[tuple[int, bool]]:
        return Payload(
            (item.number, item.upsets_router),
            keys=item.keys or None,
            topics=item.topic,
            priority=item.priority,
            ordering_key=item.ordering_key,
            delay=item.delay or None,
            ttl=None if item.ttl == inf else item.ttl,
        )

    def send(self, how: str, count: int, **terms: Any) -> None:
        """From outside, in a task: "send", "send_many", "request" or "call"."""
        if how == "call":
            terms = {"keys": ("second",), "on_cancel": terms["on_cancel"]}
        items = [
            self.new_item(**terms) for _ in range(count if how == "send_many" else 1)
        ]
        sender = Sender(list(items))
        what = "send" if how in ("send", "send_many") else "request"
        self.ask(what, items, self.sending(how, items, sender)).sender = sender

    async def sending(self, how: str, items: list[Item], sender: Sender) -> None:
        """What such a task does."""
        publisher, item, reference = self.queue.publisher, items[0], self.reference
        reference.at_the_door(sender)
        reference.incoming = item
        try:
            if how == "send":
                await publisher.send(self.payload_of(item))
            elif how == "send_many":
                await publisher.send_many(map(self.payload_of, items))
            elif how == "request":
                await publisher.request(self.payload_of(item))
            else:
                await self.call(item)
        except REFUSALS as exc:
            self.refused(sender.items, exc, is_inside=False)
        finally:
            reference.went_away(sender)
            reference.incoming = None

    async def call(self, item: Item) -> None:
        """Raises what the queue refuses; what the handler raises stays here."""
        value = (item.number, item.upsets_router)
        try:
            await self.queue.publisher.call(item.keys[0], value)
        except (*REFUSALS, asyncio.CancelledError):
            raise
        except Exception as exc:
            require(
                item.is_over and item.state != "ok", "I10", f"{item} raised {exc!r}"
            )

    def refused(self, items: list[Item], error: Exception, *, is_inside: bool) -> None:
        """I4: that was right, and these will never be accepted."""
        reference = self.reference
        if isinstance(error, QueueFull):
            is_right = reference.may_refuse(is_inside)
        elif isinstance(error, QueueClosed):
            is_right = reference.phase in ("draining", "over")
        else:
            is_right = reference.is_broken
        require(is_right, "I4", f"{items} were refused: {error!r}")
        for item in items:
            item.state = "refused"

    def send_nowait(self, **terms: Any) -> None:
        """From outside, at once."""
        self.put(self.new_item(**terms))

    def put(self, item: Item) -> None:
        reference = self.reference
        reference.incoming = item
        try:
            event = self.queue.publisher.send_nowait(self.payload_of(item))
        except REFUSALS as exc:
            self.refused([item], exc, is_inside=item.is_from_inside)
        else:
            require(event is self.events[item.number], "I4", f"{event} is not {item}")
        finally:
            reference.incoming = None

    def send_inside(self, how: str, choice: int, **terms: Any) -> None:
        """From a handler that runs, which never waits."""
        for run in chosen(self.free_runs, choice):
            item = self.new_item(is_from_inside=True, **terms)
            run.tell(partial(self.sending_inside, how, item))

    async def sending_inside(self, how: str, item: Item) -> None:
        """What a handler does then."""
        if how == "send_nowait":
            self.put(item)
            return
        self.reference.incoming = item
        try:
            await self.queue.publisher.send(self.payload_of(item))
        except REFUSALS as exc:
            self.refused([item], exc, is_inside=True)
        finally:
            self.reference.incoming = None

    def send_from_thread(self, **terms: Any) -> None:
        """From another thread, without waiting for room."""
        item = self.new_item(**terms)
        refused: list[Exception] = []

        def send() -> None:
            try:
                self.queue.publisher.send_threadsafe(self.payload_of(item), block=False)
            except REFUSALS as exc:
                refused.append(exc)

        self.rest()
        self.reference.incoming = item
        thread = threading.Thread(target=send)
        thread.start()
        while thread.is_alive():
            self.turn(1)
        self.reference.incoming = None
        for error in refused:
            self.refused([item], error, is_inside=False)

    # -- waiting ----------------------------------------------------------------------

    def wait_for(self, choice: int) -> None:
        """Somebody waits for an event."""
        for item in chosen(list(self.reference.items.values()), choice):
            self.ask("wait", [item], self.events[item.number].wait())

    def wait_for_all(self) -> None:
        """Somebody waits for all that was accepted."""
        self.ask(
            "wait", list(self.reference.items.values()), self.queue.publisher.wait()
        )

    def cancel_asking(self, choice: int) -> None:
        """Cancel one who waits for anything. A request takes its event with it.

        I4: what was not accepted by then never is.
        """
        for asking in chosen(
            [each for each in self.askings if not each.task.done()], choice
        ):
            asking.is_cancelled = asking.task.cancel() or asking.is_cancelled
            if asking.sender is None:
                continue
            asking.sender.has_left = True
            for item in asking.items:
                if item.state == "outside":
                    item.state = "refused"
                elif asking.what == "request" and not item.is_over:
                    item.is_given_up = True
