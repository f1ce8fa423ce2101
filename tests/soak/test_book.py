"""The book of a soak finds what a queue would do wrong: each wrong is made up here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from benchmarks.soak.book import Book
from collectorqueue import (
    Collector,
    CollectorEvent,
    CollectorQueue,
    DrainReport,
    Payload,
)
from tests.support import virtual


async def kept_by(
    book: Book, *, delay: float | None = None
) -> tuple[DrainReport, list[CollectorEvent]]:
    """Three events, as they should be noted."""

    def handle(payload: Payload[Any]) -> Any:
        book.note_begin("handle", payload.value[0])
        book.runs.append(("line", payload.value[0]))

    queue = CollectorQueue([Collector("handle", handle)])
    queue.observe(book)
    await queue.start()
    events = []
    for number in range(3):
        book.wanted[number] = ("handle",)
        events.append(
            queue.publisher.send_nowait([number], ordering_key="line", delay=delay)
        )
        book.note_accepted(number, events[-1])
    return await queue.close(timeout=1), events


def more(report: DrainReport, **by: int) -> DrainReport:
    """The same with other numbers in its ledger."""
    return msgspec.structs.replace(
        report, ledger=msgspec.structs.replace(report.ledger, **by)
    )


@virtual
async def test_nothing_is_found_where_nothing_is_wrong() -> None:
    book = Book({"handle": 1})
    report, _ = await kept_by(book)
    assert report.ledger.ok == 3
    assert book.problems(report) == []


@virtual
async def test_events_that_a_close_aborts_are_no_problem_if_they_are_reported() -> None:
    book = Book({"handle": 1})
    report, _ = await kept_by(book, delay=5.0)
    assert report.ledger.aborted == 3
    assert book.problems(report) == []


WRONGS: dict[str, tuple[Callable[[Book], object], str]] = {
    "lost": (lambda book: book.note_accepted(7), "event 7 was accepted, and is lost"),
    "refused": (lambda book: book.refused.add(1), "event 1 was refused, and came in"),
    "settled twice": (
        lambda book: book.settled.update([1]),
        "event 1 did not end exactly once",
    ),
    "settled and unknown": (
        lambda book: book.settled.update([7]),
        "event 7 ended, and was never sent",
    ),
    "begun twice": (
        lambda book: book.note_begin("handle", 1),
        "event (1, 'handle', 2) began too often",
    ),
    "begun and unknown": (
        lambda book: book.note_begin("handle", 7),
        "event 7 began, and was never accepted",
    ),
    "never begun": (
        lambda book: book.begins.clear(),
        "event (0, 'handle') ended ok without having begun",
    ),
    "out of order": (
        lambda book: book.runs.reverse(),
        "event 2 of ordering key 'line' began out of order",
    ),
    "accepted twice": (
        lambda book: book.on_sent(book.events[1]),
        "event 1 was accepted twice",
    ),
}


@pytest.mark.parametrize("wrong", WRONGS)
@virtual
async def test_what_is_wrong_is_found(wrong: str) -> None:
    book = Book({"handle": 1})
    report, _ = await kept_by(book)
    do, problem = WRONGS[wrong]
    do(book)
    assert problem in book.problems(report)


@virtual
async def test_a_ledger_that_says_otherwise_is_found() -> None:
    book = Book({"handle": 1})
    report, _ = await kept_by(book)
    for doctored in (
        more(report, ok=2),
        more(report, accepted=4),
        more(report, failed=1),
    ):
        (problem,) = book.problems(doctored)
        assert problem.startswith("the ledger says Ledger(")


@virtual
async def test_what_a_close_aborted_and_did_not_report_is_found() -> None:
    book = Book({"handle": 1})
    report, _ = await kept_by(book, delay=5.0)
    assert book.unreported(report) == []
    doctored = msgspec.structs.replace(report, aborted=report.aborted[1:])
    assert book.unreported(doctored) == ["event 0 was aborted, and is not reported"]


@virtual
async def test_a_report_of_what_was_not_aborted_is_found() -> None:
    book = Book({"handle": 1})
    report, events = await kept_by(book)
    payload = events[1].payload
    doctored = msgspec.structs.replace(report, aborted=(payload, payload))
    assert book.problems(doctored) == [
        "event 1 was reported twice",
        "event 1 was reported as aborted, and is not",
    ]


@virtual
async def test_an_event_that_has_not_ended_is_found() -> None:
    book = Book({"handle": 1})
    queue = CollectorQueue([Collector("handle", print)])
    queue.observe(book)
    await queue.start()
    queue.publisher.send_nowait([5])
    unfinished = DrainReport(queue.ledger)
    assert "event 5 has not ended" in book.problems(unfinished)
    await queue.close(timeout=0)
