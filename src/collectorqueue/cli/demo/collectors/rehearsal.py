"""A failure on purpose: what the queue makes of it is the point of one phase."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from collectorqueue import Error, Payload
from collectorqueue.cli.demo.events import ScanFinished

__all__ = ["Rehearsal"]

Answer = TypeVar("Answer")

EVERY = 100  # one per cent


class Rehearsal(Generic[Answer]):
    """Wraps a collector's function; while `is_on`, every hundredth event fails.

    It fails after its work was done, so that no finding depends on it. And it answers
    with an `Error` instead of raising one: formatting a traceback parses source lines,
    which before 3.12 disturbs whoever else is parsing (gh-106905).
    """

    def __init__(self, collect: Callable[[Payload], Answer]) -> None:
        self._collect = collect
        self._events = 0
        self.is_on = False

    def collect(self, payload: Payload) -> Answer | Error:
        """What the wrapped function answers, or a failure when it is its turn."""
        answer = self._collect(payload)
        if self.is_on and not isinstance(payload.value, ScanFinished):
            self._events += 1
            if self._events % EVERY == 0:
                return Error("on purpose: every hundredth event fails in this phase")
        return answer
