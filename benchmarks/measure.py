"""One measurement, in a process of its own: `python -m benchmarks.measure JSON`.

Reads what to do as one JSON object, prints the sample as one JSON line. Before the
clock starts, a short run with a recording handler shows that each event is handled
exactly once; it also warms the interpreter up, for all rivals alike.
"""

from __future__ import annotations

import asyncio
import json
import math
import sys
from collections.abc import Coroutine
from types import ModuleType
from typing import Any

from benchmarks.rivals import load

__all__ = ["measure", "run_on_loop"]

REHEARSED = 500  # events


def measure(rival: str, function: str, arguments: dict[str, Any], loop: str) -> Any:
    """What the rival's function returns; a dict with `value` and what else there is."""
    module = load(rival)
    if function == "windowed":
        _rehearse(module, arguments, loop)
    value = run_on_loop(vars(module)[function](**arguments), loop)
    if isinstance(value, list):
        lags = sorted(value)
        at = math.ceil(0.99 * len(lags)) - 1
        return {"value": lags[at], "worst": lags[-1], "ticks": len(lags)}
    return {"value": value}


def _rehearse(module: ModuleType, arguments: dict[str, Any], loop: str) -> None:
    seen: list[int] = []
    if "recording" not in vars(module):
        raise TypeError(f"{module.__name__} must have recording()")
    handler = module.recording(seen)
    short = arguments | {"events": REHEARSED}
    run_on_loop(module.windowed(**short, handler=handler), loop)
    if sorted(seen) != list(range(REHEARSED)):
        raise AssertionError(f"{module.__name__} did not handle each event once")


def run_on_loop(main: Coroutine[Any, Any, Any], loop: str) -> Any:
    """What a coroutine returns, run on one of the loops."""
    if loop == "asyncio":
        return asyncio.run(main)
    import uvloop  # not there on every platform

    return uvloop.run(main)


if __name__ == "__main__":
    print(json.dumps(measure(**json.loads(sys.argv[1]))))
