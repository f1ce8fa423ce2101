"""Which event's code is running: a Scope in a context of its own for each run."""

import contextvars
from typing import Self, final

@final
class Scope:
    """The run of one event, as the code inside its handlers finds it."""

@final
class RunContext:
    """The context of one run after the other, each as good as new."""

    def __new__(cls, base: contextvars.Context) -> Self: ...

def reuse_is_safe() -> bool:
    """Whether this interpreter's contexts behave as the reuse of one needs."""

def is_recognised_entered(context: contextvars.Context, variables: object) -> bool:
    """Whether a context shows what it holds while it is entered, and who owns it."""
