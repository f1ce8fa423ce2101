"""Programs of handlers that wait; `python -m tests.waits 0 100000` is the long run."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.waits.book import Book, Run
from tests.waits.making import make
from tests.waits.playing import play
from tests.waits.program import Act, Deed, Events, Program, Station
from tests.waits.shrinking import shrunk


@contextmanager
def in_silence() -> Iterator[None]:
    """Handlers fail, and queues are left, by the hundred."""
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(logging.NOTSET)


@pytest.mark.parametrize("seeds", [range(at, at + 100) for at in range(0, 600, 100)])
def test_no_program_hangs_and_none_is_refused_wrongly(seeds: range) -> None:
    with in_silence():
        for seed in seeds:
            faults = play(make(seed))
            assert not faults, (seed, faults)


class Sent:
    """An event, as the oracle asks of one."""

    def __init__(self, number: int) -> None:
        self.id = number
        self.outcome = None


def book_of(*events: Events, limit: int = 0) -> Book:
    stations = (Station("a", limit=limit), Station("b"))
    book = Book(Program(stations=stations, events=events))
    for each in events:
        book.accepted(each.number, Sent(each.number), 0.0)
    return book


def test_the_oracle_tells_what_could_end_from_what_could_not() -> None:
    book = book_of(Events(0, keys=("a",)), Events(1, keys=("a",)), limit=2)
    first = book.begin("a", [0])
    with book.waiting(first, 1):
        assert book.could_end(1)
        book.set_limit("a", 1)
        book.new_turn(book.judged)
        assert not book.could_end(1)


def test_the_oracle_tells_what_a_wait_for_all_left_out() -> None:
    book = book_of(Events(0, keys=("a",)), Events(1, keys=("b",)), Events(2, keys=("b",)))
    with book.waiting_for_all(book.begin("a", [0])) as wait:
        with book.waiting(book.begin("b", [2]), 0):
            pass
        assert book.left_out(wait) == {1}


def test_the_oracle_tells_what_begins_before_another_of_its_key() -> None:
    events = [Events(each, keys=("a",), ordering_key="k") for each in range(3)]
    assert book_of(*events).passed(Run("a", [1, 2])) == {0}


def test_a_program_is_shrunk_to_what_makes_it_fail() -> None:
    program = Program(
        order="lifo",
        consumers=3,
        stations=(Station("a", limit=1), Station("b")),
        events=(
            Events(0, keys=("a",), deeds=(("a", (Deed("sleep", seconds=2), Deed("ask", 1))),)),
            Events(1, keys=("b",)),
            Events(2),
        ),
        acts=(Act(1.5, "send", 0), Act(2, "send", 2)),
    )
    least = shrunk(program, lambda each: any(act.number == 0 for act in each.acts))
    assert least == Program(
        stations=(Station("a"),), events=least.events, acts=(Act(1.0, "send", 0),)
    )
    assert [each.deeds for each in least.events] == [(("a", ()),)]
