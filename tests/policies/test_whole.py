"""The policies at work together, and on real data; figures in virtual time."""

from __future__ import annotations

import asyncio
import gc
import gzip
import json
import random
import weakref
from collections import defaultdict
from typing import Any

import pytest

from collectorqueue import (
    Batch,
    Collector,
    CollectorEvent,
    CollectorQueue,
    Outcome,
    Payload,
    RateLimit,
    Retry,
)
from collectorqueue.testing import run_virtual
from tests.support import SHARED_DATA, Gate, assert_closes, ticks, virtual


def p99(values: list[float]) -> float:
    return sorted(values)[int(len(values) * 0.99)]


async def waits_with(stuck: bool) -> list[float]:
    """How long the events of 1,000 keys take, while one key is stuck for 5 s, or not."""
    numbers = random.Random(5)
    running: set[str] = set()
    seen: dict[str, list[int]] = defaultdict(list)

    async def handle(payload: Payload[tuple[str, int]]) -> None:
        key, number = payload.value
        assert key not in running
        running.add(key)
        seen[key].append(number)
        await asyncio.sleep(5 if stuck and key == "k0" else numbers.random() * 0.005)
        running.discard(key)

    events: list[tuple[str, CollectorEvent]] = []
    queue = CollectorQueue(
        [Collector("handle", handle)], min_consumers=1, max_consumers=64, capacity=30_000,
        drain_timeout=None,
    )  # fmt: skip
    sizes = set()
    async with queue:
        for number in range(20_000):
            key = f"k{numbers.randrange(1000)}"
            if key == "k0" and len(seen["k0"]) > 0 and stuck:
                key = "k1"
            events.append(
                (key, await queue.publisher.send((key, number), ordering_key=key))
            )
            if number % 20 == 0:
                await asyncio.sleep(0.002)
                sizes.add(queue.consumers)
        await queue.publisher.wait()
        assert_closes(queue)
    for key in seen:
        assert seen[key] == sorted(seen[key])
    assert min(sizes) < 64
    return [
        (event.wait_time() + event.service_time()) / 1e9 for key, event in events if key != "k0"
    ]


def test_a_stuck_key_moves_the_others_by_less_than_a_tenth() -> None:
    free = p99(run_virtual(waits_with(False)))
    stuck = p99(run_virtual(waits_with(True)))
    assert stuck < 1.1 * free


@pytest.mark.repetitive
def test_a_market_day_by_product() -> None:
    path = SHARED_DATA / "coinbase_ws.log.gz"
    if not path.is_file():
        pytest.skip(f"{path} is not here")
    messages: list[dict[str, Any]] = []
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            _, found, text = line.partition(": ")
            if found and text.startswith("{"):
                messages.append(json.loads(text))
            if len(messages) == 10_000:
                break
    numbers = random.Random(11)
    naps = [numbers.random() * 0.004 for _ in messages]
    last: dict[str, int] = {}
    inversions = 0

    async def handle(payload: Payload[int]) -> None:
        nonlocal inversions
        product = str(payload.ordering_key)
        inversions += last.get(product, -1) > payload.value
        last[product] = payload.value
        await asyncio.sleep(naps[payload.value])

    async def main() -> float:
        queue = CollectorQueue(
            [Collector("handle", handle)], min_consumers=32, max_consumers=32, capacity=20_000
        )
        loop = asyncio.get_running_loop()
        async with queue:
            begun = loop.time()
            for number, message in enumerate(messages):
                product = message.get("product_id") or message["type"]
                await queue.publisher.send(number, ordering_key=product)
            await queue.publisher.wait()
            return loop.time() - begun

    seconds = run_virtual(main())
    assert inversions == 0
    assert seconds < 0.5 * sum(naps)


@virtual
async def test_a_million_delays_fit_and_fire_in_order() -> None:
    import tracemalloc

    count = 20_000
    fired: list[int] = []
    queue = CollectorQueue([Collector("log", lambda p: fired.append(p.value))], capacity=count)
    numbers = random.Random(2)
    delays = [numbers.randrange(1, 1000) for _ in range(count)]
    async with queue:
        gc.collect()
        tracemalloc.start()
        before, _ = tracemalloc.get_traced_memory()
        for number, delay in enumerate(delays):
            queue.publisher.send_nowait(number, delay=delay)
        after, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert queue.ledger.queued == count
        await queue.publisher.wait()
    assert fired == sorted(range(count), key=lambda number: delays[number])
    # Payload, event and terms are made for others too: 290 bytes without the entry.
    assert (after - before) / count < 290 + 300


@virtual
async def test_after_everything_nothing_is_left() -> None:
    numbers = random.Random(8)

    async def handle(payload: Payload[int]) -> int:
        await asyncio.sleep(numbers.random())
        if numbers.random() < 0.3:
            raise ValueError
        return payload.value

    async def many(payloads: list[Payload[int]]) -> list[int]:
        await asyncio.sleep(numbers.random())
        return [payload.value for payload in payloads]

    collectors = [
        Collector("one", handle, retry=Retry(backoff=1), max_concurrency=5, timeout=0.9),
        Collector("two", handle, rate_limit=RateLimit(100)),
        Collector("many", many, batch=Batch(size=7, wait=1), retry=Retry(backoff=1)),
    ]
    letters: list[Any] = []
    queue = CollectorQueue(
        collectors, max_consumers=6, capacity=500, dead_letter=letters.append
    )
    async with queue:
        events = []
        for number in range(2000):
            events.append(
                await queue.publisher.send(
                    number,
                    keys=numbers.choice([None, "one", "two", "many", ["one", "many"]]),
                    ordering_key=numbers.choice([None, number % 13]),
                    delay=numbers.choice([None, numbers.random()]),
                    ttl=numbers.choice([None, 30.0]),
                )
            )
            if numbers.random() < 0.05:
                numbers.choice(events).cancel()
            if numbers.random() < 0.1:
                await asyncio.sleep(numbers.random() / 10)
        await queue.publisher.wait()
        assert_closes(queue)
        failures = 0
        for event in events:
            if event.outcome is Outcome.FAILED:
                failures += len((await event).errors())
        assert len(letters) == failures
        assert queue.ledger.queued == queue.ledger.in_flight == queue.load.busy == 0
        for collector in collectors[:1]:
            assert collector.step is not None and collector.step.gate is not None
            assert collector.step.gate.taken == 0  # type: ignore[attr-defined]
        assert queue._core.deadlines < 200
        await ticks(3)


@pytest.mark.parametrize(
    "options",
    [
        {"max_concurrency": 1},
        {"rate_limit": RateLimit(1)},
        {"batch": Batch(size=2, wait=100)},
        {"retry": Retry(backoff=100)},
        {"timeout": 100},
        {"payload_type": int},
        {"dead_letter": print},
    ],
)
def test_a_queue_that_is_dropped_with_events_that_wait_is_freed(
    options: dict[str, Any],
) -> None:
    async def fail(payload: Any) -> None:
        raise ValueError

    async def start() -> Any:
        queue = CollectorQueue([Collector("fail", fail, **options), Collector("g", Gate())])
        await queue.start()
        events = [queue.publisher.send_nowait(n, ordering_key="k") for n in range(3)]
        events += [queue.publisher.send_nowait(n) for n in range(3)]
        events.append(queue.publisher.send_nowait(1, delay=100))
        await ticks(5)
        return weakref.ref(queue), events

    loop = asyncio.new_event_loop()
    try:
        alive, events = loop.run_until_complete(start())
    finally:
        loop.close()
    with pytest.warns(ResourceWarning, match="without close"):
        gc.collect()
    assert alive() is None
    assert len(events) == 7


def test_what_is_off_adds_nothing_to_a_step_or_an_event() -> None:
    from collectorqueue._native.event import CollectorEvent as Event
    from collectorqueue._native.payload import Payload as Bare

    queue = CollectorQueue([Collector("plain", print)])
    (step,) = queue._registry.steps.values()
    assert (step.gate, step.batching, step.retrial, step.convert) == (None,) * 4
    assert (Event.__basicsize__, Bare.__basicsize__) == (96, 48)  # type: ignore[attr-defined]
