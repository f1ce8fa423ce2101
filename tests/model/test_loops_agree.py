"""I17: the same program comes to the same end on every loop."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.model.deeds import Deeds
from tests.model.machine import AT_ONCE, CHOICES, GIVEN, TASKS, TURNS, shapes
from tests.model.reference import Shape

Deed = tuple[str, dict[str, Any], int | None]


def deed(name: str, **arguments: st.SearchStrategy[Any]) -> st.SearchStrategy[Deed]:
    """A deed by its name, what it is done with, and the turns of the loop after it."""
    return st.tuples(st.just(name), st.fixed_dictionaries(arguments), TURNS)


DEEDS = st.one_of(
    deed("send", how=TASKS, count=st.integers(2, 4), terms=AT_ONCE),
    deed("send_nowait", terms=AT_ONCE),
    deed("send_inside", how=st.just("send_nowait"), choice=CHOICES, terms=AT_ONCE),
    deed("answer", choice=CHOICES, answer=st.sampled_from(GIVEN)),
    deed("answer", choice=CHOICES, answer=st.just("value")),
    deed("cancel_event", choice=CHOICES),
    deed("cancel_asking", choice=CHOICES),
    deed("kill_consumer", choice=CHOICES),
    deed("wait_for", choice=CHOICES),
    deed("scale", least=st.just(1), most=st.integers(1, 3)),
    deed("add_collector"),
    deed("remove_collector"),
)


def end_of(loop_kind: str, shape: Shape, deeds: list[Deed]) -> dict[str, Any]:
    """What the program comes to on such a loop."""
    world = Deeds(shape, loop_kind)
    try:
        for name, arguments, turns in deeds:
            arguments = dict(arguments)
            terms = arguments.pop("terms", {})
            getattr(world, name)(**arguments, **terms)
            if turns is None:
                world.rest()
            else:
                world.turn(turns)
        world.end()
        return {
            "started": world.reference.started_numbers,
            "outcomes": {number: item.state for number, item in world.items.items()},
            "ledger": world.queue.ledger,
            "results": {
                number: repr(event.get_result())
                for number, event in world.events.items()
            },
        }
    finally:
        world.give_back()


@pytest.mark.slow
@settings(
    max_examples=40,
    deadline=None,
    database=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
@given(shape=shapes(), deeds=st.lists(DEEDS, min_size=10, max_size=40))
def test_a_program_comes_to_the_same_end_on_every_loop(
    shape: Shape, deeds: list[Deed]
) -> None:
    """The order of the starts, each outcome and result, and the ledger."""
    ends = [end_of(kind, shape, deeds) for kind in ("virtual", "asyncio", "uvloop")]
    assert ends[1] == ends[0]
    assert ends[2] == ends[0]
