"""What the tests of the delivery policies share."""

from __future__ import annotations

import asyncio
from typing import Any

from collectorqueue import Payload

__all__ = ["Clocked", "Flaky"]


class Clocked:
    """A handler that takes some time, and remembers when it ran with what."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.seconds = seconds
        self.begun: list[tuple[float, Any]] = []
        self.running = 0
        self.most = 0

    async def __call__(self, payload: Payload[Any]) -> Any:
        loop = asyncio.get_running_loop()
        self.begun.append((round(loop.time() - 1000, 6), payload.value))
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            await asyncio.sleep(self.seconds)
        finally:
            self.running -= 1
        return payload.value

    @property
    def values(self) -> list[Any]:
        return [value for _, value in self.begun]

    @property
    def times(self) -> list[float]:
        return [time for time, _ in self.begun]


class Flaky:
    """A handler that raises the first `failures` times it is called with a value."""

    def __init__(self, failures: int, error: type[BaseException] = ValueError) -> None:
        self.failures = failures
        self.error = error
        self.calls: list[Any] = []
        self.times: list[float] = []

    async def __call__(self, payload: Payload[Any]) -> Any:
        self.calls.append(payload.value)
        self.times.append(round(asyncio.get_running_loop().time() - 1000, 6))
        if self.calls.count(payload.value) <= self.failures:
            raise self.error(f"{payload.value} failed")
        return payload.value
