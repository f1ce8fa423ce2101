"""Which of the waiting events to give up first, when one must go."""

from typing import Self, final

@final
class Worst:
    """The longest waiting first; by priority, of those that are least urgent."""

    def __new__(cls, by_priority: bool, default_priority: int, places: int) -> Self: ...
