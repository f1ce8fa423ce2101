"""What the commands of the soak share: their options, the loop, the verdict."""

from __future__ import annotations

import argparse
import logging
import random
from collections.abc import Coroutine, Sequence
from typing import Any, TypeVar

import collectorqueue
from benchmarks.harness.machine import commit, load_average, machine

__all__ = ["conclude", "parser_of", "run_quietly", "setting"]

T = TypeVar("T")
PROGRAM = "python -m benchmarks.soak"


def parser_of(name: str, about: str | None) -> argparse.ArgumentParser:
    """A parser with what all of them take."""
    parser = argparse.ArgumentParser(
        prog=f"{PROGRAM} {name}".rstrip(),
        description=about,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--seed", type=int, default=random.randrange(2**31), help="of all chance"
    )
    parser.add_argument(
        "--loop", choices=["uvloop", "asyncio"], default="uvloop", help="(uvloop)"
    )
    return parser


def run_quietly(main: Coroutine[Any, Any, T], loop: str) -> T:
    """Run it; what the library logs is made, and not shown."""
    logger = logging.getLogger("collectorqueue")
    silent = logging.NullHandler()
    propagated, logger.propagate = logger.propagate, False
    logger.addHandler(silent)
    try:
        return collectorqueue.run(main, loop=loop)
    finally:
        logger.removeHandler(silent)
        logger.propagate = propagated


def setting(options: argparse.Namespace) -> dict[str, Any]:
    """What a result needs beside it."""
    return {
        **{name: value for name, value in vars(options).items() if name != "json"},
        **machine(),
        **commit(),
        "load_average": load_average(),
    }


def conclude(
    name: str, arguments: Sequence[str], seed: int, problems: Sequence[str]
) -> int:
    """Print what failed and the command that repeats it; the exit code."""
    if not problems:
        return 0
    for problem in problems:
        print(f"FAILED: {problem}")
    words = [PROGRAM, name, *arguments]
    if "--seed" not in arguments and not any(
        each.startswith("--seed=") for each in arguments
    ):
        words += ["--seed", str(seed)]
    print("repeat with: " + " ".join(filter(None, words)))
    return 1
