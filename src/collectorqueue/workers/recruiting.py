"""Recruiting: what a worker must be told of a collector, and how many workers there are.

Rules of residence: from a collector's options to a blueprint, at the queue's start, where
everything that a worker could not do is refused.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any, Protocol

import msgspec

from collectorqueue.errors import ConfigError
from collectorqueue.workers.cores import usable_cores
from collectorqueue.workers.encoding import Encoding
from collectorqueue.workers.messages import Blueprint
from collectorqueue.workers.paths import Path, path_of, type_path_of
from collectorqueue.workers.settings import WorkerSettings

__all__ = ["blueprint_of", "bounds_of", "encoding_of", "settings_for"]

Hook = Callable[..., Any] | None


class Recruit(Protocol):
    """A collector, as far as it is needed here."""

    key: str
    processor: Callable[..., Any]
    takes_context: bool
    is_async: bool
    lifecycle: Hook
    ctx: Any
    payload_type: Any
    enc_hook: Hook
    dec_hook: Hook
    timeout: float | None
    retry: Any
    batch: Any

    @property
    def max_concurrency(self) -> int | None:
        """Runs at once, in all workers together."""


def settings_for(
    workers: int | tuple[int, int] | None, max_events: int | None, max_bytes: int | None
) -> WorkerSettings:
    """The pool's settings. Raises ConfigError where there can be no workers."""
    if sys.platform != "linux" or not hasattr(os, "pidfd_open"):
        raise ConfigError(
            "runs_in='process' works on Linux only so far, "
            f"got {sys.platform}; use runs_in='thread'"
        )
    if getattr(sys, "frozen", False) or not sys.executable:
        raise ConfigError(
            "runs_in='process' needs a Python interpreter to start workers with, and "
            "sys.executable names none"
        )
    fewest, most = bounds_of(workers)
    return WorkerSettings(
        fewest=fewest, most=most, max_events=max_events, max_bytes=max_bytes
    )


def bounds_of(workers: int | tuple[int, int] | None) -> tuple[int, int]:
    """The fewest and the most workers; unless given, as many as usable cores."""
    if workers is None:
        workers = usable_cores()
    return workers if isinstance(workers, tuple) else (workers, workers)


def blueprint_of(collector: Recruit) -> Blueprint:
    """What workers make it of. Raises ConfigError for what they could not find."""
    name = f"collector {collector.key!r}:"
    blueprint = Blueprint(
        number=0,
        key=collector.key,
        processor=path_of(f"{name} processor", collector.processor),
        takes_context=collector.takes_context,
        is_async=collector.is_async,
        lifecycle=optional(f"{name} lifecycle", collector.lifecycle),
        context=context_of(collector),
        payload_type=None
        if collector.payload_type is None
        else type_path_of(f"{name} payload_type", collector.payload_type),
        enc_hook=optional(f"{name} enc_hook", collector.enc_hook),
        dec_hook=optional(f"{name} dec_hook", collector.dec_hook),
        timeout=collector.timeout,
        max_concurrency=collector.max_concurrency,
        takes_batches=collector.batch is not None,
        retry_on=exceptions(f"{name} retry", collector.retry, "on"),
        retry_never=exceptions(f"{name} retry", collector.retry, "never") or (),
    )
    try:
        msgspec.msgpack.encode(blueprint)
    except UnicodeError as error:
        raise ConfigError(f"{name} no worker can be told of it: {error}") from error
    return blueprint


def encoding_of(collector: Recruit) -> Encoding:
    """How its values are encoded here. Raises ConfigError for a type msgspec refuses."""
    try:
        return Encoding(collector.payload_type, collector.enc_hook, collector.dec_hook)
    except TypeError as error:
        raise ConfigError(
            f"collector {collector.key!r}: payload_type {collector.payload_type!r} "
            f"cannot be decoded to: {error}"
        ) from error


def exceptions(what: str, retry: Any, which: str) -> tuple[Path, ...] | None:
    """The paths of the exception classes of a Retry; None: there is none."""
    if retry is None:
        return None
    given = getattr(retry, which)
    several = given if isinstance(given, (tuple, list)) else (given,)
    return tuple(path_of(what, each) for each in several)


def optional(what: str, thing: Any) -> Any:
    """The path of something that may not be there."""
    return None if thing is None else path_of(what, thing)


def context_of(collector: Recruit) -> bytes:
    """What its Context holds, encoded: each worker begins with a copy."""
    context: Any = collector.ctx
    held = {name: context[name] for name in context}
    try:
        return msgspec.msgpack.encode(held)
    except Exception as error:
        why = Encoding().explain(held, error)
        raise ConfigError(
            f"collector {collector.key!r}: its ctx lives in each worker, and what it holds "
            f"cannot be sent there: {why}; make it in the lifecycle"
        ) from error
