"""Long runs, of the machine and of storms, from seeds that are told.

Rules of residence: counting, and saying how to see a violation again.
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable

import msgspec
from hypothesis import HealthCheck, Phase, Verbosity, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.model.machine import Machine, RealTimeMachine
from tests.model.storm import Storm
from tests.support import run_virtual

__all__ = ["Report", "machine_on", "run_machine", "run_storms", "settings_of"]

PROGRAM_STEPS = 50  # rules of one program, at most
CHUNK_PROGRAMS = (
    100  # with one seed of hypothesis: what a violation takes to be found again
)


class Report(msgspec.Struct):
    """What came of a run."""

    steps: int = 0
    """Rules that were carried out, those of shrinking not among them."""
    programs: int = 0
    """Queues that they were done to."""
    violations: int = 0
    seconds: float = 0.0


def settings_of(programs: int) -> settings:
    """How hypothesis runs so many programs."""
    return settings(
        max_examples=programs,
        stateful_step_count=PROGRAM_STEPS,
        deadline=None,
        database=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
        print_blob=False,
        verbosity=Verbosity.normal,
    )


def machine_on(loop_kind: str) -> type[RealTimeMachine]:
    """A machine of its own, which counts its own steps."""
    base = Machine if loop_kind == "virtual" else RealTimeMachine
    made: type[RealTimeMachine] = type(base.__name__, (base,), {"loop_kind": loop_kind})
    return made


def run_machine(
    steps: int, first_seed: int, loop_kind: str, say: Callable[[str], None]
) -> Report:
    """Run programs until there were so many steps, or three chunks with a violation."""
    report, begun, at = Report(), time.monotonic(), first_seed
    while report.steps < steps and report.violations < 3:
        machine = machine_on(loop_kind)
        try:
            run_state_machine_as_test(
                seed(at)(machine), settings=settings_of(CHUNK_PROGRAMS)
            )
        except Exception:
            report.violations += 1
            say(traceback.format_exc())
            say(
                "to see it again: python -m tests.model "
                f"--seed {at} --steps 1 --loop {loop_kind}"
            )
        report.steps += machine.steps
        report.programs += machine.programs
        at += 1
        report.seconds = time.monotonic() - begun
        say(
            f"{report.steps} steps, {report.programs} programs, "
            f"{report.violations} violations, seeds {first_seed} to {at - 1}, "
            f"{report.seconds:.0f} s"
        )
    return report


def run_storms(first: int, end: int, say: Callable[[str], None]) -> int:
    """Run the storms of these seeds; returns in how many a promise was broken."""
    broken, begun = 0, time.monotonic()
    for at in range(first, end):
        try:
            run_virtual(Storm(at).run())
        except Exception:
            broken += 1
            say(traceback.format_exc())
            say(f"to see it again: python -m tests.model storms --seeds {at}..{at + 1}")
        if (at + 1 - first) % 100 == 0 or at + 1 == end:
            seconds = time.monotonic() - begun
            say(f"{at + 1 - first} storms, {broken} broken, {seconds:.0f} s")
    return broken
