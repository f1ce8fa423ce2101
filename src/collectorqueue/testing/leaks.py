"""Leak check: what was there before must be all that is there after."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from collectorqueue.run import loop_factory

__all__ = ["no_leaks"]

PATIENCE_S = 1.0


@contextmanager
def no_leaks() -> Iterator[None]:
    """Raise AssertionError if tasks, threads, open files or child processes are left over.

        with no_leaks():
            asyncio.run(main())

    Threads, files and processes that are about to go have a second for it.
    Inside a running loop its tasks are looked at, too. Files and processes are on Linux only.
    """
    loop_factory("auto")().close()  # libuv's first loop opens a pipe that stays for good
    before = {kind: set(found) for kind, found in present().items()}
    yield
    patience_ends = time.monotonic() + PATIENCE_S
    while (left := left_over(before)) and time.monotonic() < patience_ends:
        if "tasks" in left:
            break  # they cannot go while this waits
        time.sleep(0.005)
    if left:
        raise AssertionError(
            "left over: "
            + "; ".join(
                f"{kind}: {', '.join(sorted(map(str, found)))}"
                for kind, found in left.items()
            )
        )


def left_over(before: dict[str, set[object]]) -> dict[str, set[object]]:
    """What is there now and was not."""
    left = {kind: found - before[kind] for kind, found in present().items()}
    return {kind: found for kind, found in left.items() if found}


def present() -> dict[str, set[object]]:
    """What is there now."""
    try:
        tasks: set[object] = {each for each in asyncio.all_tasks() if not each.done()}
    except RuntimeError:  # no loop runs
        tasks = set()
    return {
        "tasks": tasks,
        "threads": set(threading.enumerate()),
        "files": open_files(),
        "processes": children(),
    }


def open_files() -> set[object]:
    """The numbers of open files, with what they are."""
    found: set[object] = set()
    try:
        numbers = os.listdir("/proc/self/fd")
    except OSError:
        return found
    for number in numbers:
        try:
            found.add(f"{number} ({os.readlink(f'/proc/self/fd/{number}')})")
        except OSError:
            continue  # the folder itself
    return found


def children() -> set[object]:
    """The processes that are this one's children."""
    try:
        with open(f"/proc/self/task/{os.getpid()}/children") as file:
            return set(file.read().split())
    except OSError:
        return set()
