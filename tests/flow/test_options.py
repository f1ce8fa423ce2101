"""The options of a queue: checked at construction, naming value and rule."""

from __future__ import annotations

import asyncio
import inspect
from typing import Any

import pytest

import collectorqueue
from collectorqueue import (
    Collector,
    CollectorQueue,
    DrainReport,
    Ledger,
    Load,
    Outcome,
    Payload,
    run,
)
from collectorqueue.errors import CollectorQueueError, ConfigError
from tests.support import Gate, both_loops, ticks, until

CONSUMERS = "consumers must be 1 <= min_consumers <= max_consumers, got {} and {}"


@pytest.mark.parametrize(
    ("options", "kind", "message"),
    [
        ({"min_consumers": 0}, ConfigError,
         "min_consumers must be between 1 and 1000000, got 0"),
        ({"min_consumers": -1}, ConfigError,
         "min_consumers must be between 1 and 1000000, got -1"),
        ({"max_consumers": 0}, ConfigError,
         "max_consumers must be between 1 and 1000000, got 0"),
        ({"max_consumers": 2.0}, TypeError, "max_consumers must be an int, got 2.0"),
        ({"max_consumers": True}, TypeError, "max_consumers must be an int, got True"),
        ({"max_consumers": None}, TypeError, "max_consumers must be an int, got None"),
        ({"min_consumers": 8, "max_consumers": 4}, ConfigError, CONSUMERS.format(8, 4)),
        ({"min_consumers": 65}, ConfigError, CONSUMERS.format(65, 64)),
        ({"autoscale": 1}, TypeError, "autoscale must be a bool, got 1"),
        ({"propagate_context": "yes"}, TypeError,
         "propagate_context must be a bool, got 'yes'"),
        ({"capacity": 0}, ConfigError,
         "capacity must be between 1 and 1099511627776, got 0"),
        ({"capacity": "10"}, TypeError, "capacity must be an int, got '10'"),
        ({"capacity": float("inf")}, TypeError, "capacity must be an int, got inf"),
        ({"queue_type": "fofi"}, ConfigError,
         "queue_type must be one of 'fifo', 'lifo', 'priority', got 'fofi'"),
        ({"queue_type": 1}, ConfigError,
         "queue_type must be one of 'fifo', 'lifo', 'priority', got 1"),
        ({"overflow": "drop"}, ConfigError,
         "overflow must be one of 'wait', 'reject', 'drop_oldest', 'drop_incoming', "
         "got 'drop'"),
        ({"on_unrouted": "raise"}, ConfigError,
         "on_unrouted must be 'record' or 'error', got 'raise'"),
        ({"drain_timeout": -1}, ConfigError,
         "drain_timeout must be between 0 and 1e9 seconds, got -1"),
        ({"drain_timeout": "10"}, TypeError,
         "drain_timeout must be a number of seconds, got '10'"),
        ({"drain_timeout": float("nan")}, ConfigError,
         "drain_timeout must be between 0 and 1e9 seconds, got nan"),
        ({"report_interval": -0.1}, ConfigError,
         "report_interval must be between 0 and 1e9 seconds, got -0.1"),
        ({"report_interval": None}, TypeError,
         "report_interval must be a number of seconds, got None"),
        ({"default_priority": 2**31}, ConfigError,
         "default_priority must be between -2147483648 and 2147483647, got 2147483648"),
        ({"default_priority": "high"}, TypeError,
         "default_priority must be an int, got 'high'"),
        ({"ageing": -1}, ConfigError,
         "ageing must be between 0 and 1073741824, got -1"),
        ({"ageing": 0.5}, TypeError, "ageing must be an int, got 0.5"),
    ],
    ids=str,
)  # fmt: skip
def test_a_bad_option_is_refused_at_construction(
    options: dict[str, Any], kind: type[Exception], message: str
) -> None:
    with pytest.raises(kind) as caught:
        CollectorQueue(**options)
    assert type(caught.value) is kind
    assert str(caught.value) == message


@pytest.mark.parametrize(
    "option",
    [
        "wip_margin",
        "monitor_interval",
    ],
)
def test_an_option_that_is_not_built_is_refused(option: str) -> None:
    with pytest.raises(TypeError, match=option):
        CollectorQueue(**{option: None})


def test_the_first_five_go_by_position_in_the_order_of_the_contract() -> None:
    names = list(inspect.signature(CollectorQueue).parameters)
    assert names[:5] == [
        "collectors", "router", "autoscale", "min_consumers", "max_consumers",
    ]  # fmt: skip
    defaults = {
        name: parameter.default
        for name, parameter in inspect.signature(CollectorQueue).parameters.items()
    }
    assert defaults["autoscale"] is True
    assert (defaults["min_consumers"], defaults["max_consumers"]) == (1, 64)
    assert (defaults["capacity"], defaults["overflow"]) == (10_000, "wait")
    assert (defaults["on_unrouted"], defaults["drain_timeout"]) == ("record", 10.0)
    assert (defaults["default_priority"], defaults["queue_type"]) == (1000, "fifo")
    with pytest.raises(TypeError):
        CollectorQueue((), collectorqueue.SimpleRouter, True, 1, 64, "fifo")  # type: ignore[misc]


def test_import_star_exports_what_the_contract_names_and_works() -> None:
    namespace: dict[str, Any] = {}
    exec("from collectorqueue import *", namespace)
    built = {
        "Collector", "CollectorQueue", "Context", "Payload", "Delivery", "QueueType",
        "Overflow", "EventPublisher", "CollectorEvent", "Outcome", "Router",
        "SimpleRouter", "Ok", "Error", "Result", "ResultList", "Load", "Metrics",
        "Ledger", "DrainReport", "run", "Retry", "Batch", "RateLimit", "DeadLetter",
    }  # fmt: skip
    exported = set(namespace) - {"__builtins__"}
    assert built == exported
    assert exported == set(collectorqueue.__all__)


def test_an_unknown_name_of_the_package_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError) as caught:
        collectorqueue.Qeue  # noqa: B018
    assert str(caught.value) == "module 'collectorqueue' has no attribute 'Qeue'"


# -- starting and closing -----------------------------------------------------------


@both_loops
async def test_a_running_queue_is_not_started_twice() -> None:
    async with CollectorQueue() as queue:
        with pytest.raises(CollectorQueueError) as caught:
            await queue.start()
        assert str(caught.value) == "the queue is running already"
        assert queue.is_running


@pytest.mark.parametrize("timeout", [-1, -2, float("nan"), "1", True])
@both_loops
async def test_a_bad_close_timeout_is_refused_and_the_queue_goes_on(
    timeout: Any,
) -> None:
    async with CollectorQueue([Collector("a", lambda payload: 1)]) as queue:
        with pytest.raises((ConfigError, TypeError)) as caught:
            await queue.close(timeout)
        assert str(caught.value).startswith("timeout must ")
        assert str(caught.value).endswith(f", got {timeout!r}")
        assert queue.is_running
        assert (await queue.publisher.request(7)).first().value == 1


@both_loops
async def test_closing_a_queue_that_never_ran_reports_nothing() -> None:
    report = await CollectorQueue().close()
    assert isinstance(report, DrainReport)
    assert report.ledger == Ledger()
    assert report.aborted == ()


@both_loops
async def test_start_and_close_are_what_async_with_does() -> None:
    queue = CollectorQueue([Collector("a", lambda payload: 1)])
    assert queue.drain_report is None
    await queue.start()
    await queue.publisher.send(7)
    report = await queue.close()
    assert report is queue.drain_report
    assert (report.ledger.accepted, report.ledger.ok, report.complete) == (1, 1, True)
    assert await queue.close() is report


@both_loops
async def test_repr_says_whether_it_runs() -> None:
    queue = CollectorQueue([Collector("a", lambda payload: 1)])
    assert repr(queue) == (
        "<CollectorQueue not running collectors=1 queued=0 consumers=0>"
    )
    async with queue:
        assert repr(queue).startswith("<CollectorQueue running collectors=1 queued=0 ")


# -- what it says of itself -----------------------------------------------------------


@both_loops
async def test_autoscale_keeps_between_its_bounds() -> None:
    gate = Gate()
    queue = CollectorQueue([Collector("gate", gate)], min_consumers=2, max_consumers=5)
    async with queue:
        assert queue.consumers == queue.consumer_count() == 2
        await queue.publisher.send_many(range(20))
        await until(lambda: len(gate.started) == 5)
        await ticks(5)
        assert queue.consumers == 5
        assert queue.load == queue.current_load() == Load(15, 5, 5, "max_consumers")
        assert queue.load.ratio == 4.0
        gate.open()


@both_loops
async def test_without_autoscale_the_pool_has_max_consumers_from_the_start() -> None:
    queue = CollectorQueue(autoscale=False, max_consumers=7)
    async with queue:
        assert queue.consumers == 7
        await ticks(3)
        assert queue.consumers == 7
    assert queue.consumers == 0


def test_the_load_of_no_consumers_is_counted_as_of_one() -> None:
    assert Load(qsize=3, busy=0, consumers=0).ratio == 3.0
    assert Load(qsize=6, busy=2, consumers=4).ratio == 2.0


@pytest.mark.parametrize("loop", ["auto", "uvloop", "asyncio", asyncio.new_event_loop])
def test_run_runs_a_program_on_the_loop_it_names(loop: Any) -> None:
    async def main() -> str:
        async with CollectorQueue(
            [Collector("a", lambda payload: payload.value)]
        ) as queue:
            event = await queue.publisher.send(Payload(7))
            await event
            assert event.outcome is Outcome.OK
        return type(asyncio.get_running_loop()).__module__

    module = run(main(), loop=loop)
    assert module.startswith("uvloop") == (loop in ("auto", "uvloop"))


def test_run_of_an_unknown_loop_is_refused() -> None:
    async def main() -> None: ...

    coroutine = main()
    with pytest.raises(ConfigError) as caught:
        run(coroutine, loop="trio")
    coroutine.close()
    assert str(caught.value) == (
        "loop must be 'auto', 'uvloop', 'winloop', 'asyncio' or a callable, got 'trio'"
    )
