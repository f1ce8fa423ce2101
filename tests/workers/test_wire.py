"""Frames, pages and paths: the pieces of the process border, alone."""

from __future__ import annotations

import mmap
import random
from pathlib import Path

import pytest

from collectorqueue._native.answers import answers_from
from collectorqueue._native.page import Page, bytes_for
from collectorqueue._native.wire import KIND_NOTE, Reader, pack_frame
from collectorqueue.workers.cores import usable_cores
from collectorqueue.workers.encoding import Encoding


def test_frames_come_out_as_they_went_in_however_they_are_cut() -> None:
    bodies = [bytes([n]) * n for n in range(60)]
    stream = b"".join(pack_frame(KIND_NOTE, body, n) for n, body in enumerate(bodies))
    for step in (1, 7, 100, len(stream)):
        reader, found = Reader(), []
        for at in range(0, len(stream), step):
            reader.feed(stream[at : at + step])
            while (frame := reader.next()) is not None:
                found.append(frame[3])
        assert found == bodies


def test_a_frame_cut_anywhere_is_no_frame() -> None:
    frame = pack_frame(KIND_NOTE, b"body" * 1000, 0)
    for length in range(len(frame)):
        reader = Reader()
        reader.feed(bytes(frame[:length]))
        assert reader.next() is None


def test_a_garbled_frame_is_refused() -> None:
    chance = random.Random(5)
    frame = pack_frame(KIND_NOTE, bytes(range(200)), 0)
    for _ in range(20_000):
        garbled = bytearray(frame)
        for _ in range(chance.choice((1, 1, 2, 5))):
            garbled[chance.randrange(len(garbled))] ^= 1 << chance.randrange(8)
        if garbled == frame:
            continue
        reader = Reader()
        reader.feed(bytes(garbled))
        try:
            assert reader.next() is None  # it says that it is longer
        except ValueError:
            continue


def test_every_flipped_bit_is_seen() -> None:
    frame = pack_frame(KIND_NOTE, b"a body of some bytes", 0)
    for bit in range(len(frame) * 8):
        garbled = bytearray(frame)
        garbled[bit // 8] ^= 1 << bit % 8
        reader = Reader()
        reader.feed(bytes(garbled) + bytes(64))
        try:
            assert reader.next() is None
        except ValueError:
            continue


def test_a_garbled_head_is_refused_before_its_body_is_there() -> None:
    frame = pack_frame(KIND_NOTE, b"body", 0)
    for at in range(4, 32):
        reader, garbled = Reader(), bytearray(frame)
        garbled[at] ^= 0x40
        reader.feed(bytes(garbled[:32]))
        with pytest.raises(ValueError, match="not a frame"):
            reader.next()


def test_a_late_frame_is_refused() -> None:
    reader = Reader()
    reader.feed(bytes(pack_frame(KIND_NOTE, b"", 0) + pack_frame(KIND_NOTE, b"", 0)))
    assert reader.next() is not None
    with pytest.raises(ValueError, match="frame 1 was due, got 0"):
        reader.next()


def test_a_page_is_made_once_and_opened_by_the_other_side() -> None:
    memory = mmap.mmap(-1, bytes_for(4096))
    with pytest.raises(ValueError, match="not a worker's page"):
        Page(memory, fresh=False)
    page = Page(memory, fresh=True)
    other = Page(memory, fresh=False)
    other.tell(5, 6, 7)
    assert page.told == (5, 6, 7) and page.store_bytes == 4096
    with pytest.raises(ValueError, match="a page needs"):
        Page(mmap.mmap(-1, 4096), fresh=True)


@pytest.mark.parametrize(
    "said",
    [None, 5, "text", {}, [None], [[]], [[0]], [[1, 2, 3, 4, 5, 6]], [(0, 1)], [[0, 1, 2]],
     [[1, "type", "text", None, {}, False]]],
)  # fmt: skip
def test_results_of_a_batch_that_mean_nothing_are_refused(said: object) -> None:
    with pytest.raises(ValueError, match="the results of a batch cannot be understood"):
        answers_from(said)


def test_what_cannot_be_encoded_is_named_with_its_path() -> None:
    encoding = Encoding()
    for value, path, name in [
        (object(), "$", "object"),
        ({"a": [1, {2: {3, 1j}}]}, "$.a[1][2]", "complex"),
        ({1j: 1}, "$.key(1j)", "complex"),
        ([2**80], "$[0]", "int"),
    ]:
        try:
            encoding.encode_into(value, bytearray())
        except Exception as error:
            found = encoding.explain(value, error)
            assert found.path.startswith(path) and found.type_name == name
        else:
            raise AssertionError(f"{value!r} was encoded")


@pytest.mark.parametrize(
    ("own", "files", "cores"),
    [
        ("0::/a/b\n", {"a/cpu.max": "50000 100000\n", "a/b/cpu.max": "max 100000\n"}, 1),
        ("0::/\n", {"cpu.max": "150000 100000\n"}, 2),
        ("0::/\n", {}, None),
        ("4:cpu,cpuacct:/x\n",
         {"cpu/x/cpu.cfs_quota_us": "100000", "cpu/x/cpu.cfs_period_us": "100000"}, 1),
        ("4:cpu,cpuacct:/\n",
         {"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, None),
    ],
)  # fmt: skip
def test_the_quota_of_a_control_group_counts(
    tmp_path: Path, own: str, files: dict[str, str], cores: int | None
) -> None:
    for name, text in files.items():
        file = tmp_path / "groups" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    (tmp_path / "own").write_text(own)
    without = usable_cores(tmp_path / "none", tmp_path / "none")
    found = usable_cores(tmp_path / "groups", tmp_path / "own")
    assert found == (without if cores is None else min(cores, without))
