"""Collector: a handler, the key and topics it is reached by, and how it is run."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any, Literal, TypedDict

from collectorqueue._native.core import step_of
from collectorqueue._native.event import Payload
from collectorqueue._native.plan import Step
from collectorqueue._native.results import Error, Ok, failure_of, result_of
from collectorqueue.checks import check_bool, check_int, check_seconds
from collectorqueue.errors import ConfigError, QueueNotStarted
from collectorqueue.flow.context import Context

__all__ = ["Collector", "Lifecycle", "ProcessOptions", "Processor", "RunsIn"]

Processor = Callable[..., Any]
"""`(payload)` or `(payload, ctx)`; `async def` or `def`; returns a value, Ok or Error."""

Lifecycle = Callable[[Context], AbstractAsyncContextManager[Any]]
RunsIn = Literal["loop", "thread", "process"]
Hook = Callable[..., Any]


class ProcessOptions(TypedDict, total=False):
    """What `runs_in="process"` takes besides, as in Collector."""

    payload_type: Any
    enc_hook: Hook | None
    dec_hook: Hook | None
    timeout: float | None
    max_concurrency: int | None
    idempotent: bool


class Collector:
    """A handler with the key and the topics it is reached by.

        Collector("receipt", send_mail, topics="order.paid")
        Collector("store", write_row, runs_in="thread", lifecycle=open_database)

    `key` is unique within a queue. `topics` is one str or several; matching is exact.
    `ctx` is given to processors that take two arguments; one is made if none is given.
    `lifecycle(ctx)` is an async context manager: entered when the queue starts, left when
    it has drained, both in one task. `runs_in="thread"` is for plain functions that block.

    `runs_in="process"` is for what takes CPU time: a function, `def` or `async def`, at the
    top level of a module, run in worker processes. Values cross as msgpack. There, and only
    there:

    `payload_type`: values are decoded to this type, and checked; without it they arrive as
    plain dicts, lists, strings and numbers. `enc_hook`, `dec_hook`: msgspec's hooks, for
    types that it does not know. `timeout`: seconds; a run that takes longer fails with
    RunTimeout and its worker is killed (an `async def` is cancelled first).
    `max_concurrency`: runs at once, in all workers together. `idempotent=True`: a run whose
    worker died is run again, up to 3 times, instead of failing with WorkerLost.
    `lifecycle` and `ctx` live once in each worker.

    Raises ConfigError or TypeError for what cannot work.
    """

    def __init__(
        self,
        key: str,
        processor: Processor,
        *,
        topics: str | Iterable[str] | None = None,
        ctx: Context | None = None,
        lifecycle: Lifecycle | None = None,
        runs_in: RunsIn = "loop",
        payload_type: Any = None,
        enc_hook: Hook | None = None,
        dec_hook: Hook | None = None,
        timeout: float | None = None,
        max_concurrency: int | None = None,
        idempotent: bool = False,
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
        if runs_in != "process":
            refuse_given(
                runs_in,
                payload_type=payload_type,
                enc_hook=enc_hook,
                dec_hook=dec_hook,
                timeout=timeout,
                max_concurrency=max_concurrency,
                idempotent=idempotent or None,
            )
        check_process_options(enc_hook, dec_hook, timeout, max_concurrency, idempotent)
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
        self.payload_type = payload_type
        self.enc_hook = enc_hook
        self.dec_hook = dec_hook
        self.timeout = timeout
        self.max_concurrency = max_concurrency
        self.idempotent = idempotent
        self.is_async: bool = is_async(processor)
        self.takes_context: bool = takes_two(processor)
        self.is_inline: bool = runs_in == "loop" and not self.is_async
        self.step: Step | None = None  # set while it is registered with a running queue

    async def process(self, payload: Payload[Any]) -> Ok[Any] | Error:
        """Run this collector for a payload; what a custom router calls.

        Returns its result and raises nothing but the caller's own cancellation.
        """
        # By the caller's queue: one collector may belong to several.
        step = step_of(self) or self.step
        if step is None and self.runs_in != "loop":
            raise QueueNotStarted(f"collector {self.key!r} has no queue to run it")
        call = self.processor if step is None else step.call
        task = asyncio.current_task()
        cancelling = task.cancelling() if task else 0
        begun = time.monotonic_ns()
        if step is not None:
            step.started()
        result: Ok[Any] | Error
        good = False
        try:
            value = call(payload, self.ctx) if self.takes_context else call(payload)
            if inspect.isawaitable(value):
                value = await value
            result = result_of(value)
            good = result.ok()
        except asyncio.CancelledError as exc:
            if task and task.cancelling() > cancelling:
                raise
            result = failure_of(exc)
        except GeneratorExit:
            raise  # this coroutine is being closed
        except BaseException as exc:  # the consumer's collect step, in a router's hands
            result = failure_of(exc)
        finally:
            if step is not None:
                step.ended(good, time.monotonic_ns() - begun)
        return result

    def __repr__(self) -> str:
        topics = f", topics={list(self.topics)!r}" if self.topics else ""
        return f"Collector({self.key!r}{topics}, runs_in={self.runs_in!r})"


def check_options(options: Mapping[str, object]) -> None:
    """Names that a Collector takes besides the first five. Raises TypeError."""
    for name in options.keys() - ProcessOptions.__annotations__.keys():
        raise TypeError(f"a collector has no option {name!r}")


def refuse_given(runs_in: str, **options: object) -> None:
    """Options that work for process collectors only. Raises ConfigError."""
    for name, value in options.items():
        if value is not None:
            raise ConfigError(
                f"{name} works for runs_in='process' only, got {value!r} "
                f"with runs_in={runs_in!r}"
            )


def check_process_options(
    enc_hook: Hook | None,
    dec_hook: Hook | None,
    timeout: float | None,
    max_concurrency: int | None,
    idempotent: bool,
) -> None:
    """Raises ConfigError or TypeError."""
    for name, hook in (("enc_hook", enc_hook), ("dec_hook", dec_hook)):
        if hook is not None and not callable(hook):
            raise TypeError(f"{name} must be callable, got {hook!r}")
    if timeout is not None:
        check_seconds("timeout", timeout, above_zero=True)
    if max_concurrency is not None:
        check_int("max_concurrency", max_concurrency, 1, 2**31 - 1)
    check_bool("idempotent", idempotent)


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


def is_async(processor: Processor) -> bool:
    """Whether calling it makes a coroutine."""
    return inspect.iscoroutinefunction(processor) or inspect.iscoroutinefunction(
        getattr(processor, "__call__", None)
    )


def takes_two(processor: Processor) -> bool:
    """Whether a processor is `(payload, ctx)` and not `(payload)`. Raises ConfigError."""
    try:
        signature = inspect.signature(processor)
    except (TypeError, ValueError):
        return False  # a builtin that does not tell: most take one argument
    for arguments in ((None, None), (None,)):
        try:
            signature.bind(*arguments)
        except TypeError:
            continue
        if len(arguments) == 1:
            return False
        # One required argument and an optional one of another meaning: not a context.
        positional = [
            parameter
            for parameter in signature.parameters.values()
            if parameter.kind
            in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD)
        ]
        if len(positional) < 2:
            return True  # *args takes whatever there is
        second = positional[1]
        return second.default is second.empty or second.name in ("ctx", "context")
    raise ConfigError(
        f"a processor takes (payload) or (payload, ctx), got {processor!r} "
        f"with {signature}"
    )
