"""Waiting until everything accepted so far has ended: `publisher.wait()`."""

import asyncio
from typing import Literal, Self, final

from collectorqueue._native.event import CollectorEvent

@final
class Barrier:
    """One number up to which everything must end."""

@final
class Barriers:
    """All waits from outside of handlers, oldest first."""

@final
class Members:
    """The events one wait inside a handler is for; stands among their waiters."""

    def __new__(cls, loop: asyncio.AbstractEventLoop, owner: object) -> Self: ...

@final
class Member:
    """One of them, in the place of a future that waits for the event."""

    def __new__(cls, members: Members, event: CollectorEvent) -> Self: ...
    def done(self) -> Literal[False]: ...
    def set_result(self, _: object) -> None: ...
