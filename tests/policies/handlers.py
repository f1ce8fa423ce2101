"""What the workers of these tests run: found by import, so at the top level of a module."""

from __future__ import annotations

import asyncio
import os
import time
from collections import Counter
from typing import Any

import msgspec

from collectorqueue import Error, Payload


class Order(msgspec.Struct):
    id: int


calls: Counter[Any] = Counter()


def flaky(payload: Payload[Any]) -> Any:
    """Fails twice with each value."""
    calls[payload.value] += 1
    if calls[payload.value] < 3:
        raise ConnectionError(f"{payload.value} failed")
    return payload.value


def wrong(payload: Payload[Any]) -> Any:
    raise KeyError(payload.value)


def sleeps(payload: Payload[Any]) -> None:
    time.sleep(60)


def die_once(payload: Payload[str]) -> str:
    """Ends its worker, unless the file is there that it makes."""
    if not os.path.exists(payload.value):
        with open(payload.value, "w"):
            pass
        os.kill(os.getpid(), 9)
    return "alive"


def slow_once(payload: Payload[str]) -> str:
    if not os.path.exists(payload.value):
        with open(payload.value, "w"):
            pass
        time.sleep(60)
    return "quick"


def batch(payloads: list[Payload[Any]]) -> list[Any]:
    trigger = payloads.trigger  # type: ignore[attr-defined]
    answers: list[Any] = []
    for payload in payloads:
        if payload.value == "error":
            answers.append(Error(ValueError("item")))
        elif payload.value == "unencodable":
            answers.append(object())
        else:
            answers.append([payload.value, len(payloads), trigger, list(payload.keys)])
    return answers


async def batch_async(payloads: list[Payload[int]]) -> list[int]:
    await asyncio.sleep(0)
    return [payload.value + len(payloads) for payload in payloads]


def batch_raises(payloads: list[Payload[int]]) -> None:
    raise ValueError(f"batch of {len(payloads)}")


def batch_orders(payloads: list[Payload[Order]]) -> list[int]:
    return [payload.value.id for payload in payloads]


def batch_poison(payloads: list[Payload[int]]) -> list[int]:
    if any(payload.value == 3 for payload in payloads):
        raise ConnectionError("three")
    return [payload.value for payload in payloads]


def batch_dies(payloads: list[Payload[int]]) -> None:
    os.kill(os.getpid(), 9)


def watch(payload: Payload[tuple[str, int, str]]) -> int:
    """Writes down what it is called with, and fails if another of its key runs."""
    key, number, folder = payload.value
    mark = f"{folder}/{key}.running"
    with open(mark, "x"):
        pass
    time.sleep(0.001)
    with open(f"{folder}/{key}", "a") as log:
        log.write(f"{number}\n")
    os.unlink(mark)
    return number


def batch_sleeps(payloads: list[Payload[int]]) -> None:
    time.sleep(60)
