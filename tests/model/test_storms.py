"""Storms of all policies together, by seed."""

from __future__ import annotations

import pytest

from tests.model.storm import Storm
from tests.support import virtual


@pytest.mark.parametrize("seeds", [range(at, at + 20) for at in range(0, 200, 20)])
@pytest.mark.slow
@virtual
async def test_promises_hold_in_a_storm(seeds: range) -> None:
    for seed in seeds:
        try:
            await Storm(seed).run()
        except BaseException as exc:
            exc.add_note(f"in the storm of seed {seed}")
            raise
