"""The whole queue against the reference, step by step, as hypothesis chooses."""

from __future__ import annotations

import pytest
from hypothesis import seed
from hypothesis.stateful import run_state_machine_as_test

from collectorqueue.testing import no_leaks
from tests.model.nightly import machine_on, settings_of

STEPS_IN_ALL = 5_000
PARTS = 5


def run(loop_kind: str, programs: int, first_seed: int) -> int:
    """Run programs; returns how many steps there were."""
    machine = machine_on(loop_kind)
    with no_leaks():
        run_state_machine_as_test(
            seed(first_seed)(machine), settings=settings_of(programs)
        )
    return machine.steps


@pytest.mark.slow
@pytest.mark.usefixtures("small_heap")
@pytest.mark.parametrize("part", range(PARTS))
def test_the_queue_does_what_the_reference_does(part: int) -> None:
    """The same programs each time; other ones by `python -m tests.model`."""
    assert run("virtual", 34, part) >= STEPS_IN_ALL / PARTS


@pytest.mark.slow
@pytest.mark.usefixtures("small_heap")
@pytest.mark.parametrize("loop_kind", ["asyncio", "uvloop"])
def test_so_it_does_in_real_time(loop_kind: str) -> None:
    assert run(loop_kind, 20, 0) >= 300
