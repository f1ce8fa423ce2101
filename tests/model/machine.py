"""The machine: hypothesis chooses what is done to a queue, and shrinks what went wrong.

Rules of residence: choosing. Each rule is a deed, after which the loop turns some times
or until the queue is at rest.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from math import inf
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from tests.model.deeds import Deeds
from tests.model.reference import Shape
from tests.model.runs import ANSWERS, ON_CANCEL, PLAIN_ANSWERS

__all__ = ["Machine", "RealTimeMachine"]

CHOICES = st.integers(0, 1000)
# Mostly until the queue is at rest: then all of its state is compared.
TURNS = st.sampled_from([None, None, None, None, 0, 1, 2, 3, 5])
KEYS = [
    *[("first",)] * 2, ("second",), ("plain",), ("first", "second"),
    ("plain", "second"),
    ("extra",), ("nobody",), ("first", "nobody"), *[("again",)] * 2, *[("narrow",)] * 2,
]  # fmt: skip
ADDRESSES = st.one_of(
    st.builds(lambda keys: {"keys": keys}, st.sampled_from(KEYS)),
    st.sampled_from([{"topic": "some"}, {"topic": "none"}, {}]),
)
GIVEN = [name for name in ANSWERS if name != "swallowed"]
# No sums of these are alike: nothing becomes due at the instant it is looked at.
SECONDS = st.sampled_from([1, 3, 12])
DELAYS = st.sampled_from([0.0, 0.0, 0.7, 2.6])
TTLS = st.sampled_from([inf, inf, 1.3, 10.3])
TIMEOUTS = st.sampled_from([1.2, 5.2])


def terms(**more: Any) -> st.SearchStrategy[dict[str, Any]]:
    """What is said of a payload; `more` is drawn too."""
    return st.builds(
        lambda address, **others: {**address, **others},
        ADDRESSES,
        priority=st.integers(0, 3),
        ordering_key=st.sampled_from([None, None, "a", "b"]),
        upsets_router=st.integers(0, 9).map(lambda number: number == 9),
        plain_answer=st.sampled_from(PLAIN_ANSWERS),
        **more,
    )


AT_ONCE = terms(on_cancel=st.sampled_from(ON_CANCEL[:3]))
IN_TIME = terms(on_cancel=st.sampled_from(ON_CANCEL), delay=DELAYS, ttl=TTLS)
TASKS = st.sampled_from(["send", "send", "send_many", "request", "call"])


@st.composite
def shapes(draw: Any) -> Shape:
    """Queues small enough to be full and empty, short of consumers and not."""
    least, most = sorted([draw(st.integers(1, 3)), draw(st.integers(1, 4))])
    return Shape(
        order=draw(st.sampled_from(["fifo", "lifo", "priority"])),
        overflow=draw(
            st.sampled_from(["wait", "wait", "reject", "drop_oldest", "drop_incoming"])
        ),
        capacity=draw(st.integers(1, 5)),
        min_consumers=least,
        max_consumers=most,
        autoscale=draw(st.booleans()),
        has_policies=draw(st.booleans()),
        has_router=draw(st.booleans()),
    )


def when(claim: Callable[[Deeds], Any]) -> Callable[[Any], Any]:
    """A rule that makes sense only then."""
    return precondition(lambda machine: bool(claim(machine.world)))


def is_open(world: Deeds) -> bool:
    """It has been started, and its close has not ended."""
    return not world.is_closed


class RealTimeMachine(RuleBasedStateMachine):
    """A queue on a loop in real time, where no event waits for any."""

    loop_kind = "asyncio"
    # By all of a class, until one has failed and is being shrunk:
    steps = 0  # rules that were carried out, and did something
    programs = 0
    has_failed = False

    def __init__(self) -> None:
        super().__init__()
        self.made: Deeds | None = None

    @property
    def world(self) -> Deeds:
        """What all happens in."""
        assert self.made is not None
        return self.made

    @initialize(shape=shapes())
    def begin(self, shape: Shape) -> None:
        self.made = Deeds(shape, self.loop_kind)
        type(self).programs += not self.has_failed

    def go_on(self, turns: int | None = None) -> None:
        """After a deed: let the queue do its part."""
        type(self).steps += not self.has_failed
        if turns is None:
            self.world.rest()
        else:
            self.world.turn(turns)

    def teardown(self) -> None:
        if self.made is not None:
            # What else ends a program early is hypothesis's own, and no Exception.
            has_failed = isinstance(sys.exception(), Exception)
            type(self).has_failed |= has_failed
            try:
                if not has_failed:
                    self.made.end()
            finally:
                self.made.give_back()

    @rule(how=TASKS, count=st.integers(2, 5), terms=AT_ONCE, turns=TURNS)
    def send(
        self, how: str, count: int, terms: dict[str, Any], turns: int | None
    ) -> None:
        self.world.send(how, count, **terms)
        self.go_on(turns)

    @when(is_open)
    @rule(count=st.integers(3, 8), on_cancel=st.sampled_from(ON_CANCEL[:3]))
    def flood(self, count: int, on_cancel: str) -> None:
        """More than a small queue holds: some of them wait for room."""
        for priority in range(count):
            terms = {"keys": ("first",), "priority": priority % 3, "on_cancel": on_cancel}
            self.world.send("send", 1, **terms)
        self.go_on()

    @rule(terms=AT_ONCE, turns=TURNS)
    def send_nowait(self, terms: dict[str, Any], turns: int | None) -> None:
        self.world.send_nowait(**terms)
        self.go_on(turns)

    @when(lambda world: world.free_runs)
    @rule(
        how=st.sampled_from(["send", "send_nowait"]),
        run=CHOICES,
        terms=AT_ONCE,
        turns=TURNS,
    )
    def send_inside(
        self, how: str, run: int, terms: dict[str, Any], turns: int | None
    ) -> None:
        self.world.send_inside(how, run, **terms)
        self.go_on(turns)

    @when(is_open)
    @rule(terms=AT_ONCE)
    def send_from_thread(self, terms: dict[str, Any]) -> None:
        self.world.send_from_thread(**terms)
        self.go_on()

    @when(lambda world: world.free_runs)
    @rule(run=CHOICES, answer=st.sampled_from(GIVEN), turns=TURNS)
    def answer(self, run: int, answer: str, turns: int | None) -> None:
        self.world.answer(run, answer)
        self.go_on(turns)

    @when(lambda world: len(world.free_runs) > 1)
    @rule(runs=st.lists(CHOICES, min_size=2, max_size=4))
    def answer_several(self, runs: list[int]) -> None:
        for run in runs:
            self.world.answer(run, "value")
        self.go_on()

    @when(lambda world: is_open(world) and world.events)
    @rule(event=CHOICES, turns=TURNS)
    def wait_for(self, event: int, turns: int | None) -> None:
        self.world.wait_for(event)
        self.go_on(turns)

    @when(lambda world: is_open(world) and world.events)
    @rule(turns=TURNS)
    def wait_for_all(self, turns: int | None) -> None:
        self.world.wait_for_all()
        self.go_on(turns)

    @when(lambda world: world.alive)
    @rule(event=CHOICES, turns=TURNS)
    def cancel_event(self, event: int, turns: int | None) -> None:
        self.world.cancel_event(event)
        self.go_on(turns)

    @when(lambda world: world.askings)
    @rule(asking=CHOICES, turns=TURNS)
    def cancel_asking(self, asking: int, turns: int | None) -> None:
        self.world.cancel_asking(asking)
        self.go_on(turns)

    @when(is_open)
    @rule(consumer=CHOICES)
    def kill_consumer(self, consumer: int) -> None:
        self.world.kill_consumer(consumer)
        self.go_on()

    @when(is_open)
    @rule(bounds=st.tuples(st.integers(1, 3), st.integers(1, 4)), turns=TURNS)
    def scale(self, bounds: tuple[int, int], turns: int | None) -> None:
        self.world.scale(min(bounds), max(bounds))
        self.go_on(turns)

    @when(lambda world: is_open(world) and world.reference.limits)
    @rule(most=st.integers(1, 3), turns=TURNS)
    def limit(self, most: int, turns: int | None) -> None:
        self.world.limit(most)
        self.go_on(turns)

    @when(lambda world: world.may_add)
    @rule(turns=TURNS)
    def add_collector(self, turns: int | None) -> None:
        self.world.add_collector()
        self.go_on(turns)

    @when(lambda world: world.may_remove)
    @rule(turns=TURNS)
    def remove_collector(self, turns: int | None) -> None:
        self.world.remove_collector()
        self.go_on(turns)

    @when(is_open)
    @rule()
    def observe(self) -> None:
        self.world.observe()
        self.go_on()

    @when(is_open)
    @rule(
        how=st.sampled_from(["abort", "abort", "drain", "break"]),
        seldom=st.integers(0, 3),
    )
    def end(self, how: str, seldom: int) -> None:
        if seldom and not self.world.closings:
            return
        if how == "break":
            self.world.kill_all_consumers()
        else:
            self.world.close(0 if how == "abort" else None)
        self.go_on()

    @when(lambda world: world.closings)
    @rule(closing=CHOICES)
    def cancel_close(self, closing: int) -> None:
        self.world.cancel_close(closing)
        self.go_on()

    @when(lambda world: world.is_closed)
    @rule()
    def start(self) -> None:
        self.world.start()
        self.go_on()


class Machine(RealTimeMachine):
    """A queue in virtual time: events wait for theirs, and a close for its deadline."""

    loop_kind = "virtual"
    steps = 0

    @when(is_open)
    @rule(seconds=SECONDS)
    def pass_time(self, seconds: float) -> None:
        self.world.pass_time(seconds)
        self.go_on()

    @rule(how=TASKS, count=st.integers(2, 5), terms=IN_TIME, turns=TURNS)
    def send_later(
        self, how: str, count: int, terms: dict[str, Any], turns: int | None
    ) -> None:
        self.world.send(how, count, **terms)
        self.go_on(turns)

    @when(lambda world: world.free_runs)
    @rule(run=CHOICES, terms=IN_TIME, turns=TURNS)
    def send_later_inside(
        self, run: int, terms: dict[str, Any], turns: int | None
    ) -> None:
        self.world.send_inside("send_nowait", run, **terms)
        self.go_on(turns)

    @when(is_open)
    @rule(timeout=TIMEOUTS, seldom=st.integers(0, 3))
    def close_within(self, timeout: float, seldom: int) -> None:
        if seldom == 0 or self.world.closings:
            self.world.close(timeout)
            self.go_on()
