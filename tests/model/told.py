"""What a queue tells of its events, and its handlers of their runs, to the reference.

Rules of residence: listening. What is done to the queue is decided elsewhere.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from collectorqueue import (
    Collector,
    CollectorEvent,
    CollectorQueue,
    Payload,
    Retry,
    Router,
)
from tests.faults.harness import me
from tests.model.reference import BACKOFF_S, Item, Reference, Shape, Violation, require
from tests.model.runs import ANSWERS, Run

__all__ = ["Told", "raising_observer"]

TOPICS = {"first": "some", "plain": "some"}


class Upset(Router):
    """A router of one's own, that raises for payloads marked so."""

    def select(self, payload: Payload[Any]) -> Iterable[Collector | str]:
        _, is_upsetting = payload.value
        if is_upsetting:
            raise SystemExit("a router")
        if payload.keys:
            return [key for key in payload.keys if key in self.collectors]
        chosen = self.collectors.values()
        if payload.topics:
            return [each for each in chosen if set(each.topics) & set(payload.topics)]
        return list(chosen)


def raising_observer(record: object) -> None:
    """An observer, or a sink of dead letters, that fails whatever it is told."""
    raise ValueError(f"told of {record!r}")


class Told:
    """One queue that tells one reference."""

    loop: asyncio.AbstractEventLoop

    def __init__(self, shape: Shape) -> None:
        self.reference = Reference(shape)
        self.violation: Exception | None = None
        self.news = 0  # how often something was told
        self.items: dict[int, Item] = {}
        self.events: dict[int, CollectorEvent] = {}
        self.runs: list[Run] = []
        self.held: dict[asyncio.Task[Any], Item] = {}  # by the task of its consumer
        self.left_alone: list[Run] = []  # that go on though a close has given them up
        self.lifecycles: list[str] = []  # that are entered
        self.queue = self.make_queue(shape)
        self.queue.observe(self)

    def make_queue(self, shape: Shape) -> CollectorQueue:
        """The real one."""
        router: Any = {"router": Upset} if shape.has_router else {}
        return CollectorQueue(
            [self.make_collector(key) for key in self.reference.keys],
            queue_type=shape.order,
            overflow=shape.overflow,
            capacity=shape.capacity,
            min_consumers=shape.min_consumers,
            max_consumers=shape.max_consumers,
            autoscale=shape.autoscale,
            ageing=shape.ageing,
            default_priority=0,
            dead_letter=raising_observer,
            **router,
        )

    def make_collector(self, key: str) -> Collector:
        """One of the collectors that the reference knows by their keys."""
        retry = Retry(2, backoff=BACKOFF_S, jitter=0) if key == "again" else None
        return Collector(
            key,
            self.plain if key == "plain" else partial(self.handle, key),
            topics=TOPICS.get(key),
            lifecycle=partial(self.lifecycle, key),
            retry=retry,
            max_concurrency=1 if key == "narrow" else None,
        )

    def check_now(self) -> None:
        """Compare the queue and the reference at this instant."""
        raise NotImplementedError

    def tell(self, what: Callable[[], None], *, compare: bool = True) -> None:
        """Tell the reference, and compare. The first Violation is kept: where this is
        called, the queue would take it for an error of a program's."""
        self.news += 1
        try:
            what()
            if compare:
                self.check_now()
        except Violation as exc:
            self.violation = self.violation or exc

    # -- by the queue -----------------------------------------------------------------

    @property
    def now(self) -> float:
        """The loop's time."""
        return self.loop.time()

    def item_of(self, payload: Payload[Any]) -> Item:
        """What is known of it."""
        number, _ = payload.value
        return self.items[number]

    def on_sent(self, event: CollectorEvent) -> None:
        """An observer's."""
        item = self.item_of(event.payload)
        self.events[item.number] = event
        self.tell(lambda: self.reference.accepted(item, self.now))

    def on_started(self, event: CollectorEvent) -> None:
        """An observer's."""
        item = self.item_of(event.payload)
        self.held[me()] = item
        self.tell(lambda: self.reference.started(item, self.now))

    def on_settled(self, event: CollectorEvent) -> None:
        """An observer's."""
        item, outcome = self.item_of(event.payload), str(event.outcome)
        self.tell(lambda: self.reference.settled(item, outcome, self.now))

    # -- by collectors ----------------------------------------------------------------

    async def handle(self, key: str, payload: Payload[Any]) -> Any:
        """A collector's."""
        item = self.item_of(payload)
        run = Run(item.number, key)
        self.runs.append(run)
        self.tell(lambda: self.check_begin(item, key))
        answer = "cancelled"
        try:
            answer = await run.answer(item.on_cancel)
        except Exception as exc:
            self.violation = self.violation or exc  # one of these tests' own
            raise
        finally:
            self.ended(run, item, answer)
        return await ANSWERS[answer]()

    def plain(self, payload: Payload[Any]) -> Any:
        """A collector's that is no coroutine."""
        item = self.item_of(payload)
        self.tell(lambda: self.check_begin(item, "plain"))
        self.tell_ended(item, "plain", item.plain_answer)
        answering = ANSWERS[item.plain_answer]()
        try:
            answering.send(None)
        except StopIteration as stop:
            return stop.value

    def check_begin(self, item: Item, key: str) -> None:
        """I15: no other's cancel is left in the task. I11: the lifecycle is entered."""
        require(me().cancelling() == 0, "I15", f"{item} began with a cancel left over")
        require(key in self.lifecycles, "I11", f"{key} runs outside of its lifecycle")

    def ended(self, run: Run, item: Item, answer: str) -> None:
        """A run is about to answer so."""
        if run in self.left_alone:
            self.left_alone.remove(run)
            return
        self.runs.remove(run)
        self.tell_ended(item, run.key, answer)

    def tell_ended(self, item: Item, key: str, answer: str) -> None:
        # One that loses its consumer is over before its handlers know.
        if not item.is_over:
            self.tell(
                lambda: self.reference.part_ended(item, key, answer, self.now),
                compare=False,  # the queue does not know it yet
            )

    @asynccontextmanager
    async def lifecycle(self, key: str, ctx: Any) -> AsyncIterator[None]:
        """A collector's."""
        self.lifecycles.append(key)
        self.news += 1
        yield
        self.tell(lambda: self.check_exit(key))
        self.lifecycles.remove(key)

    def check_exit(self, key: str) -> None:
        """I11: nothing runs in one that is left, and the last entered goes first."""
        runs = [run.number for run in self.runs if run.key == key]
        running = [number for number in runs if not self.items[number].is_over]
        require(not running, "I11", f"{key} is left while {running} run in it")
        is_removed = key not in self.reference.keys
        last = self.lifecycles[-1]
        require(is_removed or key == last, "I11", f"{key} is left before {last}")
