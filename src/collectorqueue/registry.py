"""The registry: which collectors a queue has, and how its router finds them.

Rules of residence: registration. What a collector needs in order to run is `running`'s.
"""

from __future__ import annotations

from collections.abc import Iterable
from types import MappingProxyType

from collectorqueue._native.core import Core
from collectorqueue._native.plan import Step
from collectorqueue.errors import ConfigError, DuplicateKey, UnknownKey
from collectorqueue.flow.collector import Collector
from collectorqueue.flow.router import RouterFactory, SimpleRouter, selection, takes_over

__all__ = ["Registry"]


class Registry:
    """The collectors of one queue, by key, in the order they were registered."""

    def __init__(
        self, core: Core, collectors: Iterable[Collector], dead_letter: object = None
    ) -> None:
        self._index = core.index
        self._collectors: dict[str, Collector] = {}
        self._joining: set[str] = set()  # keys that are being added
        self.collectors = MappingProxyType(self._collectors)
        for each in collectors:
            self.add(each)
        self.add_sink(dead_letter)

    def add(self, collector: Collector) -> None:
        """From now on events go there. Raises DuplicateKey."""
        for sink in [each for each in self._index.sinks if each.collector is collector]:
            self._index.remove(sink, ())  # so far it was one only, of another's dead letters
        self.route_to(self.steps_for(collector))

    def step_for(self, collector: Collector) -> Step:
        """Its plan; it is not routed to yet. Raises DuplicateKey."""
        if not isinstance(collector, Collector):
            raise TypeError(f"a queue takes Collector objects, got {collector!r}")
        if collector.key in self.steps or collector.key in self._joining:
            raise DuplicateKey(collector.key)
        return Step(
            collector.key,
            collector,
            collector.processor,
            collector.ctx,
            with_ctx=collector.takes_context,
            detached=collector.runs_in != "loop",
            inline=collector.is_inline,
        )

    def steps_for(self, collector: Collector) -> list[Step]:
        """The same, after that of its dead-letter collector, if nobody has that yet."""
        step = self.step_for(collector)
        sinks = self._unknown_sink(collector.dead_letter)
        if any(sink.key == step.key for sink in sinks):
            raise DuplicateKey(step.key)
        return [*sinks, step]

    def reserve(self, steps: list[Step]) -> None:
        """Nobody else may take their keys, until they are released."""
        self._joining.update(step.key for step in steps)

    def release(self, steps: list[Step]) -> None:
        """They have been registered, or will not be."""
        self._joining.difference_update(step.key for step in steps)

    def add_sink(self, sink: object) -> None:
        """A Collector that dead letters go to, unless it is known. Raises DuplicateKey."""
        for step in self._unknown_sink(sink):
            self._index.add_sink(step)

    def _unknown_sink(self, sink: object) -> list[Step]:
        if not isinstance(sink, Collector):
            return []
        known = self.steps.get(sink.key)
        if known is None:
            return [self.step_for(sink)]
        if known.collector is not sink:
            raise DuplicateKey(sink.key)
        return []

    def route_to(self, steps: list[Step]) -> None:
        """From now on events go to the last, and dead letters to those before it."""
        *sinks, step = steps
        for sink in sinks:
            self._index.add_sink(sink)
        self._index.add(step, step.collector.topics)
        self._collectors[step.key] = step.collector

    def remove(self, key: str) -> Step:
        """Route there no longer; returns its plan. Raises UnknownKey."""
        step = self.known(key)
        collector = self._collectors.pop(key)
        self._index.remove(step, collector.topics)
        return step

    def known(self, key: str) -> Step:
        """The plan of a registered collector. Raises UnknownKey."""
        if key not in self._collectors:
            known = ", ".join(map(repr, self._collectors)) or "none"
            raise UnknownKey(f"no collector {key!r}; registered: {known}", key)
        return self.steps[key]

    @property
    def steps(self) -> dict[str, Step]:
        """The plans by key."""
        steps: dict[str, Step] = self._index.steps
        return steps

    def use_router(self, factory: RouterFactory, core: Core, *, strict: bool) -> None:
        """Let it choose. `strict`: a send that matches nothing raises; it must tell."""
        if not callable(factory):
            raise TypeError(f"router must be a Router class or a callable, got {factory!r}")
        router = factory(self.collectors)
        if isinstance(router, SimpleRouter):
            router.index = self._index
        if not takes_over(router):
            core.use_router(selection(router, self._index), None)
            return
        if strict:
            raise ConfigError(
                "on_unrouted='error' needs a router with select(); "
                f"{type(router).__name__} has a handle_event() of its own"
            )
        whole = Step("router", router, router.handle_event, None, whole_router=True)
        core.use_router(None, whole)
