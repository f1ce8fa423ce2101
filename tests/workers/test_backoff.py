"""Starts that fail are not tried again in a hot loop."""

from __future__ import annotations

import asyncio
import contextvars
import itertools

import pytest

from collectorqueue.workers.backoff import BackOff
from tests.support import virtual


@virtual
async def test_the_wait_between_starts_that_fail_doubles_up_to_five_seconds() -> None:
    loop = asyncio.get_running_loop()
    times = [loop.time()]

    def fail_again() -> None:
        times.append(loop.time())
        if len(times) < 10:
            back_off.note_failure("on purpose")

    back_off = BackOff(loop, contextvars.copy_context(), fail_again)
    back_off.note_failure("on purpose")
    await asyncio.sleep(60)
    waits = [after - before for before, after in itertools.pairwise(times)]
    assert waits == pytest.approx([0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5, 5, 5])
    assert back_off.failed == 9
    back_off.note_success(0.1)
    back_off.note_failure("once more")
    await asyncio.sleep(0.2)
    assert times[-1] - times[-2] > 1 and len(times) == 11
