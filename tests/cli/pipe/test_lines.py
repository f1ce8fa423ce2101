"""Chunks of bytes to numbered lines."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from collectorqueue.cli.pipe.lines import LineSplitter


def split(*chunks: bytes, limit_bytes: int = 100) -> list[tuple[int, bytes | None]]:
    splitter = LineSplitter(limit_bytes)
    lines = [line for chunk in chunks for line in splitter.feed(chunk)]
    return [*lines, *splitter.finish()]


@given(st.lists(st.lists(st.sampled_from([b"a", b"bb", b"\n"])).map(b"".join)))
def test_lines_are_the_same_however_the_bytes_are_cut(chunks: list[bytes]) -> None:
    data = b"".join(chunks)
    expected = data.split(b"\n")
    if not expected[-1]:
        expected.pop()
    assert split(*chunks) == list(enumerate(expected, start=1))


def test_a_line_over_the_limit_is_none_and_has_its_number() -> None:
    assert split(b"a\n12345", b"6789\nb\n", limit_bytes=8) == [
        (1, b"a"), (2, None), (3, b"b"),
    ]  # fmt: skip


def test_a_line_at_the_limit_is_whole() -> None:
    assert split(b"1234", b"5678", limit_bytes=8) == [(1, b"12345678")]


def test_of_a_line_over_the_limit_nothing_is_kept() -> None:
    splitter = LineSplitter(limit_bytes=8)
    for _ in range(1000):
        assert list(splitter.feed(b"x" * 100)) == []
        assert splitter._parts == []
    assert list(splitter.finish()) == [(1, None)]
