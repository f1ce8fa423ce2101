"""`python -m benchmarks.soak ledger`: millions of events, faults, an exact ledger.

Cheap handlers on the loop; the queue is of one kind after the other, is closed in all
ways and started again. Of every event: whether its send returned or raised, how often
it began, and how it ended are noted here, and the queue's ledger must say the same at
each end.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from array import array
from collections import Counter
from collections.abc import Sequence
from typing import Any

from benchmarks.soak.command import conclude, parser_of, run_quietly, setting
from benchmarks.soak.endings import ENDINGS, end
from benchmarks.soak.faults import Faults
from benchmarks.soak.handlers import act_here, raise_it
from benchmarks.soak.residue import resident_bytes
from collectorqueue import (
    Collector,
    CollectorEvent,
    CollectorQueue,
    Ledger,
    Outcome,
    Overflow,
    Payload,
    QueueType,
    Retry,
)
from collectorqueue.errors import CollectorQueueError, QueueFull

__all__ = ["Counting", "ledger"]

EVENTS_A_START = 200_000
KEPT = 20_000  # events that are held until they are looked at
MOST = {"inline": 1, "waits": 1, "retried": 3, "nobody": 0}  # runs of one event
REST_S = 0.2  # between two faults at most
WEIGHTS = [5, 1, 1, 1]  # of the overflow policies: mostly, senders wait
HUNG_S = 60.0


class Target:
    """One start of a queue: it is sent to, harmed, and counted."""

    def __init__(self, dice: random.Random) -> None:
        self.dice = dice
        self.begun = array("B")  # by number: how often
        self.sent: list[tuple[int, str, CollectorEvent]] = []
        self.ends: Counter[Outcome | None] = Counter()
        self.accepted = 0
        self.refused: list[int] = []
        self.problems: list[str] = []
        retry = Retry(attempts=3, backoff=0.001, jitter=0.0)
        self.queue = CollectorQueue(
            [
                Collector("inline", self._inline),
                Collector("waits", self._waits),
                Collector("retried", self._waits, retry=retry),
            ],
            queue_type=dice.choice(list(QueueType)),
            overflow=dice.choices(list(Overflow), WEIGHTS)[0],
            capacity=dice.choice([100, 10_000]),
            max_consumers=dice.choice([4, 16, 64]),
            autoscale=dice.random() < 0.5,
            drain_timeout=2.0,
        )
        # For the faults: what may be harmed.
        self.keys = ["inline", "waits", "retried"]
        self.loop_keys = ["waits", "retried"]
        self.worker_keys: list[str] = []
        self.crowd: list[asyncio.Task[Any]] = []
        self.recent: list[CollectorEvent] = []

    def _inline(self, payload: Payload[Any]) -> Any:
        number, act, _ = payload.value
        self.begun[number] += 1
        return raise_it(act, number) if act else number

    async def _waits(self, payload: Payload[Any]) -> Any:
        number, act, seconds = payload.value
        self.begun[number] += 1
        return await act_here(number, act, seconds) if act or seconds else number

    # -- sending ------------------------------------------------------------------

    def poison(self, key: str, act: str, seconds: float) -> bool:
        """Send an event that makes a handler act; False: it was refused."""
        try:
            self._send_now(key, act, seconds)
        except CollectorQueueError:
            return False
        return True

    def _numbered(self) -> int:
        self.begun.append(0)
        return len(self.begun) - 1

    def _send_now(self, key: str, act: str, seconds: float) -> None:
        number = self._numbered()
        try:
            event = self.queue.publisher.send_nowait([number, act, seconds], keys=key)
        except CollectorQueueError:
            self.refused.append(number)
            raise
        self._note(number, key, event)

    def _note(self, number: int, key: str, event: CollectorEvent) -> None:
        self.accepted += 1
        self.sent.append((number, key, event))

    async def send_some(self) -> None:
        """In one of the ways; raises what the queue says once it is closed."""
        key = self.dice.choice(
            ["inline", "inline", "inline", "waits", "waits", "retried"]
        )
        if self.dice.random() < 0.02:
            key = "nobody"
        count = self.dice.choice([1, 20, 500, 2000])
        act = ""
        if self.dice.random() < 0.05:
            # An exception costs the text of its traceback, a thousand events' worth.
            act = "ValueError" if count < 100 else "Error"
        seconds = 0.001 if key == "waits" and count < 100 else 0.0
        way = self.dice.choice([self._one_by_one, self._now, self._many])
        await way(count, key, act, seconds)
        recent = self.sent[-20:]
        self.recent = [event for _, _, event in recent]
        await asyncio.sleep(0)

    async def _now(self, count: int, key: str, act: str, seconds: float) -> None:
        for _ in range(count):
            try:
                self._send_now(key, act, seconds)
            except QueueFull:
                await asyncio.sleep(0)

    async def _one_by_one(self, count: int, key: str, act: str, seconds: float) -> None:
        for _ in range(count):
            number = self._numbered()
            try:
                event = await self.queue.publisher.send(
                    [number, act, seconds], keys=key
                )
            except QueueFull:
                self.refused.append(number)
                await asyncio.sleep(0)
            except CollectorQueueError:
                self.refused.append(number)
                raise
            else:
                self._note(number, key, event)

    async def _many(self, count: int, key: str, act: str, seconds: float) -> None:
        numbers = [self._numbered() for _ in range(count)]
        accepted: list[CollectorEvent] = []
        values = (Payload([number, act, seconds], keys=key) for number in numbers)
        try:
            accepted = await self.queue.publisher.send_many(values)
        except CollectorQueueError as error:
            accepted = error.accepted  # type: ignore[attr-defined]
            if not isinstance(error, QueueFull):
                raise
        finally:
            for number, event in zip(numbers, accepted, strict=False):
                self._note(number, key, event)
            self.refused += numbers[len(accepted) :]

    # -- counting -----------------------------------------------------------------

    def look(self, *, at_all: bool = False) -> None:
        """Count those that have ended; once it is closed, all must have."""
        left = []
        for number, key, event in self.sent:
            outcome = event.outcome
            if outcome is None and not at_all:
                left.append((number, key, event))
                continue
            self.ends[outcome] += 1
            begun = self.begun[number]
            if begun > MOST[key]:
                self.problems.append(f"event {number} of {key!r} began {begun} times")
            if outcome is Outcome.OK and not begun:
                self.problems.append(
                    f"event {number} of {key!r} is ok, and never began"
                )
        self.sent = left

    def counted(self) -> Ledger:
        """What the ledger must be at the end."""
        return Ledger(
            accepted=self.accepted,
            **{outcome.value: self.ends[outcome] for outcome in Outcome},
            in_flight=self.ends[None],
        )

    def judge(self, told: Ledger) -> None:
        """Once it is closed."""
        self.look(at_all=True)
        began = [number for number in self.refused if self.begun[number]]
        self.problems += [f"event {each} was refused, and began" for each in began[:5]]
        if told != self.counted():
            self.problems.append(
                f"the ledger says {told}, counted were {self.counted()}"
            )


class Counting:
    """The whole: one start after the other, until so many events were accepted."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self.sums: Counter[str] = Counter()
        self.faults: Counter[str] = Counter()
        self.starts = 0
        self.problems: list[str] = []

    async def run(self, events: int) -> None:
        """Until then, or until something is wrong."""
        while self.sums["accepted"] < events and not self.problems:
            await self._run_once(min(EVENTS_A_START, events - self.sums["accepted"]))

    async def _run_once(self, events: int) -> None:
        dice = random.Random(f"{self._seed} {self.starts}")
        target = Target(dice)
        await target.queue.start()
        faults = Faults(
            target,
            random.Random(f"{self._seed} {self.starts} faults"),
            lambda record: self.faults.update([record["fault"]]),
            REST_S,
        )
        harm = asyncio.create_task(faults.reign())
        while target.accepted < events and not target.problems:
            await target.send_some()
            if len(target.sent) > KEPT:
                target.look()
        async with asyncio.timeout(HUNG_S):
            report, _ = await end(target.queue, dice.choice(list(ENDINGS)), dice)
        harm.cancel()
        await asyncio.wait([harm])
        if not harm.cancelled():
            harm.result()  # a fault of the soak's own
        target.judge(report.ledger)
        self.sums["accepted"] += report.ledger.accepted
        for outcome in Outcome:
            self.sums[outcome] += target.ends[outcome]
        self.sums["refused"] += len(target.refused)
        self.sums["runs"] += sum(target.begun)
        self.problems += [f"start {self.starts}: {each}" for each in target.problems]
        self.starts += 1


def ledger(arguments: Sequence[str]) -> int:
    """The command."""
    parser = parser_of("ledger", __doc__)
    parser.add_argument("--events", type=int, default=10_000_000, help="(10,000,000)")
    options = parser.parse_args(arguments)
    print(json.dumps({"setting": setting(options)}), flush=True)
    begun = time.monotonic()
    counting = Counting(options.seed)
    run_quietly(counting.run(options.events), options.loop)
    found = {
        **counting.sums,
        "starts": counting.starts,
        "faults": dict(counting.faults),
        "problems": len(counting.problems),
        "resident_mib": round(resident_bytes() / 2**20, 1),
        "seconds": round(time.monotonic() - begun, 1),
    }
    print(json.dumps(found), flush=True)
    return conclude("ledger", arguments, options.seed, counting.problems)
