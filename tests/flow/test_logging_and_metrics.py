"""No failure is silent, no log is flooded; and what the metrics say."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import msgspec
import pytest

from collectorqueue import Collector, CollectorQueue, Error, Ledger, Metrics, Payload
from tests.support import Gate, both_loops, ticks, virtual

EVENTS = "collectorqueue.events"


def lines(
    caplog: pytest.LogCaptureFixture, logger: str = EVENTS
) -> list[tuple[str, str]]:
    """Level and message of each line of one logger."""
    return [
        (record.levelname, record.getMessage())
        for record in caplog.records
        if record.name == logger
    ]


class Bad(Exception):
    pass


async def fail(payload: Payload[Any]) -> None:
    raise payload.value


def failing(*keys: str, **options: Any) -> CollectorQueue:
    return CollectorQueue([Collector(key, fail) for key in keys], **options)


# -- failures -----------------------------------------------------------------------


@both_loops
async def test_the_first_failure_of_its_kind_is_logged_with_its_traceback_unasked(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with failing("pay") as queue:
        event = await queue.publisher.send(Bad("no money"))
        await queue.publisher.wait()
    ((level, message),) = lines(caplog)
    assert level == "ERROR"
    first, *rest = message.splitlines()
    assert first == f"event id={event.id} failed collector=pay: Bad('no money')"
    assert rest[0] == "Traceback (most recent call last):"
    assert "in fail" in message
    assert rest[-1].endswith("Bad: no money")


@virtual
async def test_the_others_of_a_kind_are_one_line_with_the_count_every_ten_seconds(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with failing("pay") as queue:
        for number in range(1, 6):
            await queue.publisher.request(Bad(number))
        assert len(lines(caplog)) == 1
        await asyncio.sleep(9.9)
        assert len(lines(caplog)) == 1
        await asyncio.sleep(0.2)
        assert lines(caplog)[1:] == [
            (
                "WARNING",
                "4 more events failed in the last 10 s: collector=pay error=Bad",
            )
        ]
        await asyncio.sleep(100)
        assert len(lines(caplog)) == 2
        for number in range(3):
            await queue.publisher.request(Bad(number))
            await asyncio.sleep(1)
        await asyncio.sleep(10)
        assert lines(caplog)[2:] == [
            (
                "WARNING",
                "3 more events failed in the last 10 s: collector=pay error=Bad",
            )
        ]


@virtual
async def test_each_collector_and_error_type_is_a_kind_of_its_own(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with failing("pay", "ship") as queue:
        for exc in (Bad("a"), KeyError("b"), Bad("c")):
            for key in ("pay", "ship"):
                await queue.publisher.request(exc, keys=key)
        firsts = [
            message.splitlines()[0].split(" ", 2)[2] for _, message in lines(caplog)
        ]
        assert firsts == [
            "failed collector=pay: Bad('a')",
            "failed collector=ship: Bad('a')",
            "failed collector=pay: KeyError('b')",
            "failed collector=ship: KeyError('b')",
        ]
        await asyncio.sleep(11)
        assert sorted(lines(caplog)[4:]) == [
            (
                "WARNING",
                "1 more events failed in the last 10 s: collector=pay error=Bad",
            ),
            (
                "WARNING",
                "1 more events failed in the last 10 s: collector=ship error=Bad",
            ),
        ]


@both_loops
async def test_what_was_counted_and_not_said_is_said_at_the_close(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with failing("pay") as queue:
        await queue.publisher.send_many(Bad(n) for n in range(5))
    assert [message.splitlines()[0] for _, message in lines(caplog)][1:] == [
        "4 more events failed in the last 10 s: collector=pay error=Bad"
    ]


@both_loops
async def test_a_returned_error_is_logged_too(caplog: pytest.LogCaptureFixture) -> None:
    queue = CollectorQueue([Collector("pay", lambda payload: Error("out of paper"))])
    async with queue:
        event = await queue.publisher.send(7)
    assert lines(caplog) == [
        ("ERROR", f"event id={event.id} failed collector=pay: 'out of paper'")
    ]


@both_loops
async def test_each_failed_collector_of_one_event_is_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    queue = failing("pay", "ship")
    queue.collector("fine")(lambda payload: 1)
    async with queue:
        await queue.publisher.request(Bad("x"))
    assert ["collector=" in message for _, message in lines(caplog)] == [True, True]


# -- unrouted -----------------------------------------------------------------------


@both_loops
async def test_a_misspelt_key_is_logged_with_the_registered_and_the_nearest_name(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with failing("receipt", "refund") as queue:
        event = await queue.publisher.send(7, keys="reciept")
        await event
        message = event.get_result().first().err
    assert lines(caplog) == [
        (
            "WARNING",
            f"event id={event.id} unrouted: {message!r}; "
            "registered: 'receipt', 'refund'; did you mean 'receipt'?",
        )
    ]


@both_loops
async def test_a_misspelt_topic_is_logged_with_the_topics_there_are(
    caplog: pytest.LogCaptureFixture,
) -> None:
    queue = CollectorQueue([Collector("a", fail, topics=["order.paid", "order.sent"])])
    async with queue:
        await queue.publisher.request(7, topics="order.payd")
    ((level, message),) = lines(caplog)
    assert level == "WARNING"
    assert message.endswith(
        "; registered: 'order.paid', 'order.sent'; did you mean 'order.paid'?"
    )


@both_loops
async def test_a_queue_without_collectors_says_so(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with CollectorQueue() as queue:
        await queue.publisher.request(7)
    ((_, message),) = lines(caplog)
    assert message.endswith("; registered: none")


@virtual
async def test_every_route_that_matches_nothing_is_a_kind_of_its_own(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with failing("receipt", "refund") as queue:
        for key in ("reciept", "refnud", "reciept"):
            await queue.publisher.request(7, keys=key)
        await queue.publisher.request(7, topics="reciept")
        texts = [message for _, message in lines(caplog)]
        assert len(texts) == 3
        assert "did you mean 'receipt'?" in texts[0]
        assert "did you mean 'refund'?" in texts[1]
        assert "topic" in texts[2]
        await asyncio.sleep(11)
        assert len(lines(caplog)) == 4
        assert lines(caplog)[3][1].startswith(
            "1 more events unrouted in the last 10 s: "
        )


@both_loops
async def test_an_unknown_key_among_known_ones_is_logged_with_the_nearest_name(
    caplog: pytest.LogCaptureFixture,
) -> None:
    queue = CollectorQueue(
        [Collector(key, lambda p: 1) for key in ("receipt", "refund")]
    )
    async with queue:
        await queue.publisher.request(7, keys=["refund", "reciept"])
    ((_, message),) = lines(caplog)
    assert "registered: 'receipt', 'refund'; did you mean 'receipt'?" in message


# -- dropped and aborted --------------------------------------------------------------


@virtual
async def test_dropped_and_cancelled_events_are_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    gate = Gate()
    async with CollectorQueue([Collector("gate", gate)], max_consumers=1) as queue:
        await queue.publisher.send("holds")
        dropped = await queue.publisher.send(7, ttl=2)
        await dropped
        queued = await queue.publisher.send(8)
        queued.cancel()
        gate.open()
    assert lines(caplog) == [
        (
            "WARNING",
            f"event id={dropped.id} dropped: EventDropped('the event did not start "
            "within its ttl of 2.0 s')",
        ),
        (
            "WARNING",
            f"event id={queued.id} aborted: "
            "EventAborted('cancelled before it started')",
        ),
    ]


@both_loops
async def test_what_a_drain_aborts_is_one_warning_with_the_counts(
    caplog: pytest.LogCaptureFixture,
) -> None:
    gate = Gate()
    async with CollectorQueue([Collector("gate", gate)], max_consumers=1) as queue:
        await queue.publisher.send_many(range(5))
        await ticks(3)
        report = await queue.close(timeout=0)
    assert len(report.aborted) == 5
    assert lines(caplog, "collectorqueue.drain") == [
        ("WARNING", "drain: aborted=5 abandoned=0 at the deadline")
    ]


# -- good manners ---------------------------------------------------------------------


@both_loops
async def test_events_that_end_well_say_nothing_at_info(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "collectorqueue")
    async with CollectorQueue([Collector("a", lambda payload: 1)]) as queue:
        await queue.publisher.send_many(range(100))
        await queue.publisher.wait()
        assert [r for r in caplog.records if r.name.startswith("collectorqueue")] == []


@both_loops
async def test_the_applications_logging_is_never_reconfigured() -> None:
    before = (logging.root.level, list(logging.root.handlers), logging.lastResort)
    async with failing("pay", report_interval=0.001) as queue:
        await queue.publisher.request(Bad("x"))
        await asyncio.sleep(0.01)
    assert before == (
        logging.root.level,
        list(logging.root.handlers),
        logging.lastResort,
    )
    for name, logger in list(logging.root.manager.loggerDict.items()):
        if name.split(".")[0] == "collectorqueue" and isinstance(
            logger, logging.Logger
        ):
            assert logger.handlers == []
            assert logger.propagate
            assert not logger.disabled


@both_loops
async def test_a_log_handler_that_raises_costs_no_event() -> None:
    class Raising(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            raise ValueError("disk full")

    logger = logging.getLogger(EVENTS)
    handler = Raising()
    logger.addHandler(handler)
    try:
        async with failing("pay", max_consumers=1) as queue:
            for _ in range(3):
                event = await queue.publisher.send(Bad("x"))
                await event.wait(5)
                assert event.outcome == "failed"
            assert queue.consumers == 1
    finally:
        logger.removeHandler(handler)


@both_loops
async def test_a_value_whose_repr_raises_costs_no_event() -> None:
    class Hostile:
        def __repr__(self) -> str:
            raise SystemExit(3)

        __str__ = __repr__

    class HostileError(Exception):
        def __repr__(self) -> str:
            raise ValueError("no repr")

    queue = failing("pay", max_consumers=1)
    queue.collector("value")(lambda payload: Error(HostileError()))
    async with queue:
        for key in ("pay", "value", "nobody"):
            value = HostileError() if key == "pay" else Hostile()
            event = await queue.publisher.send(value, keys=key)
            await event.wait(5)
            assert event.is_done()


@virtual
async def test_error_types_made_anew_for_each_event_do_not_fill_memory_or_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with failing("pay") as queue:
        for number in range(1500):
            await queue.publisher.request(type(f"Error{number}", (Exception,), {})())
        assert len(lines(caplog)) <= 1000
        await asyncio.sleep(11)
        total = sum(
            int(message.split()[0]) if "more events" in message else 1
            for _, message in lines(caplog)
        )
        assert total == 1500


# -- reports --------------------------------------------------------------------------


@virtual
async def test_a_line_of_metrics_is_logged_every_report_interval(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "collectorqueue")
    async with CollectorQueue(
        [Collector("a", lambda payload: 1)], report_interval=2.0
    ) as queue:
        await queue.publisher.send_many(range(10))
        await asyncio.sleep(7)
        reports = [r for r in caplog.records if r.name == "collectorqueue.report"]
        assert len(reports) == 3
        assert reports[0].levelname == "INFO"
        message = reports[0].getMessage()
        assert message.startswith("queue metrics qsize=0 busy=0 consumers=")
        assert "event_count=10" in message
        assert reports[0].metrics["event_count"] == 10
        assert reports[0].metrics["ledger"]["ok"] == 10
    await asyncio.sleep(10)
    assert len([r for r in caplog.records if r.name == "collectorqueue.report"]) == 3


@virtual
async def test_metrics_have_the_fields_of_event_collector_in_seconds() -> None:
    queue = CollectorQueue(max_consumers=2, autoscale=False)

    @queue.collector
    async def work(payload: Payload[float]) -> None:
        await asyncio.sleep(payload.value)

    async with queue:
        await queue.publisher.send_many([2.0] * 4)
        await asyncio.sleep(1)
        metrics = queue.metrics
        assert isinstance(metrics, Metrics)
        assert (metrics.qsize, metrics.busy, metrics.consumers) == (2, 2, 2)
        assert metrics.load == 2.0
        assert metrics.event_count == 0
        await asyncio.sleep(3.001)
        metrics = queue.get_metrics()
        assert (metrics.qsize, metrics.busy, metrics.event_count) == (0, 0, 4)
        assert metrics.load == 0.0
        assert metrics.service_time == pytest.approx(2.0, rel=1e-3)
        assert metrics.wait_time == pytest.approx(1.0, rel=1e-3)  # two by 0, two by 2 s
        assert metrics.arrival_rate == pytest.approx(1.0, rel=1e-3)  # 4 in 4 s
        assert metrics.departure_rate == pytest.approx(1.0, rel=1e-3)
        assert metrics.wip == pytest.approx(3.0, rel=1e-3)  # 4 for 2 s, 2 for 2 s
        assert metrics.avg_load == pytest.approx(1.5, rel=1e-3)
        assert metrics.ledger == Ledger(accepted=4, ok=4)
        assert metrics.peak_consumers == 2
        assert (metrics.blocked, metrics.overflow_sends) == (0, 0)


@virtual
async def test_averages_forget_what_is_more_than_a_minute_old() -> None:
    async with CollectorQueue([Collector("a", lambda payload: 1)]) as queue:
        await queue.publisher.send_many(range(600))
        for _ in range(20):
            await asyncio.sleep(5)
            metrics = queue.metrics
        assert metrics.event_count == 600
        assert metrics.arrival_rate == 0.0
        assert metrics.departure_rate == 0.0
        assert metrics.wait_time == 0.0


@both_loops
async def test_metrics_are_read_before_the_start_and_after_the_close() -> None:
    queue = CollectorQueue([Collector("a", lambda payload: 1)])
    assert queue.metrics.event_count == 0
    async with queue:
        await queue.publisher.send(1)
    assert queue.metrics.event_count == 1
    assert queue.metrics.consumers == 0


@both_loops
async def test_metrics_encode_to_json_as_they_are() -> None:
    async with CollectorQueue([Collector("a", lambda payload: 1)]) as queue:
        await queue.publisher.request(1)
        decoded = msgspec.json.decode(msgspec.json.encode(queue.metrics))
        assert decoded["ledger"]["ok"] == 1


@virtual
async def test_collector_stats_count_runs_and_their_times_in_seconds() -> None:
    queue = CollectorQueue(max_consumers=4, autoscale=False)

    @queue.collector
    async def work(payload: Payload[float]) -> None:
        await asyncio.sleep(abs(payload.value))
        if payload.value < 0:
            raise Bad

    async with queue:
        await queue.publisher.send_many([1.0, 1.0, -1.0, 100.0])
        await asyncio.sleep(0.5)
        stats = queue.collector_stats()["work"]
        assert (stats.received, stats.running, stats.peak_running) == (4, 4, 4)
        await queue.publisher.wait()
        stats = queue.collector_stats()["work"]
        assert (stats.received, stats.ok, stats.failed, stats.running) == (4, 3, 1, 0)
        assert stats.run.p50 == pytest.approx(1.0, rel=0.02)
        assert stats.run.p99 == pytest.approx(100.0, rel=0.02)
        assert stats.wait.p99 == pytest.approx(0.0, abs=0.001)


@both_loops
async def test_collector_stats_count_several_collectors_of_one_event_each() -> None:
    queue = failing("bad")
    queue.collector("good")(lambda payload: 1)
    async with queue:
        await queue.publisher.request(Bad("x"))
        await queue.publisher.request(7, keys=["good", "nobody"])
        stats = queue.collector_stats()
        assert (stats["bad"].received, stats["bad"].failed, stats["bad"].ok) == (
            1,
            1,
            0,
        )
        assert (stats["good"].received, stats["good"].failed, stats["good"].ok) == (
            2,
            0,
            2,
        )
        assert stats["bad"].running == stats["good"].running == 0
