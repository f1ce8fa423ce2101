"""What is known of a running program without asking its queue, and what could never end.

Rules of residence: the oracle. It is kept by the handlers themselves, run by run, and says
more is stuck rather than less, so that what it complains of is certain:

- "can end": every handler that waits for nothing ends, whatever has not begun does not wait,
  and places, keys and consumers come free as soon as those that have them end;
- timeouts, cancels, ttls and limits that are lifted may end more than that: not looked at.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.waits.program import Program

__all__ = ["Book", "Run"]

SAME_S = 1e-6  # times closer than this may be in either order


class Run:
    """A handler that has begun: of one event, or of a batch."""

    def __init__(self, key: str, numbers: list[int]) -> None:
        self.key = key
        self.numbers = numbers
        self.waits: list[int] = []  # the events it waits for, all of them
        self.for_all: list[ForAll] = []


class ForAll:
    """A handler waits for all: for these events, but for those that may be left out."""

    def __init__(self, numbers: set[int]) -> None:
        self.numbers = numbers
        self.excused: set[int] = set()


class Book:
    """One program that runs. `events`: number -> CollectorEvent, of those accepted."""

    def __init__(self, program: Program) -> None:
        self.plans = {each.number: each for each in program.events}
        self.targets = {each.number: program.targets(each) for each in program.events}
        self.limits = {each.key: each.limit for each in program.stations}
        self.tries = {each.key: each.tries for each in program.stations}
        self.events: dict[int, Any] = {}
        self.joins: dict[int, float] = {}  # when each comes to the line of its key
        self.runs: dict[Run, None] = {}
        self.attempts: dict[tuple[int, str], int] = {}
        self.finished: set[tuple[int, str]] = set()  # parts that will not run again
        self.refused: set[int] | None = None  # what was stuck as the first was, this turn
        self.judged = 0  # limits that were set

    # -- what happens -------------------------------------------------------------------

    def accepted(self, number: int, event: Any, now: float) -> None:
        self.note_excuses()
        self.events[number] = event
        self.joins[number] = now + self.plans[number].delay

    def begin(self, key: str, numbers: list[int]) -> Run:
        self.note_excuses()
        run = Run(key, numbers)
        self.runs[run] = None
        for number in numbers:
            self.attempts[number, key] = self.attempts.get((number, key), 0) + 1
        return run

    def end(self, run: Run, *, is_good: bool) -> None:
        self.note_excuses()
        del self.runs[run]
        for number in run.numbers:
            if is_good or self.attempts[number, run.key] >= self.tries[run.key]:
                self.finished.add((number, run.key))
        self.note_excuses()

    def set_limit(self, key: str, limit: int) -> None:
        self.note_excuses()
        self.limits[key] = limit
        self.note_excuses()
        # The queue judges now, and what it refuses is told next turn.
        self.refused = (self.refused or set()) | self.stuck(for_all=False)
        self.judged += 1

    @contextmanager
    def waiting(self, run: Run, number: int) -> Iterator[None]:
        """A handler, or a task of it, waits for an event."""
        run.waits.append(number)
        self.note_excuses()
        try:
            yield
        finally:
            self.note_excuses()
            run.waits.remove(number)

    @contextmanager
    def waiting_for_all(self, run: Run) -> Iterator[ForAll]:
        wait = ForAll({number for number in self.events if not self.is_over(number)})
        run.for_all.append(wait)
        self.note_excuses()
        try:
            yield wait
        finally:
            self.note_excuses()
            run.for_all.remove(wait)

    # -- what is right ------------------------------------------------------------------

    def passed(self, run: Run) -> set[int]:
        """The events that come before those of a run by their ordering key, and are not over,
        though it begins."""
        live = {number for number in self.events if not self.is_over(number)}
        return {
            other
            for number in run.numbers
            for other in self.before(number, live) - set(run.numbers)
            if self.joins[other] < self.joins[number] - SAME_S
            or not (self.plans[other].delay or self.plans[number].delay)
        }

    def is_over(self, number: int) -> bool:
        return self.events[number].outcome is not None

    def could_end(self, number: int) -> bool:
        """Whether an event that a handler was refused to wait for could have ended, though
        that waits; the first refusal of a turn sees those that were refused with it.

        A request that is refused has cancelled its event by now: that does not count.
        """
        stuck = self.stuck(for_all=False, still=number)
        if self.refused is None:
            self.refused = stuck
        return number not in self.refused and number not in stuck

    def new_turn(self, judged: int) -> None:
        """All that was refused as this was judged, has been told."""
        if judged == self.judged:
            self.refused = None

    def left_out(self, wait: ForAll) -> set[int]:
        """The events that a wait for all should have waited for, and did not."""
        self.note_excuses()
        return {n for n in wait.numbers - wait.excused if not self.is_over(n)}

    def note_excuses(self) -> None:
        """Whoever waits for all need not wait for what could not end before, at any time."""
        waits = [wait for run in self.runs for wait in run.for_all]
        if waits:
            stuck = self.stuck(for_all=True)
            for wait in waits:
                wait.excused |= stuck

    def stuck(self, *, for_all: bool, still: int | None = None) -> set[int]:
        """The events that could never end; `for_all`: if none of those who wait for all did;
        `still`: one that is looked at as if it were not over.

        Found the other way round: what can end is taken out, until nothing more can.
        """
        events = {n for n in self.events if n == still or not self.is_over(n)}
        runs = set(self.runs)
        before = {number: self.before(number, events) for number in events}
        moved = True
        while moved:
            free = {run for run in runs if self.can_go_on(run, events, for_all=for_all)}
            runs -= free
            over = {n for n in events if self.can_end(n, before[n] & events, runs)}
            events -= over
            moved = bool(free or over)
        return events

    def can_go_on(self, run: Run, stuck: set[int], *, for_all: bool) -> bool:
        return stuck.isdisjoint(run.waits) and not (for_all and run.for_all)

    def can_end(self, number: int, before: set[int], stuck: set[Run]) -> bool:
        if before or any(number in run.numbers for run in stuck):
            return False
        return all(self.has_place(key, stuck) for key in self.to_come(number))

    def to_come(self, number: int) -> list[str]:
        """The collectors that an event has not begun in, or may come to again."""
        begun = {run.key for run in self.runs if number in run.numbers}
        return [
            key
            for key in self.targets[number]
            if key not in begun and (number, key) not in self.finished
        ]

    def has_place(self, key: str, stuck: set[Run]) -> bool:
        limit = self.limits[key]
        return not limit or sum(run.key == key for run in stuck) < limit

    def before(self, number: int, events: set[int]) -> set[int]:
        """The events that are before one in the line of its key, or may be."""
        key = self.plans[number].ordering_key
        if not key:
            return set()
        return {
            other
            for other in events
            if self.plans[other].ordering_key == key and self.is_before(other, number)
        }

    def is_before(self, other: int, number: int) -> bool:
        """Where one is delayed, it comes to the line when its time has come."""
        if other == number:
            return False
        if self.plans[other].delay or self.plans[number].delay:
            return self.joins[other] <= self.joins[number] + SAME_S
        return bool(self.events[other].id < self.events[number].id)
