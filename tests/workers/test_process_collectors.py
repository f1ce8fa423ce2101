"""Collectors in worker processes: what crosses, what comes back, what is refused."""

from __future__ import annotations

import asyncio
import logging
from typing import Any, Literal

import msgspec
import pytest

from collectorqueue import (
    Collector,
    CollectorQueue,
    Context,
    Error,
    Ok,
    Outcome,
    Payload,
    Retry,
)
from collectorqueue.errors import (
    ConfigError,
    NotEncodable,
    RemoteError,
    WorkersFailed,
)
from collectorqueue.flow.router import Router
from collectorqueue.workers.paths import type_path_of
from tests.support import both_loops
from tests.workers import handlers, oddities


def queue_of(*processors: Any, workers: int = 2, **options: Any) -> CollectorQueue:
    """A queue of process collectors, each with its function's name as key."""
    return CollectorQueue(
        [
            Collector(each.__name__, each, runs_in="process", **options)
            for each in processors
        ],
        workers=workers,
    )


@both_loops
async def test_a_function_runs_in_a_worker_and_its_value_comes_back() -> None:
    async with queue_of(handlers.add_one, handlers.add_two) as queue:
        assert await queue.publisher.call("add_one", 1) == 2
        assert await queue.publisher.call("add_two", 1) == 3
        both = await queue.publisher.request(5, keys=["add_one", "add_two"])
        assert dict(both.items()) == {"add_one": Ok(6), "add_two": Ok(7)}


@both_loops
async def test_many_events_each_get_their_own_result() -> None:
    async with queue_of(handlers.add_one) as queue:
        events = [await queue.publisher.send(number) for number in range(5000)]
        await queue.publisher.wait()
        values = [(await event)["add_one"].value for event in events]
        assert values == list(range(1, 5001))
        assert queue.ledger.ok == queue.ledger.accepted == 5000


VALUES = [
    None, True, 0, -(2**63), 1.5, "text", "ä€😀", b"", b"raw", b"x" * 8192,
    b"x" * 3_000_000, b"y" * 20_000_000, [1, [2]], {"a": {"b": []}}, "z" * 100_000,
]  # fmt: skip


@both_loops
async def test_what_msgpack_holds_comes_back_as_it_was() -> None:
    async with queue_of(handlers.same, workers=1) as queue:
        for value in VALUES:
            assert await queue.publisher.call("same", value) == value


@both_loops
async def test_a_worker_sees_whom_the_payload_is_for() -> None:
    queue = CollectorQueue(
        [Collector("address", handlers.address, topics=["t", "ü"], runs_in="process")],
        workers=1,
    )
    async with queue:
        publisher = queue.publisher
        for payload, wanted in [
            (Payload(1), ["broadcast", [], [], None]),
            (Payload(1, keys="address"), ["key", ["address"], [], None]),
            (Payload(1, topics="ü", priority=-5), ["topic", [], ["ü"], -5]),
            (Payload(1, topics=["t", "ü"]), ["topic", [], ["t", "ü"], None]),
        ]:
            assert (await publisher.request(payload)).first() == Ok(wanted)


@both_loops
async def test_a_payload_type_is_decoded_to_and_checked() -> None:
    queue = CollectorQueue(
        [Collector("kind", handlers.kind_of, payload_type=handlers.Order,
                   runs_in="process")],
        workers=1,
    )  # fmt: skip
    async with queue:
        assert await queue.publisher.call("kind", handlers.Order(1)) == "Order"
        assert await queue.publisher.call("kind", {"id": 1, "tags": ["a"]}) == "Order"
        wrong = (await queue.publisher.request({"id": "one"})).first()
        assert isinstance(wrong, Error) and isinstance(wrong.err, RemoteError)
        assert wrong.err.type_name == "collectorqueue.errors.PayloadInvalid"
        assert wrong.err.text.endswith("is no Order: Expected `int`, got `str` - at `$.id`")


@both_loops
async def test_hooks_encode_and_decode_other_types() -> None:
    queue = CollectorQueue(
        [Collector("conjugate", handlers.conjugate, payload_type=complex,
                   enc_hook=handlers.encode_complex, dec_hook=handlers.decode_complex,
                   runs_in="process")],
        workers=1,
    )  # fmt: skip
    async with queue:
        assert await queue.publisher.call("conjugate", 1 + 2j) == [1.0, -2.0]


@both_loops
async def test_what_cannot_be_encoded_fails_its_event_only_naming_type_and_path() -> None:
    async with queue_of(handlers.same, workers=1) as queue:
        bad = (await queue.publisher.request({"a": [1, object()]})).first()
        assert isinstance(bad, Error) and isinstance(bad.err, NotEncodable)
        assert (bad.err.type_name, bad.err.path) == ("object", "$.a[1]")
        assert await queue.publisher.call("same", 1) == 1


@both_loops
async def test_an_exception_arrives_as_text() -> None:
    async with queue_of(handlers.fail, workers=1) as queue:
        result = (await queue.publisher.request("too bad")).first()
        assert isinstance(result, Error) and isinstance(result.err, RemoteError)
        assert (result.err.type_name, result.err.text) == ("ValueError", "too bad")
        assert "in fail" in result.err.traceback
        assert "in fail" in (result.traceback or "")


RAISED = {
    "odd": "tests.workers.handlers.Odd",
    "hostile": "tests.workers.handlers.Hostile",
    "exit": "SystemExit",
    "generator": "GeneratorExit",
    "interrupt": "KeyboardInterrupt",
    "cancelled": "asyncio.exceptions.CancelledError",
    "long": "ValueError",
    "surrogate": "ValueError",
    "deep": "ValueError",
}


@both_loops
async def test_whatever_is_raised_costs_its_event_only() -> None:
    async with queue_of(handlers.raise_odd, handlers.pid, workers=1) as queue:
        before = await queue.publisher.call("pid", None)
        for value, type_name in RAISED.items():
            result = (await queue.publisher.request(value, keys="raise_odd")).first()
            assert isinstance(result, Error) and isinstance(result.err, RemoteError)
            assert result.err.type_name == type_name
            assert len(result.err.text) <= 65_536
            assert len(result.err.traceback) <= 262_144
        assert await queue.publisher.call("pid", None) == before


@both_loops
async def test_odd_answers() -> None:
    async with queue_of(handlers.answer_odd, workers=1) as queue:
        for value in ("lock", "surrogate", "long int", "circle"):
            result = (await queue.publisher.request(value)).first()
            assert isinstance(result, Error) and isinstance(result.err, RemoteError)
            assert result.err.type_name == "collectorqueue.errors.NotEncodable"
        returned = (await queue.publisher.request("error")).first()
        assert isinstance(returned, Error) and isinstance(returned.err, RemoteError)
        assert returned.err.text == "on purpose" and returned.details == {"why": 1}
        assert await queue.publisher.call("answer_odd", "ok") == 5
        assert await queue.publisher.call("answer_odd", "none") is None


@both_loops
async def test_results_of_any_size() -> None:
    async with queue_of(handlers.size_of_answer, workers=1) as queue:
        for size in (0, 1000, 300_000, 5_000_000, 70_000_000):
            assert await queue.publisher.call("size_of_answer", size) == bytes(size)


@both_loops
async def test_lifecycle_and_context_live_once_in_each_worker(tmp_path: Any) -> None:
    queue = CollectorQueue(
        [Collector("context", handlers.from_context, lifecycle=handlers.lifecycle,
                   ctx=Context({"given": 7, "folder": str(tmp_path)}), runs_in="process")],
        workers=2,
    )  # fmt: skip
    async with queue:
        events = await queue.publisher.send_many(range(100))
        for event in events:
            assert (await event).first() == Ok([1, True, 7])
    assert len(list(tmp_path.iterdir())) == 2


@both_loops
async def test_a_lifecycle_that_cannot_be_entered_fails_the_start() -> None:
    queue = CollectorQueue(
        [Collector("a", handlers.from_context, lifecycle=handlers.failing_lifecycle,
                   runs_in="process")],
        workers=2,
    )  # fmt: skip
    with pytest.raises(WorkersFailed, match="it cannot be entered"):
        await queue.start()


@both_loops
async def test_a_lifecycle_that_cannot_be_left_is_told_at_close() -> None:
    queue = CollectorQueue(
        [Collector("a", handlers.same, lifecycle=handlers.lifecycle_failing_at_exit,
                   runs_in="process")],
        workers=1,
    )  # fmt: skip
    await queue.start()
    with pytest.raises(ExceptionGroup) as caught:
        await queue.close()
    assert "it cannot be left" in str(caught.value.exceptions[0])


class Twice(Router):
    async def handle_event(self, payload: Payload[Any]) -> Any:
        collector = self.collectors["add_one"]
        return [await collector.process(payload), await collector.process(payload)]


@both_loops
async def test_a_router_can_run_a_process_collector() -> None:
    queue = CollectorQueue(
        [Collector("add_one", handlers.add_one, runs_in="process")], Twice, workers=1
    )
    async with queue:
        results = await queue.publisher.request(1)
        assert list(results) == [Ok(2), Ok(2)]
        assert queue.collector_stats()["add_one"].running == 0


@both_loops
async def test_a_collector_is_added_to_a_running_queue_and_removed() -> None:
    queue = CollectorQueue([Collector("loop", str)], workers=1)
    async with queue:
        for name in ("add_one", "add_two"):
            processor = getattr(handlers, name)
            await queue.add_collector(Collector(name, processor, runs_in="process"))
        assert await queue.publisher.call("add_one", 1) == 2
        assert await queue.publisher.call("add_two", 1) == 3
        await queue.remove_collector("add_one")
        event = await queue.publisher.send(1, keys="add_one")
        await event
        assert event.outcome is Outcome.UNROUTED


@both_loops
async def test_max_concurrency_holds_over_all_workers() -> None:
    async with queue_of(handlers.at_once, workers=1, max_concurrency=3) as queue:
        events = await queue.publisher.send_many([0.001] * 30)
        most = [(await event).first().unwrap() for event in events]
        assert max(most) == 3
        assert queue.collector_stats()["at_once"].peak_running <= 3


@both_loops
async def test_a_cancelled_event_is_aborted_at_once() -> None:
    async with queue_of(handlers.spin, workers=1) as queue:
        running = await queue.publisher.send(0.2)
        waiting = [await queue.publisher.send(0.0) for _ in range(50)]
        await asyncio.sleep(0.05)
        assert running.cancel() and waiting[-1].cancel()
        assert running.outcome is waiting[-1].outcome is Outcome.ABORTED
        await queue.publisher.wait()
        assert queue.ledger.ok == 49 and queue.ledger.aborted == 2


@both_loops
async def test_what_a_worker_logs_is_logged_here(caplog: Any) -> None:
    caplog.set_level(logging.INFO)
    async with queue_of(handlers.log_it, workers=1) as queue:
        await queue.publisher.call("log_it", "hello")
    [record] = [each for each in caplog.records if each.name == "tests.worker"]
    assert record.getMessage() == "hello"
    assert record.worker == 1 and record.processName == "worker-1"


def nested() -> Any:
    def inner(payload: Payload[Any]) -> None: ...

    return inner


@both_loops
@pytest.mark.parametrize(
    ("processor", "reason"),
    [(lambda payload: 1, "a lambda has no name"),
     (nested(), "it is defined inside nested()"),
     ([].append, "without a name|method of an object|another object|is not there")],
    ids=["lambda", "nested", "bound"],
)  # fmt: skip
async def test_what_a_worker_cannot_find_is_refused_at_start(
    processor: Any, reason: str
) -> None:
    queue = CollectorQueue([Collector("it", processor, runs_in="process")], workers=1)
    with pytest.raises(ConfigError, match=reason) as caught:
        await queue.start()
    assert "collector 'it': processor" in str(caught.value)


@both_loops
async def test_a_queue_can_be_started_again() -> None:
    queue = queue_of(handlers.add_one, workers=1)
    for _ in range(3):
        async with queue:
            assert await queue.publisher.call("add_one", 1) == 2
        report = queue.drain_report
        assert report is not None and report.ledger.ok == 1


@pytest.mark.parametrize(
    "kind",
    [int, handlers.Order, list[handlers.Order], dict[str, int | None], tuple[()],
     tuple[int, ...], Literal["a", 1], Any, None, bytes | handlers.Order],
    ids=str,
)  # fmt: skip
def test_a_payload_type_has_a_path_by_which_it_is_found(kind: Any) -> None:
    path = type_path_of("payload_type", kind)
    again = msgspec.msgpack.decode(msgspec.msgpack.encode(path), type=type(path))
    assert again.find() == kind


def test_what_is_no_type_has_no_path() -> None:
    with pytest.raises(ConfigError, match="payload_type 5 cannot be found by a worker"):
        type_path_of("payload_type", 5)


@pytest.mark.parametrize("kind", [int, str, bytes, list[int], type(None)])
@both_loops
async def test_none_is_of_the_type_that_is_asked_for_or_refused(kind: Any) -> None:
    collector = Collector("same", handlers.same, runs_in="process", payload_type=kind)
    async with CollectorQueue([collector], workers=1) as queue:
        result = (await queue.publisher.request(None)).first()
        if kind is type(None):
            assert result == Ok(None)
            return
        assert isinstance(result, Error) and isinstance(result.err, RemoteError)
        assert result.err.type_name == "collectorqueue.errors.PayloadInvalid"


@pytest.mark.parametrize("how", ["killed", "exits"])
@both_loops
async def test_a_worker_that_ends_in_a_lifecycle_is_told_at_close(how: str) -> None:
    lifecycle = oddities.never_left if how == "killed" else oddities.dies_as_it_is_left
    collector = Collector("a", handlers.same, runs_in="process", lifecycle=lifecycle)
    queue = CollectorQueue([collector], workers=1)
    await queue.start()
    await queue.publisher.request(1)
    with pytest.raises(ExceptionGroup) as caught:
        await queue.close(timeout=0)
    (error,) = caught.value.exceptions
    assert "the lifecycle of 'a' failed to exit in a worker" in str(error)
    assert "it was not left before the worker ended" in str(error)


@both_loops
async def test_what_cannot_be_encoded_is_not_tried_again() -> None:
    retry = Retry(attempts=3, backoff=0)
    collector = Collector("same", handlers.same, runs_in="process", retry=retry)
    async with CollectorQueue([collector], workers=1) as queue:
        error = (await queue.publisher.request(object())).first()
        assert isinstance(error, Error)
        assert isinstance(error.err, NotEncodable)
        assert error.attempts == 1


@both_loops
async def test_a_coroutine_that_blocks_is_said_to_have_had_its_own_timeout() -> None:
    collector = Collector("blocks", oddities.blocks, runs_in="process", timeout=0.2)
    async with CollectorQueue([collector], workers=1) as queue:
        error = (await queue.publisher.request(60)).first()
        assert isinstance(error, Error)
        assert "its timeout of 0.2 s" in str(error.err)
