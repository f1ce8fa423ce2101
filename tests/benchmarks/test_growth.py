"""The sweeps are whole before minutes are spent on them."""

from __future__ import annotations

from itertools import pairwise

import pytest

from benchmarks.growth.measure import measure, why_not
from benchmarks.growth.sweep import Sweep
from benchmarks.growth.sweeps import SWEEPS


@pytest.mark.parametrize("sweep", SWEEPS, ids=lambda sweep: sweep.name)
def test_every_point_can_be_measured_or_says_why_not(sweep: Sweep) -> None:
    labels = [entry.label for entry in sweep.case.entries]
    assert len(set(labels)) == len(labels)
    for line in sweep.lines.values():
        assert all(before < after for before, after in pairwise(line))
        for entry in line.values():
            reason = why_not(entry.rival, entry.function, entry.arguments.get("mode"))
            assert reason is None or "cannot be imported" in reason, entry.label


@pytest.mark.parametrize(
    ("function", "arguments"),
    [
        ("bursts", {"events": 200, "mode": "send_nowait", "rounds": 2}),
        ("keyed", {"events": 300, "way": "ordering_key", "keys": 50}),
        ("keyed", {"events": 300, "way": "plain", "keys": 1}),
        ("topical", {"events": 200, "window": 100, "topics": 30}),
        ("fan_out", {"events": 200, "window": 100, "collectors": 3, "mode": "send"}),
        ("sleeping", {"events": 100, "window": 50, "consumers": 50, "sleep_s": 0.0}),
    ],
)
def test_a_point_of_ours_takes_some_time(
    function: str, arguments: dict[str, object]
) -> None:
    """The functions themselves check that all events were handled."""
    shared = {"rounds_per_us": 10.0}
    sample = measure("collectorqueue", function, arguments | shared, "asyncio")
    assert 0 < sample["value"] < 60
