"""What a Collector cannot be told."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from collectorqueue.checks import check_bool, check_int, check_seconds
from collectorqueue.errors import ConfigError
from collectorqueue.flow.policies import Batch, RateLimit, Retry

__all__ = ["MOST", "check_kind", "check_policies", "checked_topics"]

MOST = 2**31 - 1


def check_policies(runs_in: str, options: Mapping[str, Any]) -> None:
    """What can work, and works together. Raises ConfigError or TypeError."""
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
    return tuple(dict.fromkeys(map(str.__str__, several)))  # no subclass's own equality
