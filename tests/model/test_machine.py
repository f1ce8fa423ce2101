"""The whole queue against the reference, step by step, as hypothesis chooses."""

from __future__ import annotations

import pytest
from hypothesis.stateful import run_state_machine_as_test

from collectorqueue.testing import no_leaks
from tests.model.nightly import machine_on, settings_of


@pytest.mark.slow
@pytest.mark.parametrize(
    ("loop_kind", "programs", "steps"),
    [("virtual", 160, 5_000), ("asyncio", 16, 400), ("uvloop", 16, 400)],
)
def test_the_queue_does_what_the_reference_does(
    loop_kind: str, programs: int, steps: int
) -> None:
    """The same programs each time; other ones by `python -m tests.model`."""
    machine = machine_on(loop_kind)
    with no_leaks():
        run_state_machine_as_test(
            machine, settings=settings_of(programs, derandomize=True)
        )
    assert machine.steps >= steps
