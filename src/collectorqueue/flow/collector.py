"""Collector: a handler, the key and topics it is reached by, and how it is run."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import (
    TYPE_CHECKING,
    Any,
    Generic,
    Literal,
    Protocol,
    TypedDict,
    Unpack,
    overload,
)

from collectorqueue._native.core import is_called_by_a_handler, step_of
from collectorqueue._native.payload import Payload
from collectorqueue._native.plan import Step
from collectorqueue._native.results import Error, Ok, tried
from collectorqueue.checks import check_int
from collectorqueue.errors import ConfigError, QueueNotStarted
from collectorqueue.flow.collectorchecks import (
    MOST,
    check_kind,
    check_policies,
    checked_topics,
)
from collectorqueue.flow.context import Context
from collectorqueue.flow.directly import run_once, why_not
from collectorqueue.flow.policies import Batch, RateLimit, Retry
from collectorqueue.flow.processors import is_async, takes_two

__all__ = [
    "Collector", "CollectorOptions", "Lifecycle", "Processor", "RunsIn",
    "check_options", "check_sink",
]  # fmt: skip

if TYPE_CHECKING:  # a Collector without brackets is one of anything
    from typing_extensions import TypeVar

    In = TypeVar("In", default=Any)
    Out = TypeVar("Out", default=Any)
else:
    from typing import TypeVar

    In = TypeVar("In")
    Out = TypeVar("Out")

Processor = Callable[..., Any]
"""`(payload)` or `(payload, ctx)`; `async def` or `def`; returns a value, Ok or Error."""

Lifecycle = Callable[[Context], AbstractAsyncContextManager[Any]]
RunsIn = Literal["loop", "thread", "process"]
Hook = Callable[..., Any]


class CollectorOptions(TypedDict, total=False):
    """What a Collector takes besides, as said there."""

    timeout: float | None
    retry: Retry | None
    batch: Batch | None
    max_concurrency: int | None
    rate_limit: RateLimit | None
    dead_letter: Collector | Callable[[Any], Any] | None
    payload_type: Any
    encoding: Literal["json", "msgpack"]
    validate: Literal["run", "send"]
    enc_hook: Hook | None
    dec_hook: Hook | None
    idempotent: bool


class AllOptions(CollectorOptions, total=False):
    """The same, and what is not a policy."""

    topics: str | Iterable[str] | None
    ctx: Context | None
    lifecycle: Lifecycle | None
    runs_in: RunsIn


class KeepsLimits(Protocol):
    """What a running queue makes of a collector's limits."""

    def check(self, what: str) -> None:
        """Raise if it cannot be set here."""

    def keep(self) -> None:
        """They have been set."""


class Collector(Generic[In, Out]):
    """A handler with the key and the topics it is reached by.

        Collector("receipt", send_mail, topics="order.paid", retry=Retry(attempts=5))
        Collector("store", write_row, runs_in="thread", lifecycle=open_database)

    `key` is unique within a queue. `topics` is one str or several; matching is exact.
    `ctx` is given to processors that take two arguments; one is made if none is given.
    `lifecycle(ctx)` is an async context manager: entered when the queue starts, left when
    it has drained, both in one task. `runs_in="thread"` is for plain functions that block;
    `runs_in="process"` for what takes CPU time: a function, `def` or `async def`, at the top
    level of a module, run in worker processes. Values cross to there as msgpack, and
    `lifecycle` and `ctx` live once in each worker.

    Policies, in the order in which an event meets them; all are off unless given:

    `rate_limit`: a RateLimit. `max_concurrency`: runs at once, in all workers together. Both
    can be set at any time, but for `max_concurrency` of a process collector that runs. What
    must wait for them holds no consumer.
    `batch`: a Batch; the processor gets a list of payloads.
    `timeout`: seconds for each run. A coroutine is cancelled; a worker process is killed; a
    thread is left to itself, and another takes its place. The run fails with RunTimeout.
    `retry`: a Retry. Until it is tried again an event is queued and holds no consumer.
    `dead_letter`: what failed for good goes there, as a DeadLetter: to a function, or to
    another Collector as the value of a payload. It takes the place of the queue's.

    `payload_type`: values are made this type, and checked, by msgspec: bytes and str are
    decoded (`encoding`: "json" or "msgpack"), all else is converted. What does not fit fails
    with PayloadInvalid; with `validate="send"` the send raises that. In processes values are
    msgpack already, and neither can be said. `dec_hook`: msgspec's hook, for types that it
    does not know. In processes only: `enc_hook`, the same for what is sent there, and
    `idempotent=True`: a run whose worker died is run again, up to 3 times, instead of
    failing with WorkerLost.

    `Collector[In, Out]`: what its payloads hold, and what it returns, for type checkers.
    Raises ConfigError or TypeError for what cannot work.
    """

    @overload
    def __init__(
        self,
        key: str,
        processor: Callable[[Payload[In]], Awaitable[Ok[Out] | Error]],
        **options: Unpack[AllOptions],
    ) -> None: ...

    @overload
    def __init__(
        self,
        key: str,
        processor: Callable[[Payload[In]], Awaitable[Out]],
        **options: Unpack[AllOptions],
    ) -> None: ...

    @overload
    def __init__(
        self,
        key: str,
        processor: Callable[[Payload[In], Context], Awaitable[Out]],
        **options: Unpack[AllOptions],
    ) -> None: ...

    @overload
    def __init__(
        self,
        key: str,
        processor: Callable[[Payload[In]], Out],
        **options: Unpack[AllOptions],
    ) -> None: ...

    @overload
    def __init__(
        self, key: str, processor: Processor, **options: Unpack[AllOptions]
    ) -> None: ...

    def __init__(
        self,
        key: str,
        processor: Processor,
        *,
        topics: str | Iterable[str] | None = None,
        ctx: Context | None = None,
        lifecycle: Lifecycle | None = None,
        runs_in: RunsIn = "loop",
        **options: Unpack[CollectorOptions],
    ) -> None:
        if not isinstance(key, str):
            raise TypeError(f"a collector's key must be a str, got {key!r}")
        if not key:
            raise ConfigError("a collector's key must not be empty, got ''")
        if not callable(processor):
            raise TypeError(f"a collector's processor must be callable, got {processor!r}")
        if lifecycle is not None and not callable(lifecycle):
            raise TypeError(f"lifecycle must be callable, got {lifecycle!r}")
        if runs_in not in ("loop", "thread", "process"):
            raise ConfigError(
                f"runs_in must be 'loop', 'thread' or 'process', got {runs_in!r}"
            )
        check_options(options)
        check_policies(runs_in, options)
        check_sink(options.get("dead_letter"))
        if runs_in == "thread" and is_async(processor):
            raise ConfigError(
                f"runs_in='thread' is for plain functions, got the async {processor!r}"
            )
        self.key = str.__str__(key)  # no subclass's own equality
        self.processor = processor
        self.topics: tuple[str, ...] = checked_topics(topics)
        self.ctx: Context = Context() if ctx is None else ctx
        self.lifecycle = lifecycle
        self.runs_in: RunsIn = runs_in
        self.timeout = options.get("timeout")
        self.retry = options.get("retry")
        self.batch = options.get("batch")
        self._max_concurrency = options.get("max_concurrency")
        self._rate_limit = options.get("rate_limit")
        self.dead_letter = options.get("dead_letter")
        self.payload_type = options.get("payload_type")
        self.encoding: Literal["json", "msgpack"] = options.get("encoding", "json")
        self.validate: Literal["run", "send"] = options.get("validate", "run")
        self.enc_hook = options.get("enc_hook")
        self.dec_hook = options.get("dec_hook")
        self.idempotent = options.get("idempotent", False)
        self.is_async: bool = is_async(processor)
        self.takes_context: bool = takes_two(processor)
        self.is_inline: bool = runs_in == "loop" and not self.is_async
        self.step: Step | None = None  # that of the last queue it was started in
        self._limited: dict[Step, KeepsLimits] = {}

    @property
    def max_concurrency(self) -> int | None:
        """Runs at once; can be set at any time, but for processes. Raises ConfigError and
        WrongThread."""
        return self._max_concurrency

    @max_concurrency.setter
    def max_concurrency(self, count: int | None) -> None:
        if count is not None:
            check_int("max_concurrency", count, 1, MOST)
        if self.runs_in == "process" and self._limited:
            raise ConfigError(
                "max_concurrency of a process collector cannot be changed while it runs, "
                f"got {count!r}"
            )
        self._check_limits("max_concurrency")
        self._max_concurrency = count
        self._tell_limits()

    @property
    def rate_limit(self) -> RateLimit | None:
        """How often it begins; can be set at any time. Raises TypeError and WrongThread."""
        return self._rate_limit

    @rate_limit.setter
    def rate_limit(self, limit: RateLimit | None) -> None:
        check_kind("rate_limit", RateLimit, limit)
        self._check_limits("rate_limit")
        self._rate_limit = limit
        self._tell_limits()

    def on_limits_changed(self, step: Step, limits: KeepsLimits | None) -> None:
        """Tell these from now on when a limit is set; None: no more."""
        self._limited.pop(step, None)
        if limits is not None:
            self._limited[step] = limits

    def forget(self, step: Step) -> None:
        """It has not come to be a step of its queue."""
        self.on_limits_changed(step, None)
        if self.step is step:
            self.step = None

    def _check_limits(self, what: str) -> None:
        for limits in self._limited.values():
            limits.check(what)

    def _tell_limits(self) -> None:
        for limits in list(self._limited.values()):
            limits.keep()

    async def process(self, payload: Payload[Any]) -> Ok[Any] | Error:
        """Run this collector for a payload; what a custom router calls.

        With all its policies: it waits for its limits, and is timed and tried again, while
        the router's consumer waits; a batch is one of one. Returns its result, whatever the
        handler raises: an UnknownKey from when the collector is removed, QueueClosed from
        when its queue gives up what runs. Raises the caller's own cancellation, which a call
        that waits for a limit gets then, too.

        Called by neither a handler nor a router, and without a queue that runs it, it is
        called as it is; QueueNotStarted if it is one in threads or processes. A call is no
        event: `close()` waits for none but those of its handlers and routers.
        """
        # By the caller's queue: one collector may belong to several.
        step = step_of(self) or self._serving()
        if step is None:
            if self.step is not None and is_called_by_a_handler():
                return Error(why_not(self.step))  # it comes too late
            if self.runs_in != "loop":
                raise QueueNotStarted(f"collector {self.key!r} has no queue to run it")
            return await run_once(self, None, payload)
        attempts = 0
        while True:
            attempts += 1
            result = await run_once(self, step, payload)
            if isinstance(result, Ok) or step.retrial is None:
                return result
            wait = step.retrial.next_wait(result, attempts)
            if wait is None or not step.serves():
                return tried(result, attempts)
            await asyncio.sleep(wait)

    def _serving(self) -> Step | None:
        """Its step in a queue that runs it; the last of several."""
        return next((step for step in reversed(self._limited) if step.serves()), None)

    def __repr__(self) -> str:
        topics = f", topics={list(self.topics)!r}" if self.topics else ""
        return f"Collector({self.key!r}{topics}, runs_in={self.runs_in!r})"


def check_options(options: Mapping[str, object]) -> None:
    """Names that a Collector takes besides the first six. Raises TypeError."""
    for name in options.keys() - CollectorOptions.__annotations__.keys():
        raise TypeError(f"a collector has no option {name!r}")


def check_sink(sink: object) -> None:
    """What may take dead letters. Raises ConfigError or TypeError."""
    if isinstance(sink, Collector):
        if sink.runs_in == "process":
            raise ConfigError(
                f"dead_letter={sink!r} runs in a process, where a DeadLetter cannot go"
            )
        if sink.dead_letter is not None:
            raise ConfigError(
                f"dead_letter={sink!r} has a dead_letter of its own: what fails there is "
                "kept by the queue"
            )
    elif sink is not None and not callable(sink):
        raise TypeError(f"dead_letter must be a Collector or a function, got {sink!r}")
