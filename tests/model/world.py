"""A world: one real queue on a loop of its own, beside the reference at every turn.

Rules of residence: turning the loop, and comparing. What is done is Deeds'.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import ExitStack
from typing import Any

from collectorqueue import Ledger
from collectorqueue.testing import VirtualClock
from tests.model.reference import Item, Sender, Shape, require
from tests.model.runs import Run
from tests.model.told import Told
from tests.support import LOOPS

__all__ = ["Asking", "World"]

QUIET_TURNS = 25  # of the loop without news, after which the queue is at rest
MOST_TURNS = 2000
GRACE_S = 0.5  # that a close may take beyond its timeout


class Asking:
    """Somebody's task that waits for something of the queue, and for what."""

    def __init__(self, what: str, task: asyncio.Task[Any], items: list[Item]) -> None:
        self.what = what
        self.task = task
        self.items = items
        self.sender: Sender | None = None
        self.is_cancelled = False

    def __repr__(self) -> str:
        return f"{self.what} of {self.items} in {self.task}"


class World(Told):
    """One queue, its reference, and those who wait for it."""

    def __init__(self, shape: Shape, loop_kind: str = "virtual") -> None:
        super().__init__(shape)
        self.shape = shape
        self.stack = ExitStack()
        self.is_virtual = loop_kind == "virtual"
        if self.is_virtual:
            clock = VirtualClock()
            self.stack.enter_context(clock.followed())
            self.loop = clock.new_loop()
        else:
            self.loop = LOOPS[loop_kind]()
        self.complaints: list[dict[str, Any]] = []
        self.loop.set_exception_handler(
            lambda _, context: self.complaints.append(context)
        )
        self.askings: list[Asking] = []
        self.closings: list[Asking] = []
        self.is_closed = True
        self.counts_before: dict[str, int] = {}
        self.compared: tuple[Ledger, int] | None = None

    # -- what there is ----------------------------------------------------------------

    @property
    def free_runs(self) -> list[Run]:
        """Runs that have not been told their answer."""
        return [run for run in self.runs if not run.is_answered]

    @property
    def alive(self) -> list[Item]:
        """The events that are not over."""
        return [item for item in self.reference.items.values() if not item.is_over]

    # -- turning ----------------------------------------------------------------------

    def do(self, what: Coroutine[Any, Any, Any]) -> Any:
        """Run this in the loop to its end."""
        return self.loop.run_until_complete(what)

    def turn(self, turns: int) -> None:
        """Let the loop turn so often, and compare at each."""
        self.do(self.turned(turns))

    def rest(self) -> None:
        """Let the loop turn until the queue is at rest, and compare what came of it."""
        turns = self.do(self.turned(MOST_TURNS))
        require(turns < MOST_TURNS, "I2", "the queue does not come to rest")
        self.check_asking()
        self.check_closing()
        self.check_now()
        self.check_rest()

    async def turned(self, most: int) -> int:
        quiet = turns = 0
        while quiet < QUIET_TURNS and turns < most:
            before = self.news
            await asyncio.sleep(0)
            turns += 1
            quiet = quiet + 1 if self.news == before else 0
            self.check_now()
        return turns

    # -- comparing --------------------------------------------------------------------

    def check_now(self) -> None:
        """I1 and I7: the sums and the pool at this instant."""
        if self.violation is not None:
            raise self.violation
        ledger = self.queue.ledger
        if (ledger, self.news) != self.compared:
            self.compare(ledger)
            self.compared = (ledger, self.news)
        if self.reference.phase == "open":
            most = self.reference.max_consumers
            least = self.reference.min_consumers if self.shape.autoscale else most
            consumers = self.queue.consumers
            require(
                least <= consumers <= most, "I7", f"there are {consumers} consumers"
            )

    def compare(self, ledger: Ledger) -> None:
        """I1 and I16: the sums, where they or the reference have changed."""
        expected = self.reference.ledger()
        counts = {name: getattr(ledger, name) for name in expected}
        require(counts == expected, "I1", f"the ledger is {counts}, not {expected}")
        require(ledger.closes, "I1", f"the sum does not close: {ledger}")
        for name, before in self.counts_before.items():
            require(counts[name] >= before, "I16", f"{name} went down from {before}")
        del counts["queued"], counts["in_flight"]
        self.counts_before = counts

    def check_rest(self) -> None:
        """I3, I10 and I16: each event's outcome, and what else is told of them."""
        self.reference.check_rest(self.now)
        for number, event in self.events.items():
            item = self.items[number]
            outcome = item.state if item.is_over else None
            require(event.outcome == outcome, "I3", f"{event} should be {outcome}")
        going_on = [
            run.number for run in self.runs if not self.items[run.number].is_over
        ]
        running = [item.number for item in self.reference.those("running")]
        require(set(going_on) <= set(running), "I3", f"{going_on} go on, {running} run")
        metrics = self.queue.metrics
        ended = [item for item in self.reference.items.values() if item.is_over]
        require(
            metrics.ledger == self.queue.ledger, "I16", "metrics are not the ledger"
        )
        require(
            metrics.event_count == len(ended), "I16", "event_count is not what ended"
        )
        require(
            metrics.little_residual == 0.0, "I16", "the time integrals do not agree"
        )
        require(not self.complaints, "I10", f"the loop was told of {self.complaints}")

    def check_asking(self) -> None:
        """I2: who waits has an answer once there is one, and not before. I15: who was
        cancelled ends so, and nobody else."""
        for asking in list(self.askings):
            is_due = asking.is_cancelled or self.is_due(asking)
            require(asking.task.done() == is_due, "I2", asking)
            if is_due:
                self.askings.remove(asking)
                is_as_asked = asking.task.cancelled() == asking.is_cancelled
                require(is_as_asked, "I15", asking)
                if not asking.is_cancelled:
                    asking.task.result()

    def is_due(self, asking: Asking) -> bool:
        """Whether what it waits for has come."""
        states = [item.state for item in asking.items]
        if "refused" in states:
            return True
        if asking.what == "send":
            return "outside" not in states
        if asking.what == "remove":
            # What a close has given up may go on, and is not waited for.
            return not any(
                run.key == "extra" and not self.items[run.number].is_over
                for run in self.runs
            )
        return all(item.is_over for item in asking.items)

    def check_closing(self) -> None:
        """I12: a close ends once all is over, or half a second after its time."""
        if not self.closings:
            return
        done = [closing.task.done() for closing in self.closings]
        require(
            all(done) == any(done), "I12", f"one ended, and not all: {self.closings}"
        )
        reference = self.reference
        is_over = not reference.those("queued") and not reference.those("running")
        is_late = self.now >= reference.deadline + GRACE_S
        if all(done):
            require(
                is_over,
                "I12",
                f"close() has ended, not all events: {self.queue.ledger}",
            )
            self.check_closed()
        else:
            require(not is_over, "I12", "all is over, and close() has not ended")
            require(not is_late, "I12", f"close() takes {GRACE_S} s longer than it may")

    def check_closed(self) -> None:
        """I12: the report is true. I11: all is left. I15: a cancel is kept."""
        for closing in self.closings:
            require(closing.task.cancelled() == closing.is_cancelled, "I15", closing)
        self.closings.clear()
        self.is_closed = True
        reference, report = self.reference, self.queue.drain_report
        reference.phase = "over"
        assert report is not None
        require(
            report.ledger == self.queue.ledger, "I12", f"{report} is not the ledger"
        )
        reported = [payload.value[0] for payload in report.aborted]
        aborted = {item.number: item for item in reference.those("aborted")}
        left = [number for number, item in aborted.items() if item.is_left_by_drain]
        require(set(left) <= set(reported), "I12", f"{left} are not all in {reported}")
        require(
            set(reported) <= set(aborted), "I12", f"{reported} were not all aborted"
        )
        require(len(set(reported)) == len(reported), "I12", f"{reported} has doubles")
        require(not self.lifecycles, "I11", f"{self.lifecycles} were not left")
        self.left_alone += self.runs
        self.runs.clear()
        self.check_no_residue()

    def check_no_residue(self) -> None:
        """I9: no consumer, no task and no timer of a closed queue is left."""
        require(
            self.queue.consumers == 0,
            "I9",
            f"{self.queue.consumers} consumers are left",
        )
        known = [asking.task for asking in self.askings]
        known += [run.task for run in self.left_alone]
        left = [each for each in asyncio.all_tasks(self.loop) if each not in known]
        require(not left, "I9", f"tasks are left: {left}")
        scheduled = getattr(self.loop, "_scheduled", ())
        timers = [handle for handle in scheduled if not handle.cancelled()]
        require(not timers, "I9", f"timers are left: {timers}")
