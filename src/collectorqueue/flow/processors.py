"""Processors: what can be told of a function before it is called.

Rules of residence: one function, asked once, when its collector is made.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from collectorqueue.errors import ConfigError

__all__ = ["is_async", "takes_two"]


def is_async(processor: Callable[..., Any]) -> bool:
    """Whether calling it makes a coroutine."""
    return inspect.iscoroutinefunction(processor) or inspect.iscoroutinefunction(
        getattr(processor, "__call__", None)  # noqa: B004 - what would be called
    )


def takes_two(processor: Callable[..., Any]) -> bool:
    """Whether a processor is `(payload, ctx)` and not `(payload)`. Raises ConfigError."""
    try:
        signature = inspect.signature(processor)
    except (TypeError, ValueError):
        return False  # a builtin that does not tell: most take one argument
    for arguments in ((None, None), (None,)):
        try:
            signature.bind(*arguments)
        except TypeError:
            continue
        if len(arguments) == 1:
            return False
        # One required argument and an optional one of another meaning: not a context.
        positional = [
            parameter
            for parameter in signature.parameters.values()
            if parameter.kind
            in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD)
        ]
        if len(positional) < 2:
            return True  # *args takes whatever there is
        second = positional[1]
        return second.default is second.empty or second.name in ("ctx", "context")
    raise ConfigError(
        f"a processor takes (payload) or (payload, ctx), got {processor!r} "
        f"with {signature}"
    )
