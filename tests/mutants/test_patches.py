"""The mutants do not rot: each fits the tree as it is, and names a test that there is.

That each is caught is shown by `python -m tests.mutants`, which takes some minutes.
"""

from __future__ import annotations

import re

import pytest

from tests.house.checkout import ROOT, has_test
from tests.mutants.patch import Patch, all_patches

LINES_AT_MOST = 6  # a fault is small, or it is several
ALL = all_patches()


def test_there_are_mutants_each_with_a_number_of_its_own() -> None:
    numbers = [patch.name.split("-")[0] for patch in ALL]
    assert numbers == [f"{number:02}" for number in range(1, len(ALL) + 1)]


@pytest.mark.parametrize("patch", ALL, ids=lambda patch: patch.name)
def test_it_fits_says_what_it_is_and_names_the_test_that_catches_it(patch: Patch) -> None:
    assert re.fullmatch(r"[A-Z].*\.", patch.fault), "a sentence says what the fault is"
    assert patch.caught_by
    assert [test for test in patch.caught_by if not has_test(test)] == []
    assert sum(hunk.changed for hunk in patch.hunks) <= LINES_AT_MOST
    changed = patch.faulty_files(ROOT)
    for file, text in changed.items():
        assert file.relative_to(ROOT).parts[0] in {"cext", "src"}
        assert text != file.read_text(encoding="utf-8")
