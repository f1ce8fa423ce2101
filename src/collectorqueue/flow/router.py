"""Router: which collectors a payload is for, when key, topic and broadcast do not say."""

from __future__ import annotations

import asyncio
import inspect
from abc import ABC
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from collectorqueue._native.payload import Payload
from collectorqueue._native.plan import Step
from collectorqueue._native.results import ResultList
from collectorqueue._native.router import Index
from collectorqueue.errors import ConfigError, UnknownKey
from collectorqueue.flow.collector import Collector

__all__ = ["Router", "RouterFactory", "SimpleRouter", "selection", "takes_over"]


class Router(ABC):  # noqa: B024 - one of two is overridden
    """Base of custom routers: override `select`, or `handle_event` for full control.

        class ByShop(Router):
            def select(self, payload):
                return [payload.value["shop"]]      # collectors, or their keys

        CollectorQueue(collectors, router=ByShop)

    `collectors` is a live, read-only mapping of key to Collector. A router that raises, or
    names a collector that is not registered, costs its event an Error and nothing else.
    """

    def __init__(self, collectors: Mapping[str, Collector] | None = None) -> None:
        self.collectors: Mapping[str, Collector] = (
            {} if collectors is None else collectors
        )

    def select(self, payload: Payload[Any]) -> Iterable[Collector | str]:
        """The collectors for a payload, in any order; none: the event is UNROUTED."""
        raise ConfigError(
            f"{type(self).__name__} must override select() or handle_event()"
        )

    async def handle_event(self, payload: Payload[Any]) -> ResultList:
        """Collect an event altogether: run collectors by `await collector.process(payload)`.

        What is returned is the event's ResultList; without any result it is UNROUTED.
        """
        selected = self.select(payload)
        chosen = [
            self.collectors[each] if isinstance(each, str) else each
            for each in ((selected,) if isinstance(selected, str) else selected)
        ]
        if len(chosen) == 1:
            results = [await chosen[0].process(payload)]
        else:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(each.process(payload)) for each in chosen]
            results = [task.result() for task in tasks]
        return ResultList(results, [each.key for each in chosen])


class SimpleRouter(Router):
    """The router of a queue that is given no other: by key, by exact topic, or to all.

    As it is, it never runs: the compiled core looks its indexes up. A subclass may call
    `select` and `handle_event` of this class.
    """

    index: Index | None = None  # the queue's own, once it belongs to one

    def select(self, payload: Payload[Any]) -> Iterable[str]:
        """The keys of the matching collectors, in registration order."""
        if self.index is None:
            self.index = Index()
            for each in self.collectors.values():
                step = Step(each.key, each, each.processor, each.ctx)
                self.index.add(step, each.topics)
        return self.index.find(payload)


RouterFactory = Callable[[Mapping[str, Collector]], Any]


def takes_over(router: object) -> bool:
    """Whether a router runs collectors itself, by a `handle_event` of its own."""
    own = getattr(type(router), "handle_event", None)
    return own is not None and own is not Router.handle_event


def selection(
    router: Any, index: Index
) -> Callable[[Payload[Any]], tuple[Step, ...]] | None:
    """How to ask a router for the steps of a payload; None: the index knows as well."""
    if getattr(type(router), "select", None) is SimpleRouter.select:
        return None
    if not callable(getattr(router, "select", None)):
        raise ConfigError(f"a router needs select() or handle_event(), got {router!r}")

    if inspect.iscoroutinefunction(router.select):
        raise ConfigError(
            f"a router's select() is a plain function, got the async {router.select!r}"
        )

    def select(payload: Payload[Any]) -> tuple[Step, ...]:
        chosen: dict[Step, None] = {}
        selected = router.select(payload)
        for each in (selected,) if isinstance(selected, str) else selected:
            key: Any = each if isinstance(each, str) else getattr(each, "key", None)
            step = index.steps.get(key)
            if step is None or not (isinstance(each, str) or step.collector is each):
                raise UnknownKey(
                    f"the router selected {each!r}, which is not registered", str(key)
                )
            chosen[step] = None
        if len(chosen) > 1:
            return tuple(sorted(chosen, key=lambda step: step.order))
        return tuple(chosen)

    return select
