"""Arguments of the commands, in short; `python -m tests.fuzz arguments` is the long one."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz.arguments import FLAGS, PATHS, VALUED, WORDS, ArgumentFuzzer
from tests.fuzz.rounds import Verdict, play, unlogged

pytestmark = pytest.mark.slow  # the folder's index is made first

ARGUMENTS = st.lists(
    st.sampled_from((*FLAGS, *VALUED, *PATHS, *WORDS)) | st.text(max_size=8), max_size=6
)


@pytest.fixture(scope="module")
def fuzzer() -> Iterator[ArgumentFuzzer]:
    with unlogged(), ArgumentFuzzer() as fuzzer:
        yield fuzzer


@given(arguments=ARGUMENTS)
@settings(derandomize=True, database=None, deadline=None, max_examples=50)
def test_a_search_for_anything(fuzzer: ArgumentFuzzer, arguments: list[str]) -> None:
    without_nul = [
        each.replace("\x00", "") for each in arguments
    ]  # no shell can say it
    fuzzer.check(["demo", "--find", "os", "--out", "index.sqlite", *without_nul])
    fuzzer.check(["pipe", *without_nul])


@pytest.mark.parametrize("word", WORDS)
def test_a_search_for_odd_words(fuzzer: ArgumentFuzzer, word: str) -> None:
    verdict = fuzzer.check(["demo", f"--find={word}", "--out", "index.sqlite"])
    # Up to Python 3.12 argparse takes `--find=--` for `--find` without anything.
    is_lost = word == "--" and sys.version_info < (3, 13)
    assert verdict is (Verdict.EQUAL if word and not is_lost else Verdict.REFUSED)


def test_numbers_beyond_all_bounds(fuzzer: ArgumentFuzzer) -> None:
    begun = ["demo", "tree", "--json", "--out", "index.sqlite"]
    assert fuzzer.check([*begun, "--max-files", "9" * 30]) is Verdict.EQUAL
    assert fuzzer.check([*begun, "--max-files", "9" * 5000]) is Verdict.REFUSED
    assert fuzzer.check([*begun, "--seconds", "9" * 30]) is Verdict.EQUAL


def test_names_that_no_file_can_have(fuzzer: ArgumentFuzzer) -> None:
    assert fuzzer.check(["demo", "x" * 300]) is Verdict.REFUSED
    assert fuzzer.check(["demo", "tree", "--out", "x" * 300]) is Verdict.REFUSED
    assert fuzzer.check(["demo", "\ud800"]) is Verdict.REFUSED
    assert fuzzer.check(["demo", "tree", "--out", "\ud800"]) is Verdict.REFUSED


def test_random_arguments() -> None:
    tally = play(ArgumentFuzzer(), seed=1, rounds=range(60))
    assert tally.refused > 30 and tally.equal > 5
