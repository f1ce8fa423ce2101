"""Each rival handles each event exactly once, in every case that it claims to do."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from benchmarks.cases import CASES
from benchmarks.rivals import NAMES, load, why_not
from benchmarks.rivals import by_future as queues_by_future
from benchmarks.rivals.features import FEATURES

EVENTS, WINDOW = 20, 10
COLLECTORS, TOPICS = 4, 7

POOL: dict[str, Any] = {"window": WINDOW, "consumers": 5}
ROUTE: dict[str, Any] = {"window": WINDOW, "collectors": COLLECTORS, "hot": COLLECTORS}
ARGUMENTS: dict[str, dict[str, Any]] = {
    "windowed": POOL | {"autoscale": True},
    "burst": {},
    "round_trip": {},
    "memory_per_event": {},
    "routed": ROUTE,
    "topical": {"window": WINDOW, "topics": TOPICS},
    "fan_out": {"window": WINDOW, "collectors": COLLECTORS},
    "sleeping": POOL | {"sleep_s": 0.0},
    "responsiveness": {},
}
WITH_MODES = ("windowed", "burst", "round_trip", "routed", "fan_out")
CLAIMS = [(rival, function) for rival in NAMES for function in ARGUMENTS]
# Ours send in a mode or do not, and take `request` for a round trip only.
MODES = {
    "windowed": ("send", "send_nowait", "send_many"),
    "burst": ("send", "send_nowait"),
    "round_trip": ("send", "request"),
    "routed": ("send", "send_nowait"),
    "fan_out": ("send", "plain"),
}


@pytest.fixture
def module(rival: str) -> ModuleType:
    try:
        return load(rival)
    except ImportError as error:
        pytest.skip(f"{rival} is not installed: {error}")


def record_in(
    module: ModuleType, seen: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Have all its handlers note what they handle."""
    numbers = itertools.count()

    def recording(*_: Any) -> Any:
        handler = module.recording(seen)
        handler.__name__ = f"record_{next(numbers)}"
        return handler

    def plain(payload: Any) -> Any:
        seen.append(payload.value)

    makers: dict[str, Callable[..., Any]] = {
        "answer": recording(),
        "plain_answer": plain,
        "sleeping_for": recording,
        "another_answer": recording,
    }
    for place in (module, queues_by_future):
        for name, maker in makers.items():
            if hasattr(place, name):
                monkeypatch.setattr(place, name, maker)


@pytest.mark.parametrize(("rival", "function"), CLAIMS)
def test_each_event_is_handled_exactly_once(
    module: ModuleType, rival: str, function: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if function not in vars(module):
        assert module.LACKS[function], f"{rival} must say why it lacks {function}"
        return
    calls = COLLECTORS if function == "fan_out" else 1
    for mode in modes_of(module, rival, function):
        for by in deliveries_of(rival) if function == "routed" else (None,):
            seen: list[Any] = []
            record_in(module, seen, monkeypatch)
            arguments = {"events": EVENTS} | ARGUMENTS[function]
            if mode is not None:
                arguments["mode"] = mode
            if by is not None:
                arguments["delivery"] = by
            if function == "windowed":
                arguments["handler"] = module.recording(seen)
            asyncio.run(vars(module)[function](**arguments))
            if function == "memory_per_event" and not seen:
                continue  # it looks at what is queued, and some leave it there
            assert Counter(seen) == dict.fromkeys(range(EVENTS), calls), (mode, by)


def modes_of(module: ModuleType, rival: str, function: str) -> tuple[str | None, ...]:
    if function not in WITH_MODES:
        return (None,)
    modes: tuple[str | None, ...] = module.MODES
    return MODES[function] if rival == "collectorqueue" else modes


def deliveries_of(rival: str) -> tuple[str, ...]:
    """Those that the cases ask of it."""
    (case,) = (case for case in CASES if case.name == "routing")
    found = {
        entry.arguments["delivery"]
        for entry in case.entries
        if entry.rival == rival and entry.function == "routed"
    }
    return tuple(sorted(found))


@pytest.mark.parametrize("rival", NAMES)
def test_what_a_rival_is_said_to_do_agrees_with_the_cases_it_does(
    module: ModuleType, rival: str
) -> None:
    features = FEATURES[rival]
    assert all(vars(features).values())
    assert ("routed" in vars(module)) == (features.routing != "no")
    assert ("sleeping" in vars(module)) == (features.several_consumers != "no")
    assert ("round_trip" in vars(module)) == (
        features.results_back != "no" and rival != "floor"
    )
    assert ("memory_per_event" in vars(module)) == (features.bounded != "no queue")


def test_every_entry_of_a_case_is_measured_or_says_why_not() -> None:
    """So that a name that is misspelt shows here, not after minutes of a run."""
    for case in CASES:
        labels = [entry.label for entry in case.entries]
        assert len(set(labels)) == len(labels)
        assert set(case.against) <= set(labels)
        for entry in case.entries:
            reason = why_not(entry.rival, entry.function, entry.arguments.get("mode"))
            assert reason is None or len(reason) > 5
