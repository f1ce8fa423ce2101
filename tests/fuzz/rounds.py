"""Rounds of a fuzzer: one input each, made from a seed, tried, and judged.

Rules of residence: what all fuzzers share. What an input is, and which claim it tests, is
each fuzzer's own.
"""

from __future__ import annotations

import contextlib
import logging
import random
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from types import TracebackType
from typing import Any, Self

__all__ = ["Fuzzer", "Tally", "Verdict", "Violation", "chance_of", "play", "unlogged"]


class Violation(AssertionError):
    """Something came in that should have been refused, or broke what it came into."""


class Verdict(Enum):
    """What became of an input that broke nothing."""

    REFUSED = "refused"  # with an error that says so
    EQUAL = "equal"  # accepted, as what it is


@dataclass
class Tally:
    """How many inputs there were, and what became of them."""

    tried: int = 0
    refused: int = 0
    equal: int = 0

    def count(self, verdict: Verdict) -> None:
        """One input more."""
        self.tried += 1
        if verdict is Verdict.REFUSED:
            self.refused += 1
        else:
            self.equal += 1


class Fuzzer(ABC):
    """Makes inputs and tries them; `with fuzzer:` around all tries.

    An input is a function of its `chance`, so that a round can be played again alone.
    """

    def __enter__(self) -> Self:
        return self

    def __exit__(  # noqa: B027 - a default
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Nothing to put away, unless a fuzzer says so."""

    @abstractmethod
    def make(self, chance: random.Random) -> Any:
        """An input, whose `repr` tells all of it."""

    @abstractmethod
    def check(self, given: Any) -> Verdict:
        """Try an input. Raises Violation, or whatever should not have been raised."""


def chance_of(seed: int, number: int) -> random.Random:
    """The dice of one round."""
    return random.Random(f"{seed}:{number}")


@contextlib.contextmanager
def unlogged() -> Iterator[None]:
    """Within it nothing is logged: most of what is tried would be."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(before)


def play(
    fuzzer: Fuzzer,
    seed: int,
    rounds: Iterable[int],
    note: Callable[[int, Tally], None] = lambda number, tally: None,
) -> Tally:
    """Play these rounds; `note(number, tally)` before each.

    Raises Violation, with what repeats it, at the first bad one.
    """
    tally = Tally()
    with unlogged(), fuzzer:
        for number in rounds:
            note(number, tally)
            given = fuzzer.make(chance_of(seed, number))
            try:
                tally.count(fuzzer.check(given))
            except Exception as error:
                raise Violation(
                    f"seed {seed}, round {number}: {error!r}\ninput: {given!r}"
                ) from error
    return tally
