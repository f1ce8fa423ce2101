"""Where the batches of one collector fill."""

from collections.abc import Callable, Iterable
from typing import Any, Self, final

from collectorqueue._native.core import Core
from collectorqueue._native.gate import Gate
from collectorqueue._native.holders import Bundle, Holder
from collectorqueue._native.payload import Payload
from collectorqueue._native.plan import Step

class Payloads(list[Payload[Any]]):
    """What a collector with a `batch` is given; `trigger` says why it was handed over."""

    trigger: str
    def __init__(
        self, payloads: Iterable[Payload[Any]] = (), trigger: str = "flush"
    ) -> None: ...

@final
class Batching(Holder):
    """The batches of one collector that fill."""

    def __new__(
        cls,
        core: Core,
        step: Step,
        *,
        size: int,
        wait: float,
        most_bytes: int,
        measure: Callable[[Any], int],
        by: Callable[[Payload[Any]], Any] | None,
        gate: Gate | None = None,
    ) -> Self: ...
    @property
    def gate(self) -> Gate | None:
        """Of whole batches."""

@final
class Batched(Bundle):
    """One batch."""

    @property
    def trigger(self) -> str:
        """Why it was closed."""

def values_of(value: object, count: int) -> list[Any]:
    """What each of so many events gets of a batch's answer: a list has one for each.

    Raises ValueError for a list of another length.
    """
