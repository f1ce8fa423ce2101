"""The README promises only what a test or a benchmark in this tree shows."""

from __future__ import annotations

import re
from itertools import takewhile
from pathlib import Path

import pytest

from tests.house.checkout import ROOT

README = ROOT / "README.md"
LINK = re.compile(r"\[(?P<text>[^\]]+)\]\((?P<target>[^)\s]+)\)")
PROOF = ("tests/", "benchmarks/")
TEST_NAME = re.compile(r"\btest_\w+(?!\w*\.py)\b")


def local_links(text: str) -> list[tuple[str, str]]:
    return [
        (match["text"], match["target"].partition("#")[0])
        for match in LINK.finditer(text)
        if "://" not in match["target"] and not match["target"].startswith("#")
    ]


def promise_rows() -> list[str]:
    """The rows of the table whose first column is headed `promise`."""
    lines = README.read_text(encoding="utf-8").splitlines()
    heads = (at for at, line in enumerate(lines) if line.startswith("| promise"))
    below_rule = next(heads, len(lines)) + 2
    return list(takewhile(lambda line: line.startswith("|"), lines[below_rule:]))


def test_every_link_into_this_tree_leads_somewhere() -> None:
    text = README.read_text(encoding="utf-8")
    broken = [path for _, path in local_links(text) if not (ROOT / path).exists()]
    assert not broken


def test_every_promise_is_linked_to_what_shows_it() -> None:
    rows = promise_rows()
    assert rows, "the README has no table headed `| promise`"
    unproven = [
        row
        for row in rows
        if not any(path.startswith(PROOF) for _, path in local_links(row))
    ]
    assert not unproven, "\n".join(unproven)


def test_a_test_that_the_readme_names_is_in_the_file_it_links_to() -> None:
    missing = [
        f"{name} is not in {path}"
        for text, path in local_links(README.read_text(encoding="utf-8"))
        if path.endswith(".py")
        for name in TEST_NAME.findall(text)
        if name != Path(path).stem and f"def {name}(" not in (ROOT / path).read_text()
    ]
    assert not missing, "\n".join(missing)


@pytest.mark.parametrize("mark", ["main job", "test command"])
def test_the_command_lines_that_ci_runs_are_marked(mark: str) -> None:
    """`.ci/run` takes them from here: they cannot drift apart."""
    text = README.read_text(encoding="utf-8")
    block = re.search(rf"^<!-- {mark} -->\s*\n```\w*\n(.+?)\n```", text, re.M | re.S)
    assert block, f"no fenced block below <!-- {mark} -->"
