"""Lines through a queue: order, bounds, failures and endings."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import json
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from collectorqueue import CollectorQueue, Context, Payload
from collectorqueue.cli.errors import CommandError
from collectorqueue.cli.pipe.blocking import line_writer, write_all
from collectorqueue.cli.pipe.carrying import WINDOW, Carrying
from collectorqueue.cli.pipe.lines import LineSplitter
from tests.support import Gate, both_loops


class Ends:
    """An input that the test writes to, and an output that it reads."""

    def __init__(self, folder: Path) -> None:
        source, feed = os.pipe()
        self._path = folder / "results"
        self.source = os.fdopen(source, "rb", buffering=0)
        self._feed = os.fdopen(feed, "wb", buffering=0)
        self.sink = self._path.open("wb", buffering=0)
        self.complaints: list[str] = []

    def write(self, *lines: object) -> None:
        for line in lines:
            data = line if isinstance(line, bytes) else json.dumps(line).encode()
            self._feed.write(data + b"\n")

    def end(self) -> None:
        self._feed.close()

    def start(self, queue: CollectorQueue, *, ordered: bool = False) -> Carrying:
        return Carrying(queue, ordered, self.complaints.append)

    async def carry(self, queue: CollectorQueue, *, ordered: bool = False) -> Carrying:
        """Carry what has been written, to the end."""
        self.end()
        carrying = self.start(queue, ordered=ordered)
        await carrying.run(self.source.fileno(), self.sink.fileno())
        return carrying

    def results(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self._path.read_bytes().splitlines()]

    def close(self) -> None:
        self._feed.close()
        # One that was about to read would read the next test's file, of the same number.
        for thread in threading.enumerate():
            if thread.name in ("collectorqueue input", "collectorqueue output"):
                thread.join()
        self.source.close()
        self.sink.close()


@pytest.fixture
def ends(tmp_path: Path) -> Iterator[Ends]:
    ends = Ends(tmp_path)
    yield ends
    ends.close()


def doubling(**options: Any) -> CollectorQueue:
    queue = CollectorQueue(**options)

    @queue.collector(topics="double")
    def double(payload: Payload[Any]) -> Any:
        return payload.value * 2

    return queue


async def eventually(claim: Callable[[], Any]) -> None:
    """Until a thread has done its part."""
    async with asyncio.timeout(10):
        while not claim():
            await asyncio.sleep(0.001)


# -- results ----------------------------------------------------------------------


@both_loops
async def test_every_event_is_one_line(ends: Ends) -> None:
    ends.write(*({"value": number} for number in range(300)))
    carrying = await ends.carry(doubling())
    assert sorted(each["line"] for each in ends.results()) == list(range(1, 301))
    for each in ends.results():
        value = 2 * (each["line"] - 1)
        assert each["results"] == [{"collector": "double", "ok": value}]
    assert (carrying.well, carrying.failed, carrying.malformed) == (300, 0, 0)


@both_loops
async def test_a_result_is_written_while_the_input_is_still_open(ends: Ends) -> None:
    async with asyncio.TaskGroup() as group:
        carrying = ends.start(doubling())
        group.create_task(carrying.run(ends.source.fileno(), ends.sink.fileno()))
        ends.write({"value": 1})
        await eventually(ends.results)
        ends.write({"value": 2})
        await eventually(lambda: len(ends.results()) == 2)
        ends.end()


def slow_first(gate: Gate) -> CollectorQueue:
    queue = doubling()
    queue.collector("gate", topics="gate")(gate)
    return queue


@both_loops
async def test_results_come_as_events_end(ends: Ends) -> None:
    gate = Gate()
    async with asyncio.TaskGroup() as group:
        carrying = ends.start(slow_first(gate))
        group.create_task(carrying.run(ends.source.fileno(), ends.sink.fileno()))
        ends.write({"value": 1, "topics": "gate"}, {"value": 2, "topics": "double"})
        await eventually(ends.results)
        gate.open()
        ends.end()
    assert [each["line"] for each in ends.results()] == [2, 1]


@both_loops
async def test_ordered_results_come_in_the_order_of_the_lines(ends: Ends) -> None:
    gate = Gate()
    async with asyncio.TaskGroup() as group:
        carrying = ends.start(slow_first(gate), ordered=True)
        group.create_task(carrying.run(ends.source.fileno(), ends.sink.fileno()))
        ends.write({"value": 1, "topics": "gate"})
        ends.write(*({"value": n, "topics": "double"} for n in range(50)))
        ends.write(b"malformed")
        await eventually(lambda: carrying.well == 50)
        assert ends.results() == []
        gate.open()
        ends.end()
    assert [each["line"] for each in ends.results()] == list(range(1, 52))


@both_loops
async def test_no_more_lines_than_the_window_are_under_way(ends: Ends) -> None:
    """Memory is bounded: the rest of the input stays unread."""
    gate = Gate()
    queue = CollectorQueue(max_consumers=1, capacity=10 * WINDOW)
    queue.collector("gate")(gate)
    async with asyncio.TaskGroup() as group:
        carrying = ends.start(queue)
        group.create_task(carrying.run(ends.source.fileno(), ends.sink.fileno()))
        ends.write(*({"value": number} for number in range(WINDOW + 100)))
        await eventually(lambda: queue.ledger.accepted == WINDOW)
        for _ in range(100):
            await asyncio.sleep(0)
        assert queue.ledger.accepted == WINDOW
        gate.open()
        ends.end()
    assert len(ends.results()) == WINDOW + 100


# -- failures ---------------------------------------------------------------------


@both_loops
async def test_malformed_lines_are_reported_by_number_and_the_rest_is_carried(
    ends: Ends,
) -> None:
    ends.write({"value": 1}, b"{", b"", b"  ", b'{"value": "\xff"}', b"{}")
    ends.write({"value": 2})
    carrying = await ends.carry(doubling(), ordered=True)
    assert [each["line"] for each in ends.results()] == [1, 7]
    assert ends.complaints == [
        "line 2: malformed: Input data was truncated",
        "line 5: malformed: 'utf-8' codec can't decode byte 0xff in position 0: "
        "invalid start byte",
        "line 6: malformed: Object missing required field `value`",
    ]
    assert (carrying.well, carrying.malformed) == (2, 3)


@both_loops
async def test_a_line_that_is_too_long_is_malformed(
    ends: Ends, monkeypatch: pytest.MonkeyPatch
) -> None:
    short = functools.partial(LineSplitter, limit_bytes=20)
    monkeypatch.setattr("collectorqueue.cli.pipe.carrying.LineSplitter", short)
    ends.write({"value": "x" * 20}, {"value": 1})
    await ends.carry(doubling())
    assert ends.complaints == ["line 1: malformed: it is too long"]
    assert [each["line"] for each in ends.results()] == [2]


@both_loops
async def test_events_that_do_not_end_well_are_counted(ends: Ends) -> None:
    ends.write({"value": None}, {"value": 1, "topics": "nobody"}, {"value": 1})
    carrying = await ends.carry(doubling(), ordered=True)
    assert [each["outcome"] for each in ends.results()] == ["failed", "unrouted", "ok"]
    assert (carrying.well, carrying.failed) == (1, 2)


@both_loops
async def test_an_event_that_the_queue_refuses_is_reported(ends: Ends) -> None:
    ends.write({"value": 1, "topics": "nobody"}, {"value": 2})
    carrying = await ends.carry(doubling(on_unrouted="error"))
    (complaint,) = ends.complaints
    assert complaint.startswith("line 1: not accepted: Unrouted: ")
    assert [each["line"] for each in ends.results()] == [2]
    assert (carrying.well, carrying.failed) == (1, 1)


@both_loops
async def test_a_queue_that_does_not_start_is_named_with_its_error(ends: Ends) -> None:
    def lifecycle(ctx: Context) -> contextlib.AbstractAsyncContextManager[None]:
        raise ConnectionError("no database")

    queue = CollectorQueue()
    queue.collector("store", lifecycle=lifecycle)(print)
    with pytest.raises(ExceptionGroup) as caught:
        await ends.carry(queue)
    (refused,) = caught.value.exceptions
    assert isinstance(refused, ExceptionGroup)
    (refused,) = refused.exceptions
    assert isinstance(refused, CommandError)
    assert str(refused) == "the queue did not start: ConnectionError: no database"


@both_loops
async def test_an_input_that_cannot_be_read_costs_no_result(
    ends: Ends, tmp_path: Path
) -> None:
    folder = os.open(tmp_path, os.O_RDONLY)
    try:
        carrying = ends.start(doubling())
        await carrying.run(folder, ends.sink.fileno())
    finally:
        os.close(folder)
    assert carrying.unreadable.startswith("the input cannot be read: IsADirectoryError")


# -- endings ----------------------------------------------------------------------


@both_loops
async def test_a_queue_closed_by_a_handler_ends_the_reading(ends: Ends) -> None:
    queue = CollectorQueue()

    @queue.collector
    async def last(payload: Payload[Any]) -> str:
        await queue.close()
        return "done"

    async with asyncio.TaskGroup() as group:
        carrying = ends.start(queue)
        group.create_task(carrying.run(ends.source.fileno(), ends.sink.fileno()))
        ends.write({"value": 1})
        await eventually(ends.results)
        ends.write({"value": 2})
    assert [each["line"] for each in ends.results()] == [1]
    (complaint,) = ends.complaints
    assert complaint.startswith("line 2: not accepted: QueueClosed: ")


@both_loops
async def test_a_closed_output_ends_it(ends: Ends) -> None:
    output, sink = os.pipe()
    os.close(output)
    ends.write({"value": 1})
    try:
        with pytest.raises(ExceptionGroup) as caught:
            await ends.start(doubling()).run(ends.source.fileno(), sink)
    finally:
        os.close(sink)
    assert caught.group_contains(BrokenPipeError)


@both_loops
async def test_lines_that_wait_for_a_write_are_written_together(tmp_path: Path) -> None:
    written: list[int] = []
    results = tmp_path / "results"
    with results.open("wb", buffering=0) as sink:
        async with line_writer(sink.fileno(), written.append) as writer:
            for number in range(100):
                writer.add(b"%d\n" % number)
    assert results.read_bytes().split() == [b"%d" % number for number in range(100)]
    assert written == [100]


def test_all_bytes_are_written_though_a_pipe_takes_a_part_at_a_time() -> None:
    data = os.urandom(300_000)
    output, sink = os.pipe()
    with os.fdopen(output, "rb") as reader, os.fdopen(sink, "wb") as writer:
        read: list[bytes] = []
        thread = threading.Thread(target=lambda: read.append(reader.read()))
        thread.start()
        write_all(sink, data)
        writer.close()
        thread.join()
    assert read == [data]


@both_loops
async def test_a_send_that_raises_costs_its_line_only(ends: Ends) -> None:
    """A function that the queue was given may raise anything."""
    queue = doubling(max_bytes=100, size_of=lambda value: 1 // value)
    ends.write({"value": 1}, {"value": 0}, {"value": 2})
    carrying = await ends.carry(queue)
    assert (carrying.well, carrying.failed) == (2, 1)
    assert ends.complaints == [
        "line 2: not accepted: ZeroDivisionError: integer division or modulo by zero"
    ]
