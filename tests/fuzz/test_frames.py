"""The process border under bad bytes, in short; `python -m tests.fuzz frames` takes longer."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collectorqueue import Error
from collectorqueue._native.wire import KIND_NOTE, Reader, pack_frame
from collectorqueue.errors import WorkerLost
from tests.fuzz.benches import BenchFuzzer
from tests.fuzz.border import BorderFuzzer
from tests.fuzz.cuts import ANSWER_BYTES, SENT_BYTES, Cut, CutFuzzer
from tests.fuzz.parts import PARTS
from tests.fuzz.processors import dies_in_its_answer
from tests.fuzz.rounds import Fuzzer, Verdict, Violation, play, unlogged
from tests.fuzz.streams import Stream, StreamFuzzer
from tests.support import both_loops
from tests.workers.support import queue_of

FIXED = settings(derandomize=True, database=None, deadline=None, max_examples=50)


@pytest.mark.slow
@given(
    st.lists(st.tuples(st.just(KIND_NOTE), st.binary(max_size=200)), max_size=5),
    st.data(),
)
@FIXED
def test_frames_come_out_as_they_went_in(
    sent: list[tuple[int, bytes]], data: st.DataObject
) -> None:
    stream = b"".join(pack_frame(*each, number) for number, each in enumerate(sent))
    cut = data.draw(st.integers(0, len(stream)))
    assert (
        StreamFuzzer().check(Stream(sent, [stream[:cut], stream[cut:]]))
        is Verdict.EQUAL
    )
    reader = Reader()
    reader.feed(stream)
    assert [reader.next() for _ in sent] == [(kind, 0, 0, body) for kind, body in sent]


@given(st.binary(max_size=100))
@FIXED
def test_bytes_that_were_no_frame_never_become_one(garbage: bytes) -> None:
    StreamFuzzer().check(Stream([], [b"QCQF" + garbage]))


@pytest.mark.parametrize("fuzzer", [StreamFuzzer, BenchFuzzer])
def test_mutated_frames_are_refused(fuzzer: type[Fuzzer]) -> None:
    tally = play(fuzzer(), seed=1, rounds=range(150))
    assert tally.refused > 50 and tally.equal > 20


@pytest.mark.slow
@pytest.mark.parametrize("part", PARTS)
def test_a_worker_that_goes_wrong_changes_no_result_but_its_own(part: str) -> None:
    fuzzer, tried = BorderFuzzer(), set()
    with unlogged(), fuzzer:
        for number in range(60):
            scene = fuzzer.make(random.Random(number))
            scene.part = part
            tried.add(fuzzer.check(scene))
    assert tried


@pytest.mark.slow
@pytest.mark.parametrize(
    ("of_answer", "size"), [(True, ANSWER_BYTES), (False, SENT_BYTES)]
)
def test_what_came_in_part_is_nothing(of_answer: bool, size: int) -> None:
    with unlogged(), CutFuzzer() as fuzzer:
        for count in [*range(80), *range(80, size, 16), size - 1, size]:
            fuzzer.check(Cut(of_answer, count))


@pytest.mark.slow
@both_loops
async def test_processes_that_die_within_their_answer() -> None:
    async with queue_of(dies_in_its_answer, workers=1) as queue:
        for count in range(0, ANSWER_BYTES, ANSWER_BYTES // 4):
            result = (await queue.publisher.request(count)).first()
            assert isinstance(result, Error) and isinstance(result.err, WorkerLost)
            assert result.err.signal == 9


def test_a_fuzzer_says_what_repeats_its_violation() -> None:
    class Broken(StreamFuzzer):
        def check(self, given: Stream) -> Verdict:
            if len(given.sent) == 3:
                raise Violation("three of them")
            return super().check(given)

    with pytest.raises(
        Violation, match=r"seed 5, round \d+: .*three of them.*\ninput: "
    ):
        play(Broken(), seed=5, rounds=range(50))
