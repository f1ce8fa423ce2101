"""Rounds played in a process of their own, which may crash, hang or eat the memory.

Rules of residence: a child, what is to be seen of it from outside, and the verdict on it.
"""

from __future__ import annotations

import itertools
import mmap
import os
import signal
import struct
import time
import traceback
from collections.abc import Callable, Iterator
from typing import NoReturn

from tests.fuzz.rounds import Fuzzer, Tally, Violation, chance_of, play

__all__ = ["watch"]

SEEN = struct.Struct("<qqqq")  # the round that is played, and the counts before it
LOOK_S = 0.05
HUNG_S = 60.0  # in one round
MEMORY_AT_MOST_KIB = 1024 * 1024  # several times what any of them takes


def watch(
    make: Callable[[], Fuzzer], seed: int, seconds: float, first: int = 0
) -> tuple[Tally, str]:
    """Play for so long: the counts, and what repeats a violation, if there was one."""
    seen = mmap.mmap(-1, SEEN.size)
    pid = os.fork()
    if pid == 0:
        _play(make, seed, seconds, first, seen)
    status, memory_kib = _until_it_ends(pid, seen)
    number, tried, refused, equal = SEEN.unpack_from(seen)
    tally = Tally(tried, refused, equal)
    if os.WIFSIGNALED(status):
        what = f"it ended by {signal.Signals(os.WTERMSIG(status)).name}"
        given = make().make(chance_of(seed, number))
        return tally, f"seed {seed}, round {number}: {what}\ninput: {given!r}"
    if status:
        return tally, "see above"
    if memory_kib > MEMORY_AT_MOST_KIB:
        return tally, f"seed {seed}: it took {memory_kib} KiB of memory"
    return tally, ""


def _play(
    make: Callable[[], Fuzzer], seed: int, seconds: float, first: int, seen: mmap.mmap
) -> NoReturn:
    def note(number: int, tally: Tally) -> None:
        SEEN.pack_into(seen, 0, number, tally.tried, tally.refused, tally.equal)

    code = 1
    try:
        tally = play(make(), seed, rounds_for(seconds, first), note)
        note(first + tally.tried, tally)
        code = 0
    except Violation as violation:
        print(violation, flush=True)
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def rounds_for(seconds: float, first: int) -> Iterator[int]:
    """Numbers of rounds, until the time is over."""
    end = time.monotonic() + seconds
    return itertools.takewhile(lambda _: time.monotonic() < end, itertools.count(first))


def _until_it_ends(pid: int, seen: mmap.mmap) -> tuple[int, int]:
    """How it ended, and the most memory that it had; it is killed if a round hangs."""
    number, since = -1, time.monotonic()
    while True:
        ended, status, usage = os.wait4(pid, os.WNOHANG)
        if ended:
            return status, usage.ru_maxrss
        if (now := SEEN.unpack_from(seen)[0]) != number:
            number, since = now, time.monotonic()
        elif time.monotonic() - since > HUNG_S:
            os.kill(pid, signal.SIGKILL)
        time.sleep(LOOK_S)
