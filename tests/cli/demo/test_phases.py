"""How the tree is shared out among the phases."""

from __future__ import annotations

import pytest

from collectorqueue.cli.demo.phases import PHASES, Phase, shares
from collectorqueue.cli.demo.sources import Found


def files(*sizes: int) -> list[Found]:
    return [Found(str(n), str(n), size) for n, size in enumerate(sizes)]


def sizes(parts: list[list[Found]]) -> list[list[int]]:
    return [[found.size_bytes for found in part] for part in parts]


def test_the_phases_are_named_as_they_go() -> None:
    assert [phase.name for phase in PHASES] == ["calm", "burst", "failing"]


def test_the_shares_of_the_phases_are_the_whole() -> None:
    assert sum(phase.share for phase in PHASES) == pytest.approx(1)


def test_each_phase_gets_its_share_of_the_bytes_in_order() -> None:
    phases = [Phase("a", "", 0.25), Phase("b", "", 0.75)]
    assert sizes(shares(files(10, 15, 50, 25), phases)) == [[10, 15], [50, 25]]


@pytest.mark.parametrize("given", [[], [7], [0, 0, 0], [1, 1_000_000, 1], [3] * 100])
def test_every_file_is_in_exactly_one_phase(given: list[int]) -> None:
    parts = shares(files(*given), PHASES)
    assert len(parts) == len(PHASES)
    assert [found for part in parts for found in part] == files(*given)
