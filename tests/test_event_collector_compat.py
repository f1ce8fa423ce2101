"""At home to event-collector's users: equal programs on both packages, equal results.

What its README and documentation show runs here after changing the import. Where it is
not installed (it needs Python 3.13), the programs run on ours alone, and say so.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import importlib.metadata
import importlib.util
import io
import json
import os
import re
import subprocess
import sys
import types
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

import collectorqueue
from tests.support import VirtualLoop, run_on

THEIRS = "event_collector"

needs_theirs = pytest.mark.skipif(
    importlib.util.find_spec(THEIRS) is None,
    reason="event-collector is not installed here (it needs Python 3.13)",
)


# Programs as event-collector's documentation shows them; each takes the package.


async def first_program(package: Any) -> Any:
    async def event_handler(payload: Any, ctx: Any) -> Any:
        await asyncio.sleep(1)
        return package.Ok({"data": payload.value, "status": "OK"})

    collector = package.Collector("demo-collector", event_handler)
    found = []
    async with package.CollectorQueue(
        [collector], min_consumers=1, max_consumers=100, report_interval=1.0
    ) as collector_queue:
        publisher = collector_queue.get_publisher()
        for i in range(3):
            event = await publisher.send(package.Payload({"payload": f"data {i}"}))
            result_list = await event.wait()
            found.append(result_list.first().unwrap())
    return found


async def deliveries(package: Any) -> Any:
    calls: list[str] = []

    def collector(key: str, topics: Any = None) -> Any:
        async def called(payload: Any, ctx: Any) -> Any:
            calls.append(f"{key} {payload.value}")
            return package.Ok(f"{key} {payload.value}")

        return package.Collector(key, called, topics=topics)

    collectors = [
        collector("a", ["news"]), collector("b", ["news", "weather"]), collector("c"),
    ]  # fmt: skip
    found = []
    payload_of, delivery = package.Payload, package.Delivery
    async with package.CollectorQueue(collectors) as queue:
        publisher = queue.get_publisher()
        for payload in (
            payload_of(1),
            payload_of(2, delivery=delivery.BROADCAST),
            payload_of(3, delivery=delivery.KEY, keys=["b"]),
            payload_of(4, delivery=delivery.KEY, keys=["c", "a", "c"]),
            payload_of(5, delivery=delivery.TOPIC, topics=["news"]),
            payload_of(6, delivery=delivery.TOPIC, topics=["weather", "news"]),
            payload_of(7, delivery.KEY, ["a"]),
        ):
            event = await publisher.send(payload)
            results = await event.wait()
            # Theirs come in any order.
            found.append(sorted(result.unwrap() for result in results))
        await publisher.wait()
    return found, sorted(calls)


async def set_before_sending(package: Any) -> Any:
    async def tell(payload: Any, ctx: Any) -> Any:
        return package.Ok((payload.value, payload.priority))

    queue = package.CollectorQueue(
        [package.Collector("a", tell), package.Collector("b", tell, topics=["t"])],
        queue_type=package.QueueType.PRIORITY,
    )
    found = []
    async with queue:
        publisher = queue.get_publisher()
        payload = package.Payload("keyed")
        payload.set_delivery(package.Delivery.KEY, keys=["a"])
        payload.set_priority(5)
        found.append([r.unwrap() for r in await (await publisher.send(payload)).wait()])
        payload = package.Payload("topical")
        payload.set_delivery(package.Delivery.TOPIC, topics=["t"])
        found.append([r.unwrap() for r in await (await publisher.send(payload)).wait()])
    return found


async def match_results(package: Any) -> Any:
    async def handler(payload: Any, ctx: Any) -> Any:
        match payload.value:
            case "raise":
                raise ValueError("raised")
            case "error":
                return package.Error(KeyError("returned"))
            case "text":
                return package.Error("only a text", details={"more": 1})
            case value:
                return package.Ok(value)

    found: list[Any] = []
    async with package.CollectorQueue([package.Collector("a", handler)]) as queue:
        publisher = queue.get_publisher()
        for value in ("fine", "raise", "error", "text"):
            event = await publisher.send(package.Payload(value))
            result_list = await event.wait()
            assert event.is_done()
            assert len(event.get_result()) == 1
            assert result_list.size() == len(result_list) == 1
            assert [each.ok() for each in result_list.iter()] == [result_list[0].ok()]
            match result_list.first():
                case package.Ok(value):
                    found.append(("ok", value))
                case package.Error(err):
                    found.append(("error", type(err).__name__, str(err)))
            result = result_list.first()
            found.append((result.ok(), result.error(), result.value))
            if value == "text":
                found.append(result.details)
            try:
                found.append(result.unwrap())
            except Exception as exc:
                found.append(str(exc))
    found.append(package.ResultList().first().error())
    return found


async def context_and_lifecycle(package: Any) -> Any:
    story: list[Any] = []

    @contextlib.asynccontextmanager
    async def lifecycle(ctx: Any) -> AsyncIterator[None]:
        ctx.database = ["opened"]
        ctx["count"] = 0
        story.append("entered")
        yield
        story.append(f"left with {ctx.count} of {ctx['database']}")

    async def handler(payload: Any, ctx: Any) -> Any:
        ctx.count += 1
        ctx.database.append(payload.value)
        return package.Ok((ctx["count"], len(ctx.database), ctx.name))

    ctx = package.Context({"name": "mine"})
    collector = package.Collector("store", handler, ctx=ctx, lifecycle=lifecycle)
    found = []
    async with package.CollectorQueue([collector], max_consumers=1) as queue:
        story.append("inside")
        publisher = queue.get_publisher()
        for i in range(3):
            event = await publisher.send(package.Payload(i))
            found.append((await event.wait()).first().unwrap())
    del ctx.name
    story.append((sorted(ctx), len(ctx), hasattr(ctx, "name")))
    return found, story


async def custom_router(package: Any) -> Any:
    class MyRouter(package.Router):  # type: ignore[name-defined, misc]
        async def handle_event(self, payload: Any) -> Any:
            results = package.ResultList()
            for key in payload.value["keys"]:
                results.append(await self.collectors[key].process(payload))
            return results

    async def handler(payload: Any, ctx: Any) -> Any:
        return package.Ok((ctx.name, payload.value["n"]))

    collectors = [
        package.Collector(key, handler, ctx=package.Context({"name": key}))
        for key in "abc"
    ]
    found = []
    async with package.CollectorQueue(collectors, router=MyRouter) as queue:
        publisher = queue.get_publisher()
        for n, keys in enumerate((["b"], ["c", "a"], ["a", "a", "b"])):
            event = await publisher.send(package.Payload({"n": n, "keys": keys}))
            found.append([result.unwrap() for result in await event.wait()])
    return found


async def priorities(package: Any) -> Any:
    order: list[Any] = []
    started, go_on = asyncio.Event(), asyncio.Event()

    async def handler(payload: Any, ctx: Any) -> Any:
        order.append(payload.value)
        if payload.value == "first":
            started.set()
            await go_on.wait()
        return package.Ok(None)

    async with package.CollectorQueue(
        [package.Collector("a", handler)],
        queue_type=package.QueueType.PRIORITY,
        autoscale=False,
        min_consumers=1,
        max_consumers=1,
    ) as queue:
        publisher = queue.get_publisher()
        await publisher.send(package.Payload("first"))
        await started.wait()
        for value, priority in (
            ("low", 2000), ("default", None), ("urgent", 1), ("high", 999), ("also", 1),
        ):  # fmt: skip
            await publisher.send(package.Payload(value, priority=priority))
        go_on.set()
        await publisher.wait()
    return order


async def last_in_first_out(package: Any) -> Any:
    order: list[Any] = []
    started, go_on = asyncio.Event(), asyncio.Event()

    async def handler(payload: Any, ctx: Any) -> Any:
        order.append(payload.value)
        started.set()
        await go_on.wait()
        return package.Ok(None)

    async with package.CollectorQueue(
        [package.Collector("a", handler)],
        queue_type=package.QueueType.LIFO,
        autoscale=False,
        min_consumers=1,
        max_consumers=1,
    ) as queue:
        publisher = queue.get_publisher()
        await publisher.send(package.Payload("first"))
        await started.wait()
        for value in range(4):
            await publisher.send(package.Payload(value))
        go_on.set()
        await publisher.wait()
    return order


async def many_events(package: Any) -> Any:
    async def square(payload: Any, ctx: Any) -> Any:
        await asyncio.sleep(0)
        return package.Ok(payload.value**2)

    async with package.CollectorQueue(
        [package.Collector("square", square)], min_consumers=2, max_consumers=8
    ) as queue:
        publisher = queue.get_publisher()
        events = [await publisher.send(package.Payload(n)) for n in range(200)]
        await publisher.wait()
        assert all(event.is_done() for event in events)
        return [event.get_result().first().unwrap() for event in events]


async def metrics_fields(package: Any) -> Any:
    async def work(payload: Any, ctx: Any) -> Any:
        await asyncio.sleep(0.1)
        return package.Ok(None)

    async with package.CollectorQueue(
        [package.Collector("work", work)], min_consumers=2, max_consumers=2
    ) as queue:
        publisher = queue.get_publisher()
        for n in range(4):
            await publisher.send(package.Payload(n))
        await publisher.wait()
        await asyncio.sleep(4)
        metrics, load = queue.get_metrics(), queue.current_load()
        assert queue.consumer_count() == 2
        names = (
            "qsize", "busy", "consumers", "load", "avg_load", "service_time",
            "wait_time", "arrival_rate", "departure_rate", "wip", "event_count",
        )  # fmt: skip
        numbers = {name: getattr(metrics, name) for name in names}
        assert all(isinstance(number, int | float) for number in numbers.values())
        return (
            {
                name: numbers[name]
                for name in ("qsize", "busy", "consumers", "event_count")
            },
            (load.qsize, load.busy, load.consumers, load.ratio),
        )


PROGRAMS: list[Callable[[Any], Any]] = [
    first_program, deliveries, set_before_sending, match_results, context_and_lifecycle,
    custom_router, priorities, last_in_first_out, many_events, metrics_fields,
]  # fmt: skip


def played(program: Callable[[Any], Any], package: Any) -> Any:
    """What a program gives, in virtual time, as JSON has it."""
    # Theirs leaves tasks to the loop's end.
    leftovers = package.__name__ == THEIRS
    result = run_on(VirtualLoop(), program(package), leftovers=leftovers)
    return json.loads(json.dumps(result))


def readme_program() -> str:
    description = importlib.metadata.metadata("event-collector").get_payload()
    assert isinstance(description, str)
    blocks = re.findall(r"``` ?python\n(.*?)```", description, re.DOTALL)
    (program,) = [block for block in blocks if "async def main" in block]
    assert program.count("from event_collector import") == 1
    return str(program)


def printed_by(source: str) -> list[Any]:
    """The JSON objects that a program's main() prints by itself."""
    module = types.ModuleType("example")
    exec(compile(source, "example.py", "exec"), module.__dict__)
    out = io.StringIO()
    module.__dict__["print"] = lambda *args: print(*args, file=out)
    run_on(VirtualLoop(), module.__dict__["main"](), leftovers=True)
    return [json.loads(line) for line in out.getvalue().splitlines()]


def play_theirs(path: str) -> None:
    """Run all programs on event-collector; write what they gave to a file."""
    package = importlib.import_module(THEIRS)
    found = {program.__name__: played(program, package) for program in PROGRAMS}
    found["README"] = printed_by(readme_program())
    Path(path).write_text(json.dumps(found), encoding="utf-8")


@pytest.fixture(scope="module")
def theirs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What event-collector gave; in another process, as it reconfigures logging."""
    path = tmp_path_factory.mktemp("theirs") / "found.json"
    root = Path(__file__).resolve().parent.parent
    code = "import sys; from tests.test_event_collector_compat import play_theirs"
    subprocess.run(
        [sys.executable, "-c", f"{code}; play_theirs(sys.argv[1])", str(path)],
        cwd=root,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        stdout=subprocess.DEVNULL,
        timeout=60,
        check=True,
    )
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


@needs_theirs
@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.__name__)
def test_a_documented_program_gives_the_same_on_both_packages(
    program: Callable[[Any], Any], theirs: dict[str, Any]
) -> None:
    assert played(program, collectorqueue) == theirs[program.__name__]


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.__name__)
def test_a_documented_program_runs_on_ours(program: Callable[[Any], Any]) -> None:
    assert played(program, collectorqueue)


@needs_theirs
def test_its_readme_program_prints_the_same_after_changing_the_import(
    theirs: dict[str, Any],
) -> None:
    source = readme_program()
    ours = printed_by(
        source.replace("from event_collector import", "from collectorqueue import")
    )
    assert ours == theirs["README"]
    assert [each["data"]["payload"] for each in ours] == [
        f"payload data {i}" for i in range(3)
    ]


# -- what differs, on purpose; told in docs/coming-from-event-collector.md ------------


def test_keys_alone_imply_the_key_delivery() -> None:
    assert collectorqueue.Payload(1, keys=["a"]).delivery is collectorqueue.Delivery.KEY


def test_results_are_labelled_and_ordered_and_an_event_has_an_outcome() -> None:
    async def main() -> None:
        collectors = [
            collectorqueue.Collector(key, lambda payload, key=key: key) for key in "ba"
        ]
        async with collectorqueue.CollectorQueue(collectors) as queue:
            event = await queue.publisher.send(1)
            results = await event
            assert results.keys() == ("b", "a")
            assert event.outcome is collectorqueue.Outcome.OK
            event = await queue.publisher.send(1, keys="nobody")
            assert (await event).first().error()
            assert event.outcome is collectorqueue.Outcome.UNROUTED

    asyncio.run(main())
