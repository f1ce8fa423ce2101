"""Which collectors a payload is for: the key index and the topic index."""

from collections.abc import Iterable
from typing import Any, final

from collectorqueue._native.payload import Payload
from collectorqueue._native.plan import Step

@final
class Index:
    """Steps by key and by topic."""

    @property
    def steps(self) -> dict[str, Step]:
        """By key, in registration order; live, to be read only."""

    @property
    def sinks(self) -> set[Step]:
        """Those for dead letters."""

    def add(self, step: Step, topics: Iterable[str]) -> None:
        """Route to a step from now on. Raises DuplicateKey."""

    def add_sink(self, step: Step) -> None:
        """Know a step for dead letters: it is reached by its key only. Raises DuplicateKey."""

    def remove(self, step: Step, topics: Iterable[str]) -> None:
        """Route to a step no longer."""

    def active_steps(self) -> list[Step]:
        """Those that events came to, in registration order."""

    def find(self, payload: Payload[Any]) -> list[str]:
        """The keys of the collectors that a payload would go to."""

    def known_topics(self) -> list[str]:
        """All topics that some collector listens to."""

def registration(step: Step) -> int:
    """What routes are sorted by."""
