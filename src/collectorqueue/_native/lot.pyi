"""A batch that a worker is handed."""

from typing import Any, final

from collectorqueue._native.errand import Errand
from collectorqueue._native.payload import Payload

@final
class Lot(Errand):
    """One batch, at a worker or on its way there."""

def wire_of(payloads: list[Payload[Any]], trigger: str) -> Payload[Any]:
    """Many payloads as the value of one: why they were handed over, and each of them."""
