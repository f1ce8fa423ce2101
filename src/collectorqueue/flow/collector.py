"""Collector: a handler, the key and topics it is reached by, and how it is run."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any, Generic, Literal, TypedDict, Unpack, overload

from collectorqueue._native.batching import Batching, Payloads, wrong_length
from collectorqueue._native.core import step_of
from collectorqueue._native.gate import Gate
from collectorqueue._native.lot import answers_from, wire_of
from collectorqueue._native.payload import Payload
from collectorqueue._native.plan import Step
from collectorqueue._native.results import Error, Ok, ResultList, failure_of, result_of, tried
from collectorqueue.checks import check_bool, check_int, check_seconds
from collectorqueue.errors import ConfigError, QueueNotStarted, RunTimeout
from collectorqueue.flow.context import Context
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
MOST = 2**31 - 1


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
    can be set at any time. What must wait for them holds no consumer.
    `batch`: a Batch; the processor gets a list of payloads.
    `timeout`: seconds for each run. A coroutine is cancelled; a worker process is killed; a
    thread is left to itself, and another takes its place. The run fails with RunTimeout.
    `retry`: a Retry. Until it is tried again an event is queued and holds no consumer.
    `dead_letter`: what failed for good goes there, as a DeadLetter: to a function, or to
    another Collector as the value of a payload. It takes the place of the queue's.

    `payload_type`: values are made this type, and checked, by msgspec: bytes and str are
    decoded (`encoding`: "json" or "msgpack"), all else is converted. What does not fit fails
    with PayloadInvalid; with `validate="send"` the send raises that. In processes values are
    msgpack already, and neither can be said. `dec_hook`, `enc_hook`: msgspec's hooks, for
    types that it does not know. `idempotent=True`, in processes only:
    a run whose worker died is run again, up to 3 times, instead of failing with WorkerLost.

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
        if runs_in == "thread" and is_async(processor):
            raise ConfigError(
                f"runs_in='thread' is for plain functions, got the async {processor!r}"
            )
        self.key = key
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
        self.step: Step | None = None  # set while it is registered with a running queue
        self._limited: dict[Step, Callable[[], None]] = {}

    @property
    def max_concurrency(self) -> int | None:
        """Runs at once; can be set at any time, but for processes. Raises ConfigError."""
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
        self._max_concurrency = count
        self._tell_limits()

    @property
    def rate_limit(self) -> RateLimit | None:
        """How often it begins; can be set at any time. Raises TypeError."""
        return self._rate_limit

    @rate_limit.setter
    def rate_limit(self, limit: RateLimit | None) -> None:
        check_kind("rate_limit", RateLimit, limit)
        self._rate_limit = limit
        self._tell_limits()

    def on_limits_changed(self, step: Step, call: Callable[[], None] | None) -> None:
        """Call this from now on when a limit is set; None: no more."""
        self._limited.pop(step, None)
        if call is not None:
            self._limited[step] = call

    def _tell_limits(self) -> None:
        for call in list(self._limited.values()):
            call()

    async def process(self, payload: Payload[Any]) -> Ok[Any] | Error:
        """Run this collector for a payload; what a custom router calls.

        With all its policies: it waits for its limits, and is timed and tried again, while
        the router's consumer waits; a batch is one of one. Returns its result and raises
        nothing but the caller's own cancellation.
        """
        # By the caller's queue: one collector may belong to several.
        step = step_of(self) or self.step
        if step is None:
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
            if wait is None:
                return tried(result, attempts)
            await asyncio.sleep(wait)

    def __repr__(self) -> str:
        topics = f", topics={list(self.topics)!r}" if self.topics else ""
        return f"Collector({self.key!r}{topics}, runs_in={self.runs_in!r})"


async def run_once(
    collector: Collector, step: Step | None, payload: Payload[Any]
) -> Ok[Any] | Error:
    """One run that a custom router asked for, as a consumer would make it."""
    batches = None if step is None else await pass_gates(step)
    task = asyncio.current_task()
    cancelling = task.cancelling() if task else 0
    begun = time.monotonic_ns()
    if step is not None:
        step.started()
    limit = asyncio.timeout(None if collector.runs_in == "process" else collector.timeout)
    result: Ok[Any] | Error
    good = False
    try:
        async with limit:
            value = called(collector, step, payload)
            if inspect.isawaitable(value):
                value = await value
        if collector.batch is not None:
            value = answer_of_one(collector, value)
        result = result_of(value)
        good = result.ok()
    except asyncio.CancelledError as exc:
        if task and task.cancelling() > cancelling:
            raise
        result = failure_of(exc)
    except GeneratorExit:
        raise  # this coroutine is being closed
    except BaseException as exc:  # the consumer's collect step, in a router's hands
        if limit.expired() and isinstance(exc, TimeoutError):
            exc = RunTimeout.after(collector.timeout or 0.0)
        result = failure_of(exc)
    finally:
        if step is not None:
            step.ended(good, time.monotonic_ns() - begun)
        if batches is not None:
            batches.leave_call()
    return result


async def pass_gates(step: Step) -> Gate | None:
    """Wait for one's turn; the gate of batches is to be left by the caller, the other is
    when the step has ended."""
    gate, batching = step.gate, step.batching
    if isinstance(gate, Gate):
        await pass_gate(gate)
    batches = batching.gate if isinstance(batching, Batching) else None
    if batches is not None:
        try:
            await pass_gate(batches)
        except BaseException:
            if isinstance(gate, Gate):
                gate.give_back()
            raise
    return batches


async def pass_gate(gate: Gate) -> None:
    """Wait for one's turn; being cancelled gives it to the next."""
    turn = gate.enter_call()
    if turn is None:
        return
    try:
        await turn
    except asyncio.CancelledError:
        if not turn.cancelled():
            gate.give_back()
        raise


def called(collector: Collector, step: Step | None, payload: Payload[Any]) -> Any:
    """Call the processor, with what it takes."""
    given: Any = payload
    if step is not None and step.convert is not None:
        given = step.convert(payload)
    if collector.batch is not None:
        alone = [given]
        given = (
            wire_of(alone, "flush")
            if collector.runs_in == "process"
            else Payloads(alone, "flush")
        )
    call = collector.processor if step is None else step.call
    return call(given, collector.ctx) if collector.takes_context else call(given)


def answer_of_one(collector: Collector, value: Any) -> Any:
    """What the one payload of a batch gets of what was returned for all."""
    if isinstance(value, Ok) and collector.runs_in == "process":
        return answers_from(value.value)[0]
    if not isinstance(value, (list, ResultList)):
        return value
    if len(value) != 1:
        raise wrong_length(1, len(value))
    return value[0]


def check_options(options: Mapping[str, object]) -> None:
    """Names that a Collector takes besides the first six. Raises TypeError."""
    for name in options.keys() - CollectorOptions.__annotations__.keys():
        raise TypeError(f"a collector has no option {name!r}")


def check_policies(runs_in: RunsIn, options: CollectorOptions) -> None:
    """Raises ConfigError or TypeError."""
    for name in ("enc_hook", "dec_hook"):
        hook = options.get(name)
        if hook is not None and not callable(hook):
            raise TypeError(f"{name} must be callable, got {hook!r}")
    timeout, count = options.get("timeout"), options.get("max_concurrency")
    if timeout is not None:
        check_seconds("timeout", timeout, above_zero=True)
    if count is not None:
        check_int("max_concurrency", count, 1, MOST)
    check_kind("retry", Retry, options.get("retry"))
    check_kind("batch", Batch, options.get("batch"))
    check_kind("rate_limit", RateLimit, options.get("rate_limit"))
    check_bool("idempotent", options.get("idempotent", False))
    check_sink(options.get("dead_letter"))
    for name, known in (("encoding", ("json", "msgpack")), ("validate", ("run", "send"))):
        value = options.get(name, known[0])
        if value not in known:
            raise ConfigError(
                f"{name} must be {known[0]!r} or {known[1]!r}, got {value!r}"
            )
        if value != known[0] and options.get("payload_type") is None:
            raise ConfigError(f"{name}={value!r} needs a payload_type")
    if runs_in == "process" and options.get("validate", "run") != "run":
        raise ConfigError("validate='send' works on the loop and in threads, not in processes")
    if runs_in == "process" and "encoding" in options:
        raise ConfigError(
            "encoding works on the loop and in threads; values cross to processes as msgpack"
        )
    if runs_in != "process":
        refuse_given(
            runs_in, enc_hook=options.get("enc_hook"), idempotent=options.get("idempotent")
        )
    elif options.get("batch") is not None and options.get("idempotent"):
        raise ConfigError("idempotent works for single events, use retry with a batch")


def check_kind(name: str, kind: type, value: object) -> None:
    """One of this kind, or None."""
    if value is not None and not isinstance(value, kind):
        raise TypeError(f"{name} must be a {kind.__name__}, got {value!r}")


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


def refuse_given(runs_in: str, **options: object) -> None:
    """Options that work for process collectors only. Raises ConfigError."""
    for name, value in options.items():
        if value:
            raise ConfigError(
                f"{name} works for runs_in='process' only, got {value!r} "
                f"with runs_in={runs_in!r}"
            )


def checked_topics(topics: str | Iterable[str] | None) -> tuple[str, ...]:
    """The topics as a tuple, each once."""
    if topics is None:
        return ()
    try:
        several = (topics,) if isinstance(topics, str) else tuple(topics)
    except TypeError:
        raise TypeError(f"topics must be a str or several, got {topics!r}") from None
    for topic in several:
        if not isinstance(topic, str):
            raise TypeError(f"topics must be str, got {topic!r}")
    return tuple(dict.fromkeys(several))
