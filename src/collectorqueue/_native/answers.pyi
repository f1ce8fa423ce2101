"""What a worker has answered, read."""

from collections.abc import Callable
from typing import Any, Self, final

from collectorqueue._native.results import Error, Ok

@final
class Answers:
    """Reads them; with `decode(data)`. What is whole but no value here, such as a dict with
    keys that have no hash, is a failure that `undecodable(error)` describes; in a batch,
    which `decode_apart(data)` reads, it is one of a few."""

    def __new__(
        cls,
        *,
        decode: Callable[[bytes], Any],
        decode_apart: Callable[[bytes], list[Any]],
        undecodable: Callable[[Exception], list[Any]],
    ) -> Self: ...

def answers_from(said: Any) -> list[Ok[Any] | Error]:
    """What a worker made of a batch: the result of each. Raises ValueError for nonsense."""
