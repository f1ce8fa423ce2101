"""The catalogue of faults is whole, and what it names is there."""

from __future__ import annotations

import pytest

from tests.faults.catalogue import CATALOGUE, ROWS, Row
from tests.house.checkout import has_test


def test_no_row_is_missing() -> None:
    rows = [f"{letter}{at + 1}" for letter, rows in ROWS.items() for at in range(rows)]
    assert list(CATALOGUE) == rows


@pytest.mark.parametrize("row", CATALOGUE.values(), ids=CATALOGUE.keys())
def test_a_row_names_tests_that_are_there_or_says_why_there_is_none(row: Row) -> None:
    assert row.fault
    assert bool(row.tests) != bool(row.why_none)
    assert [test for test in row.tests if not has_test(f"tests/{test}")] == []
