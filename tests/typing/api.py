"""The public names as a program uses them: type-checked by test_api.py, never run.

A wrong use carries a `type: ignore[...]`; strict checkers complain if it is not needed.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from types import MappingProxyType
from typing import Any, Literal, assert_never, assert_type

import collectorqueue
from collectorqueue import (
    Batch,
    Collector,
    CollectorEvent,
    CollectorQueue,
    Context,
    DeadLetter,
    Delivery,
    DrainReport,
    Error,
    EventPublisher,
    Ledger,
    Load,
    Metrics,
    Ok,
    Outcome,
    Overflow,
    Payload,
    QueueType,
    RateLimit,
    Result,
    ResultList,
    Retry,
    Router,
    SimpleRouter,
    run,
)
from collectorqueue.errors import (
    CollectorFailed,
    CollectorQueueError,
    ConfigError,
    DuplicateKey,
    EventAborted,
    EventDropped,
    NotEncodable,
    PayloadInvalid,
    PayloadSealed,
    PayloadTooLarge,
    QueueClosed,
    QueueFailed,
    QueueFull,
    QueueNotStarted,
    RemoteError,
    RunTimeout,
    UnknownKey,
    Unrouted,
    WorkerLost,
    WorkersFailed,
    WouldDeadlock,
    WrongLoop,
    WrongThread,
)

Order = dict[str, int]


# What a first program writes: a decorated function stays itself.

queue = CollectorQueue(max_consumers=32)


@queue.collector(topics="order.paid")
async def receipt(payload: Payload[Order]) -> str:
    return f"receipt for {payload.value['id']}"


@queue.collector
def count(payload: Payload[Order]) -> int:
    return len(payload.value)


@queue.collector("audit", topics=["order.paid", "order.sent"], runs_in="thread")
def write_down(payload: Payload[Any], ctx: Context) -> None:
    ctx.log = [payload.value]
    ctx["log"].append(payload.value)


async def decorated() -> None:
    assert_type(await receipt(Payload({"id": 7})), str)
    assert_type(count(Payload({"id": 7})), int)
    count("no payload")  # type: ignore[arg-type]
    queue.collector("audit", runs_in="fiber")  # type: ignore[call-overload]


# Payload, Ok, Error: generic, covariant, read-only.


def payloads(bare: Payload, wide: Payload[object]) -> None:
    assert_type(bare.value, Any)
    assert_type(wide.value, object)
    payload = Payload({"id": 7}, topics="order.paid", ttl=2.5)
    assert_type(payload, Payload[Order])
    assert_type(payload.value, Order)
    assert_type(payload.delivery, Delivery)
    assert_type(payload.keys, tuple[str, ...])
    assert_type(payload.topics, tuple[str, ...])
    assert_type(payload.priority, int | None)
    assert_type(payload.ttl, float | None)
    payload.set_delivery("key", keys=["mail", "audit"])
    payload.set_delivery(Delivery.BROADCAST)
    payload.set_priority(3)
    Payload(1, Delivery.TOPIC, None, ("a", "b"), 5)
    payloads(payload, payload)
    payload.value = {}  # type: ignore[misc]
    Payload()  # type: ignore[call-arg]
    Payload(1, priority="high")  # type: ignore[arg-type]


def results_of_one() -> None:
    assert_type(Ok(42), Ok[int])
    assert_type(Ok(42).value, int)
    assert_type(Ok(42).unwrap(), int)
    assert_type(Ok(), Ok[None])
    assert_type(Ok(1).ok(), Literal[True])
    wider: Ok[object] = Ok(1)
    assert_type(wider.unwrap(), object)

    failed = Error(ValueError("no"), details={"row": 3})
    assert_type(failed.err, ValueError)
    assert_type(failed.value, None)
    assert_type(failed.traceback, str)
    assert_type(failed.error(), Literal[True])
    assert_type(Error("text").err, str)
    unwraps(failed)
    Error(3)  # type: ignore[type-var]


def unwraps(error: Error) -> None:
    assert_type(error.err, BaseException | type[BaseException] | str)
    error.unwrap()
    print("an Error always raises")  # type: ignore[unreachable]


async def answers(payload: Payload[int]) -> Result:
    if payload.value < 0:
        return Error("below zero")
    return Ok(payload.value)


def told_apart(result: Result) -> str:
    match result:
        case Ok(value):
            assert_type(value, Any)
            return f"{value}"
        case Error(ValueError() as err):
            assert_type(err, ValueError)
            return f"{err.args}"
        case Error(str() as text):
            assert_type(text, str)
            return text
        case Error(err):
            assert_type(err, BaseException | type[BaseException] | str)
            return repr(err)
        case _:
            assert_never(result)


def read_by_isinstance(result: Ok[int] | Error) -> int:
    if isinstance(result, Ok):
        assert_type(result, Ok[int])
        return result.value
    return result.unwrap()


# A ResultList is a Sequence, and has the collectors' keys.


def results_of_all(results: ResultList) -> None:
    as_sequence: Sequence[Ok[Any] | Error] = results
    assert_type(results["receipt"], Ok[Any] | Error)
    assert_type(results[0], Ok[Any] | Error)
    assert_type(results[1:], list[Ok[Any] | Error])
    assert_type(results.first().unwrap(), Any)
    assert_type(results.keys(), tuple[str | None, ...])
    assert_type(results.items(), list[tuple[str | None, Ok[Any] | Error]])
    assert_type(results.errors(), list[Error])
    assert_type(results.size() + len(results) + len(as_sequence), int)
    for key, result in results.items():
        print(key, result.value, result.ok())
    for result in results.iter():
        assert_type(result, Ok[Any] | Error)
    ResultList([Ok(1), Error("no")], ["first", "second"]).append(Ok(3))
    ResultList([1])  # type: ignore[list-item]


# Publishing.


async def publish(publisher: EventPublisher) -> None:
    event = await publisher.send({"id": 7}, topics="order.paid", priority=3, ttl=1.5)
    assert_type(event, CollectorEvent)
    assert_type(publisher.send_nowait(Payload(1), "key", ["a"]), CollectorEvent)
    assert_type(publisher.send_nowait(1, Delivery.KEY, keys="a"), CollectorEvent)
    assert_type(await publisher.send_many(range(10)), list[CollectorEvent])
    assert_type(await publisher.request(1, keys="a", timeout=2), ResultList)
    assert_type(await publisher.call("price", {"id": 7}), Any)
    total: int = await publisher.call(Collector("total", len), [1, 2], timeout=0.5)
    await publisher.send(1, ordering_key="device-7", delay=0.5)
    await publisher.send(1, ordering_key=1.5)  # type: ignore[arg-type]
    assert_type(publisher.send_threadsafe(1, keys="a", block=False, timeout=1), None)
    future = publisher.request_threadsafe(1, keys="a", timeout=2)
    assert_type(future, concurrent.futures.Future[ResultList])
    assert_type(await publisher.wait(), None)
    await publisher.send(1, topic="misspelt")  # type: ignore[call-arg]
    publisher.send_nowait(1, keys=7)  # type: ignore[arg-type]
    print(total)


async def watch(event: CollectorEvent) -> None:
    assert_type(await event, ResultList)
    assert_type(await event.wait(), ResultList)
    assert_type(await event.wait(timeout=0.5), ResultList)
    assert_type(event.outcome, Outcome | None)
    assert_type(event.get_result(), ResultList | None)
    assert_type(event.payload, Payload[Any])
    assert_type(event.is_done(), bool)
    assert_type(event.cancel(), bool)
    assert_type(event.id + event.wait_time() + event.service_time(), int)
    waiting = asyncio.create_task(event.wait(1))
    assert_type(await waiting, ResultList)
    first, second = await asyncio.gather(event, event.wait())
    assert_type(first.first() == second.first(), bool)
    match event.outcome:
        case Outcome.OK | Outcome.FAILED:
            print("collected")
        case Outcome.UNROUTED | Outcome.DROPPED | Outcome.ABORTED:
            print("not collected")
        case None:
            print("under way")
        case _:
            assert_never(event.outcome)


# A queue with everything said.


@asynccontextmanager
async def open_database(ctx: Context) -> AsyncIterator[None]:
    ctx.database = {}
    yield


class ByShop(Router):
    def select(self, payload: Payload[Any]) -> Iterable[Collector | str]:
        assert_type(self.collectors, Mapping[str, Collector])
        return [payload.value["shop"], *self.collectors.values()]


class OneAfterTheOther(SimpleRouter):
    async def handle_event(self, payload: Payload[Any]) -> ResultList:
        keys = list(self.select(payload))
        results = [await self.collectors[key].process(payload) for key in keys]
        return ResultList(results, keys)


async def store(payload: Payload[Order], ctx: Context) -> Ok[int]:
    ctx["database"][payload.value["id"]] = payload.value
    return Ok(len(ctx["database"]))


async def everything() -> None:
    stored = Collector(
        "store",
        store,
        topics=("order.paid", "order.sent"),
        ctx=Context({"database": {}}),
        lifecycle=open_database,
        runs_in="loop",
    )
    whole = CollectorQueue(
        [stored],
        ByShop,
        autoscale=False,
        min_consumers=1,
        max_consumers=4,
        queue_type="priority",
        capacity=100,
        overflow=Overflow.REJECT,
        on_unrouted="error",
        drain_timeout=None,
        report_interval=1.0,
        default_priority=10,
        ageing=100,
        propagate_context=True,
    )
    CollectorQueue(router=lambda collectors: ByShop(collectors))
    CollectorQueue(router=OneAfterTheOther, queue_type=QueueType.LIFO, overflow="wait")
    CollectorQueue(retries=3)  # type: ignore[call-arg]

    async with whole as entered, whole.shutdown_on_signals():
        assert_type(entered, CollectorQueue)
        assert_type(whole.publisher, EventPublisher)
        assert_type(whole.get_publisher(), EventPublisher)
        assert_type(whole.collectors, MappingProxyType[str, Collector])
        assert_type(whole.load, Load)
        assert_type(whole.current_load().ratio, float)
        assert_type(whole.metrics, Metrics)
        assert_type(whole.get_metrics().arrival_rate, float)
        assert_type(whole.ledger, Ledger)
        assert_type(whole.ledger.closes, bool)
        assert_type(whole.consumers + whole.consumer_count(), int)
        assert_type(whole.collector_stats()["store"].run.p99, float)
        await whole.add_collector(Collector("late", len))
        await whole.remove_collector("late")
    report = await whole.close(timeout=2)
    assert_type(report, DrainReport)
    assert_type(report.aborted, tuple[Payload[Any], ...])
    assert_type(report.ledger.aborted + report.ledger.queued, int)
    assert_type(whole.drain_report, DrainReport | None)


# Delivery policies, and collectors with types.


async def price(payload: Payload[Order]) -> float:
    return 1.5 * payload.value["id"]


async def checked(payload: Payload[Order]) -> Ok[str] | Error:
    return Ok("fine") if payload.value else Error("empty")


def size(payload: Payload[str]) -> int:
    return len(payload.value)


async def many(payloads: list[Payload[Order]]) -> list[int]:
    return [payload.value["id"] for payload in payloads]


def keep(letter: DeadLetter) -> None:
    assert_type(letter.attempts, int)
    assert_type(letter.payload, Payload[Any])
    assert_type(letter.first_failed + letter.last_failed + letter.sent, float)


async def typed(publisher: EventPublisher) -> None:
    priced = Collector("price", price, payload_type=Order, validate="send")
    assert_type(priced, Collector[Order, float])
    assert_type(await publisher.call(priced, {"id": 7}), float)
    assert_type(await publisher.call(Collector("checked", checked), {"id": 7}), str)
    assert_type(await publisher.call(Collector("size", size), "text"), int)
    assert_type(await publisher.request({"id": 7}, keys="price"), ResultList)
    await publisher.call(priced, "no order")  # type: ignore[misc]
    declared: Collector[Order, float] = Collector("price", price)
    of_anything: Collector = declared
    of_anything.rate_limit = RateLimit(10, per=60, burst=5)
    of_anything.max_concurrency = 3
    Collector(
        "many",
        many,
        batch=Batch(200, wait=0.1, by=lambda payload: payload.value["shop"]),
        retry=Retry(attempts=5, on=(OSError,), never=(ConnectionError,)),
        timeout=5,
        dead_letter=keep,
    )
    whole = CollectorQueue(
        [priced], dead_letter=of_anything, max_bytes=2**20, size_of=len
    )
    assert_type(whole.dead_letters, tuple[DeadLetter, ...])
    assert_type(whole.metrics.policies.retries, int)
    try:
        await publisher.send(b"", keys="price")
    except (PayloadInvalid, PayloadTooLarge) as error:
        print(error)
    Collector("price", price, retry=3)  # type: ignore[call-overload]


# Errors, and what they carry.


async def refused(publisher: EventPublisher) -> None:
    try:
        await publisher.call("misspelt", 1)
    except QueueFull as error:
        assert_type(error.capacity, int)
    except (UnknownKey, DuplicateKey) as error:
        assert_type(error.key, str)
    except (QueueNotStarted, QueueClosed, QueueFailed, Unrouted, PayloadSealed):
        raise
    except (EventAborted, EventDropped, CollectorFailed):
        raise
    except (WouldDeadlock, WrongLoop, WrongThread, ConfigError):
        raise
    except CollectorQueueError as error:
        print(error)


# Running.


async def main() -> int:
    async with queue:
        event = await queue.publisher.send({"id": 7}, topics="order.paid")
        return (await event).size()


def running() -> None:
    assert_type(run(main()), int)
    assert_type(collectorqueue.run(main(), loop="asyncio", debug=True), int)
    run(main(), loop=asyncio.new_event_loop)
    run(main)  # type: ignore[arg-type]


# Collectors in worker processes.


def thumbnail(payload: Payload[bytes]) -> bytes:
    return payload.value[:10]


async def in_processes() -> None:
    queue = CollectorQueue(
        [Collector("thumbnail", thumbnail, runs_in="process", idempotent=True, timeout=5)],
        workers=(1, 4),
        max_events_per_worker=10_000,
        max_worker_bytes=2**30,
    )

    @queue.collector(runs_in="process", payload_type=Order, max_concurrency=2)
    def totals(payload: Payload[Order]) -> int:
        return sum(payload.value.values())

    queue.collector(runs_in="process", retries=3)  # type: ignore[call-overload]
    try:
        async with queue:
            await queue.publisher.call("thumbnail", b"")
    except WorkersFailed as error:
        print(error)
    except WorkerLost as error:
        assert_type(error.signal, int | None)
        assert_type(error.exit_code, int | None)
    except (RunTimeout, RemoteError) as remote:
        assert_type(remote.type_name, str)
        assert_type(remote.traceback, str)
    except NotEncodable as unfit:
        assert_type(unfit.path, str)
