"""The soak, in short; `python -m tests.faults.kill_workers` is the long one."""

from __future__ import annotations

import pytest

from tests.faults.kill_workers import soak
from tests.support import both_loops


@pytest.mark.slow
@both_loops
@pytest.mark.parametrize("idempotent", [False, True])
async def test_kills_at_random_moments_lose_double_and_hang_nothing(
    idempotent: bool,
) -> None:
    found = await soak(30, idempotent=idempotent, seed=7)
    assert found.is_good, found
    if idempotent:
        assert found.lost == 0
