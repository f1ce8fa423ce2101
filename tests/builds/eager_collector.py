"""A plugin for pytest: the garbage collector runs whenever it can."""

import gc

import pytest

gc.set_threshold(1)

# A collection for each object of theirs would take hours.
TOO_MANY = (
    "test_no_reference_is_gained_by_a_million_events",
    "test_a_chain_of_events_is_freed_too",
    "test_ten_thousand_failures_that_are_kept_weigh_little",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.name.startswith(TOO_MANY):
            item.add_marker(pytest.mark.skip("it makes too many objects to collect at each"))
