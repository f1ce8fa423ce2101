"""The book: which events were sent, begun and ended, as seen from outside of the queue.

Rules of residence: noting and checking. The queue's ledger is not believed, it is
compared.

Each event's value begins with a number of its own. Who sent it notes whether that was
accepted or refused, an observer notes that it came in and that it ended, and handlers
note that they begin. `begins` and `runs` are appended to from any thread.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import groupby
from typing import Any

from collectorqueue import CollectorEvent, DrainReport, Ledger, Outcome

__all__ = ["Book"]

SHOWN = 5  # of each kind of problem


class Book:
    """The account of one run of a queue, from its start to its end.

    book = Book({"receipt": 1})         # collector key -> runs of an event at most
    forget = queue.observe(book)
    ...
    problems = book.problems(await queue.close())
    """

    def __init__(self, most: Mapping[str, int]) -> None:
        self.most = most
        self.events: dict[int, CollectorEvent] = {}
        self.wanted: dict[int, tuple[str, ...]] = {}
        self.returned: set[int] = set()
        self.refused: set[int] = set()
        self.begins: list[tuple[str, int]] = []
        self.runs: list[tuple[Any, int]] = []  # (ordering key, number), as they began
        self.settled: Counter[int] = Counter()
        self.noticed: list[str] = []  # what was wrong while it ran

    # -- noting -------------------------------------------------------------------

    def on_sent(self, event: CollectorEvent) -> None:
        """Called by the queue."""
        number = event.payload.value[0]
        if number in self.events:
            self.noticed.append(f"event {number} was accepted twice")
        self.events[number] = event

    def on_settled(self, event: CollectorEvent) -> None:
        """Called by the queue."""
        self.settled[event.payload.value[0]] += 1

    def note_begin(self, key: str, number: int) -> None:
        """By a handler, in any thread."""
        self.begins.append((key, number))

    def note_accepted(self, number: int, event: CollectorEvent | None = None) -> None:
        """By who sent it: the send returned, with this event if it returns any."""
        self.returned.add(number)
        if event is not None and self.events.get(number) is not event:
            self.noticed.append(
                f"the send of {number} returned another event, {event!r}"
            )

    # -- checking -----------------------------------------------------------------

    def problems(self, report: DrainReport) -> list[str]:
        """What is wrong with a run that has ended; empty: nothing."""
        found = [
            *self.noticed[:SHOWN],
            *some("was accepted, and is lost", self.returned - self.events.keys()),
            *some("was refused, and came in", self.refused & self.events.keys()),
            *some(
                "has not ended", (n for n, e in self.events.items() if not e.is_done())
            ),
            *some(
                "did not end exactly once",
                (n for n in self.events if self.settled[n] != 1),
            ),
            *some(
                "ended, and was never sent", self.settled.keys() - self.events.keys()
            ),
        ]
        return found + self._begun() + self._in_order() + self._sums(report)

    def unreported(self, report: DrainReport) -> list[str]:
        """What a close aborted without saying so, where nobody else aborts anything."""
        aborted = {n for n, e in self.events.items() if e.outcome is Outcome.ABORTED}
        reported = {payload.value[0] for payload in report.aborted}
        return some("was aborted, and is not reported", aborted - reported)

    def _begun(self) -> list[str]:
        begun = Counter(self.begins)
        outcomes = {number: event.outcome for number, event in self.events.items()}
        return [
            *some(
                "began, and was never accepted", {n for _, n in begun} - outcomes.keys()
            ),
            *some(
                "began too often",
                (
                    (n, key, times)
                    for (key, n), times in begun.items()
                    if times > self.most[key]
                ),
            ),
            *some(
                "ended ok without having begun",
                (
                    (n, key)
                    for n, outcome in outcomes.items()
                    if outcome is Outcome.OK
                    for key in self.wanted.get(n, ())
                    if (key, n) not in begun
                ),
            ),
            *some(
                "began, and ended UNROUTED",
                (n for _, n in begun if outcomes.get(n) is Outcome.UNROUTED),
            ),
        ]

    def _in_order(self) -> list[str]:
        """Events with one ordering key begin in the order in which they came in."""
        lines: dict[Any, list[int]] = {}
        for key, number in self.runs:
            lines.setdefault(key, []).append(number)
        found = []
        for key, numbers in lines.items():
            begun = [number for number, _ in groupby(numbers)]  # retries begin again
            ids = [self.events[each].id for each in begun if each in self.events]
            found += some(
                f"of ordering key {key!r} began out of order",
                (
                    n
                    for n, one, after in zip(begun, ids, ids[1:], strict=False)
                    if one >= after
                ),
            )
        return found

    def _sums(self, report: DrainReport) -> list[str]:
        ours = self.counted()
        found = []
        if report.ledger != ours:
            found.append(f"the ledger says {report.ledger}, counted were {ours}")
        reported = Counter(payload.value[0] for payload in report.aborted)
        found += some(
            "was reported twice", (n for n, times in reported.items() if times > 1)
        )
        found += some(
            "was reported as aborted, and is not",
            (n for n in reported if self.events[n].outcome is not Outcome.ABORTED),
        )
        return found

    def counted(self) -> Ledger:
        """The ledger as it must be, from the events themselves."""
        ends = Counter(event.outcome for event in self.events.values())
        return Ledger(
            accepted=len(self.events),
            **{outcome.value: ends[outcome] for outcome in Outcome},
            queued=0,
            in_flight=ends[None],
        )


def some(what: str, which: Iterable[object]) -> list[str]:
    """A line for the first of them."""
    found = list(which)
    lines = [f"event {each} {what}" for each in found[:SHOWN]]
    if len(found) > SHOWN:
        lines.append(f"... {len(found)} in all")
    return lines
