"""The loop's side of the process border, before workers that go wrong.

Every event ends, and as what its collector made of it: or as lost with its worker, if that
could not be understood any more or died. A worker is believed in nothing but the events that
it has been given, each once; nothing that it writes raises anything in the loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import random
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Any, Self

import msgspec

from collectorqueue import (
    Batch,
    Collector,
    CollectorEvent,
    CollectorQueue,
    Error,
    Ok,
    Outcome,
)
from collectorqueue.errors import WorkerLost
from tests.fuzz.parts import PARTS
from tests.fuzz.processors import same, same_of_all
from tests.fuzz.puppets import Frame, Puppet, Stage, stage
from tests.fuzz.rounds import Fuzzer, Verdict, Violation

__all__ = ["BorderFuzzer", "Scene"]

HUNG_S = 10.0
TURNS = 3  # of the loop, in which all is heard that a worker has said
VALUES = (None, 0, -1, 2**64 - 1, "text", b"bytes", [1, [2]], {"a": 1.5}, "x" * 300)


class Scene(msgspec.Struct):
    """Which part the worker plays, with what dice, and for what events."""

    part: str
    dice: int
    values: list[Any]
    in_batches: bool
    dies: bool  # after its part


class BorderFuzzer(Fuzzer):
    """One queue, whose worker plays a part in each round and is replaced after it."""

    def __enter__(self) -> Self:
        self._open = contextlib.ExitStack()
        self.stage: Stage = self._open.enter_context(stage())
        self._runner = self._open.enter_context(asyncio.Runner())
        self._complaints: list[dict[str, Any]] = []
        self._runner.get_loop().set_exception_handler(
            lambda _, context: self._complaints.append(context)
        )
        self._queue = CollectorQueue(
            [
                Collector("same", same, runs_in="process"),
                Collector(
                    "same_of_all", same_of_all, runs_in="process", batch=Batch(4, 0.001)
                ),
            ],
            workers=1,
        )
        self._runner.run(self._queue.start())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._open:
            self._runner.run(self._queue.close(0))

    def make(self, chance: random.Random) -> Scene:
        return Scene(
            part=chance.choice(list(PARTS)),
            dice=chance.getrandbits(32),
            values=[chance.choice(VALUES) for _ in range(chance.randint(1, 6))],
            in_batches=chance.random() < 0.3,
            dies=chance.random() < 0.5,
        )

    def check(self, given: Scene) -> Verdict:
        believed: dict[int, Any] = {}
        self.stage.part = functools.partial(self._play, given, believed)
        key = "same_of_all" if given.in_batches else "same"
        return self.run(self.show(given.values, key, believed))

    def run(self, show: Coroutine[Any, Any, Verdict]) -> Verdict:
        """On the loop of the queue."""
        return self._runner.run(show)

    async def show(
        self, values: list[Any], key: str, believed: dict[int, Any]
    ) -> Verdict:
        """Send these, and look at what comes of them."""
        publisher = self._queue.publisher
        events = [publisher.send_nowait(value, keys=key) for value in values]
        try:
            async with asyncio.timeout(HUNG_S):
                for event in events:
                    await event
        except TimeoutError:
            raise Violation("an event does not end") from None
        if self._complaints:
            raise Violation(f"the loop was told of {self._complaints.pop()}")
        if not self._queue.ledger.closes:
            raise Violation(f"the sum does not close: {self._queue.ledger}")
        lies = list(believed.values())
        verdicts = [
            self._judge(event, value, lies)
            for event, value in zip(events, values, strict=True)
        ]
        if verdicts.count("a lie") > len(lies):
            raise Violation("a worker was believed more often than it was asked")
        return Verdict.REFUSED if "lost" in verdicts else Verdict.EQUAL

    def _play(
        self,
        given: Scene,
        believed: dict[int, Any],
        puppet: Puppet,
        frame: Frame,
    ) -> None:
        believed |= PARTS[given.part](puppet, frame, random.Random(given.dice))
        loop = self._runner.get_loop()
        if given.dies:
            puppet.die()
        else:  # it is heard first
            must_be_dead = given.part == "sends_nonsense" and not given.in_batches
            after_turns(loop, TURNS, functools.partial(self._end, puppet, must_be_dead))

    def _end(self, puppet: Puppet, must_be_dead: bool) -> None:
        if must_be_dead and not puppet.is_dead:
            self._complaints.append({"message": "a worker that sent nonsense lives"})
        puppet.die()

    def _judge(self, event: CollectorEvent, value: Any, lies: list[Any]) -> str:
        result = event.get_result().first()  # type: ignore[union-attr]
        match result:
            case Ok(value=found) if found == value and type(found) is type(value):
                return "equal"
            case Ok(value=found) if found in lies:
                return "a lie"
            case Error(err=WorkerLost()) if event.outcome is Outcome.FAILED:
                return "lost"
        raise Violation(f"{value!r} has become {result!r}")


def after_turns(
    loop: asyncio.AbstractEventLoop, turns: int, call: Callable[[], None]
) -> None:
    if turns:
        loop.call_soon(after_turns, loop, turns - 1, call)
    else:
        call()
