"""The whole queue against a small, obvious model, step by step, at random."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collectorqueue import CollectorEvent, CollectorQueue, Payload
from collectorqueue.errors import QueueFull
from tests.support import assert_closes, run_virtual, ticks

AGEING = 3
# Time passes in whole seconds: nothing becomes due at the instant it is checked.
TTL_S = 10.3

KINDS = {
    "send": 8, "send nowait": 3, "send to nobody": 1, "finish": 6, "fail": 2,
    "cancel event": 2, "cancel sender": 2, "pass time": 2,
}  # fmt: skip


def operations_of(seed: int, length: int) -> list[tuple[str, int]]:
    """What happens to a queue, in phases in which it rather fills or empties.

    Drawn by a generator of its own: hypothesis prefers lists too short to fill a queue.
    """
    random = Random(seed)
    operations: list[tuple[str, int]] = []
    while len(operations) < length:
        weights = dict(KINDS)
        weights[random.choice(list(KINDS))] *= 4
        chosen = random.choices(
            list(weights), weights.values(), k=random.randrange(1, 20)
        )
        operations += ((kind, random.randrange(1000)) for kind in chosen)
    return operations[:length]


OPERATIONS = st.builds(
    operations_of, st.integers(0, 2**32), st.sampled_from([2, 5, 10, 30, 100])
)


@dataclass
class Item:
    """One payload, as the model sees it."""

    number: int
    priority: int
    ttl: float | None
    known: bool = True
    sequence: int = 0
    deadline: float | None = None


@dataclass
class Model:
    """What a queue does, in lists."""

    kind: str
    capacity: int
    consumers: int
    blocked: list[Item] = field(default_factory=list)
    queued: list[Item] = field(default_factory=list)
    running: list[Item] = field(default_factory=list)
    outcomes: dict[int, str] = field(default_factory=dict)
    started: list[int] = field(default_factory=list)
    accepted: int = 0

    def accept(self, item: Item, now: float) -> None:
        self.accepted += 1
        item.sequence = self.accepted
        item.deadline = None if item.ttl is None else now + item.ttl
        self.queued.append(item)

    def settle_down(self, now: float) -> None:
        """Take, admit and drop until nothing more can happen."""
        while True:
            for item in [each for each in self.queued if due(each, now)]:
                self.queued.remove(item)
                self.outcomes[item.number] = "dropped"
            if self.queued and len(self.running) < self.consumers:
                item = self.next()
                self.queued.remove(item)
                if item.known:
                    self.running.append(item)
                    self.started.append(item.number)
                else:
                    self.outcomes[item.number] = "unrouted"
            elif self.blocked and len(self.queued) < self.capacity:
                # A consumer goes from one event to the next; senders come in between.
                while self.blocked and len(self.queued) < self.capacity:
                    self.accept(self.blocked.pop(0), now)
            else:
                return

    def pass_time(self, until: float) -> None:
        """Let deadlines pass one by one: a place that becomes free is taken at once."""
        while deadlines := [each.deadline for each in self.queued if due(each, until)]:
            self.settle_down(min(filter(None, deadlines)))

    def next(self) -> Item:
        if self.kind == "fifo":
            return self.queued[0]
        if self.kind == "lifo":
            return self.queued[-1]
        return min(
            self.queued,
            key=lambda item: (item.priority * AGEING + item.sequence, item.sequence),
        )


def due(item: Item, now: float) -> bool:
    return item.deadline is not None and item.deadline <= now


class Held:
    """Runs that end as the test says."""

    def __init__(self) -> None:
        self.started: list[int] = []
        self.futures: dict[int, asyncio.Future[None]] = {}

    async def __call__(self, payload: Payload[int]) -> None:
        self.started.append(payload.value)
        self.futures[payload.value] = asyncio.get_running_loop().create_future()
        await self.futures[payload.value]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["fifo", "lifo", "priority"])
@settings(max_examples=40, deadline=None, database=None, derandomize=True)
@given(
    operations=OPERATIONS,
    capacity=st.integers(1, 5),
    consumers=st.integers(1, 3),
    autoscale=st.booleans(),
)
def test_the_queue_agrees_with_the_model_at_every_step(
    kind: str,
    operations: list[tuple[str, int]],
    capacity: int,
    consumers: int,
    autoscale: bool,
) -> None:
    run_virtual(compare(Model(kind, capacity, consumers), operations, autoscale))


async def compare(
    model: Model, operations: list[tuple[str, int]], autoscale: bool
) -> None:
    loop = asyncio.get_running_loop()
    held = Held()
    queue = CollectorQueue(
        queue_type=model.kind,
        capacity=model.capacity,
        max_consumers=model.consumers,
        autoscale=autoscale,
        ageing=AGEING,
        drain_timeout=0,
    )
    queue.collector("held")(held)
    events: dict[int, CollectorEvent] = {}
    senders: dict[int, asyncio.Task[CollectorEvent]] = {}

    def check(operation: object) -> None:
        for number, sender in list(senders.items()):
            if sender.done():
                events[number] = sender.result()
                del senders[number]
        assert held.started == model.started, operation
        assert list(senders) == [item.number for item in model.blocked], operation
        ledger = queue.ledger
        counts = Counter(model.outcomes.values())
        assert ledger.accepted == model.accepted, operation
        assert ledger.queued == len(model.queued), operation
        assert ledger.in_flight == len(model.running), operation
        for outcome in ("ok", "failed", "unrouted", "dropped", "aborted"):
            assert getattr(ledger, outcome) == counts[outcome], operation
        assert_closes(queue)
        for number, event in events.items():
            assert event.outcome == model.outcomes.get(number), operation

    async with queue:
        for number, (operation, choice) in enumerate(operations):
            item = Item(number, choice % 4, TTL_S if choice % 5 == 0 else None)
            if operation in ("send", "send to nobody"):
                item.known = operation == "send"
                payload = payload_of(item)
                if len(model.queued) >= model.capacity:
                    model.blocked.append(item)
                else:
                    model.accept(item, loop.time())
                senders[number] = asyncio.ensure_future(queue.publisher.send(payload))
            elif operation == "send nowait":
                if len(model.queued) >= model.capacity:
                    with pytest.raises(QueueFull):
                        queue.publisher.send_nowait(payload_of(item))
                else:
                    model.accept(item, loop.time())
                    events[number] = queue.publisher.send_nowait(payload_of(item))
            elif operation in ("finish", "fail") and model.running:
                item = model.running.pop(choice % len(model.running))
                future = held.futures[item.number]
                if operation == "finish":
                    model.outcomes[item.number] = "ok"
                    future.set_result(None)
                else:
                    model.outcomes[item.number] = "failed"
                    future.set_exception(ValueError(item.number))
            elif operation == "cancel event" and model.queued + model.running:
                alive = model.queued + model.running
                item = alive[choice % len(alive)]
                (model.queued if item in model.queued else model.running).remove(item)
                model.outcomes[item.number] = "aborted"
                assert events[item.number].cancel()
            elif operation == "cancel sender" and model.blocked:
                item = model.blocked.pop(choice % len(model.blocked))
                sender = senders.pop(item.number)
                sender.cancel()
                await asyncio.wait([sender])
                assert sender.cancelled()
            elif operation == "pass time":
                await asyncio.sleep(1 + choice % 7)
                model.pass_time(loop.time())
            model.settle_down(loop.time())
            await ticks(60)
            check((number, operation, choice))
        left = {item.number for item in model.queued + model.running}
        refused = list(senders.values())
        report = await queue.close()
        assert {payload.value for payload in report.aborted} == left
        assert all(each.exception() is not None for each in refused)
        assert_closes(queue)
        cancelled = list(model.outcomes.values()).count("aborted")
        assert queue.ledger.aborted == len(left) + cancelled


def payload_of(item: Item) -> Payload[int]:
    keys = "held" if item.known else "nobody"
    return Payload(item.number, keys=keys, priority=item.priority, ttl=item.ttl)
