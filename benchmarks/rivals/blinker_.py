"""blinker: a signal calls its receivers where it is sent, and awaits each in turn."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from time import perf_counter
from typing import Any

from blinker import Signal

from benchmarks.workload import endless_windows, in_windows
from collectorqueue import Ok, Payload

__all__ = [
    "LACKS",
    "MODES",
    "fan_out",
    "recording",
    "round_trip",
    "routed",
    "topical",
    "windowed",
]

MODES = ("send_async",)
_NOTHING = "there is no queue: the sender awaits the receivers"
LACKS = {
    "burst": _NOTHING,
    "memory_per_event": _NOTHING,
    "sleeping": "one event at a time, and one receiver after the other",
    "responsiveness": _NOTHING,
    "dispatch": "looks up and calls in one",
    "index_build": "a signal for each topic, made by hand",
}

Receiver = Callable[..., Awaitable[Ok[Any]]]


async def answer(sender: Any, payload: Payload[Any]) -> Ok[Any]:
    """The least a receiver can do."""
    return Ok(payload.value)


def recording(seen: list[Any]) -> Receiver:
    """A receiver that notes what it receives in `seen`."""

    async def record(sender: Any, payload: Payload[Any]) -> Ok[Any]:
        seen.append(payload.value)
        return Ok(payload.value)

    return record


def _signal(*receivers: Receiver) -> Signal:
    signal = Signal()
    for receiver in receivers:
        # A weak reference would be looked through at each send.
        signal.connect(receiver, weak=False)
    return signal


async def windowed(
    events: int,
    window: int,
    consumers: int,
    autoscale: bool,
    mode: str,
    *,
    handler: Receiver = answer,
) -> float:
    """Send and await a window, yield, repeat."""
    send = _signal(handler).send_async
    begun = perf_counter()
    for start in range(0, events, window):
        for i in range(start, start + window):
            results = await send(None, payload=Payload(i))
        await asyncio.sleep(0)
    seconds = perf_counter() - begun
    assert results[0][1].value == events - 1
    return seconds


async def round_trip(events: int, mode: str) -> float:
    """Send one, which awaits it, repeat."""
    send = _signal(answer).send_async
    begun = perf_counter()
    for i in range(events):
        results = await send(None, payload=Payload(i))
    seconds = perf_counter() - begun
    assert results[0][1].value == events - 1
    return seconds


async def routed(
    events: int, window: int, delivery: str, collectors: int, hot: int, mode: str
) -> float:
    """A key is a sender that one receiver is connected to; a topic is a signal."""
    names = [f"name-{i}" for i in range(collectors)]
    turns = itertools.cycle(in_windows(names[:hot], window))
    if delivery == "topic":
        sends = {name: _signal(answer).send_async for name in names}
        return await _by_signal(events, window, sends, turns)
    signal = Signal()
    for name in names:
        signal.connect(another_answer(), sender=name, weak=False)
    send = signal.send_async
    begun = perf_counter()
    for start in range(0, events, window):
        for i, name in enumerate(next(turns), start):
            results = await send(name, payload=Payload(i))
        await asyncio.sleep(0)
    seconds = perf_counter() - begun
    assert [each.value for _, each in results] == [events - 1]
    return seconds


async def topical(events: int, window: int, topics: int) -> float:
    """The next of so many signals for each event."""
    names = [f"topic-{i}" for i in range(topics)]
    sends = {name: _signal(answer).send_async for name in names}
    windows = endless_windows(names, window)
    return await _by_signal(events, window, sends, windows)


async def fan_out(events: int, window: int, collectors: int, mode: str) -> float:
    """One signal with so many receivers."""
    send = _signal(*(another_answer() for _ in range(collectors))).send_async
    begun = perf_counter()
    for start in range(0, events, window):
        for i in range(start, start + window):
            results = await send(None, payload=Payload(i))
        await asyncio.sleep(0)
    seconds = perf_counter() - begun
    assert [each.value for _, each in results] == [events - 1] * collectors
    return seconds


async def _by_signal(events: int, window: int, sends: Any, turns: Any) -> float:
    begun = perf_counter()
    for start in range(0, events, window):
        for i, name in enumerate(next(turns), start):
            results = await sends[name](None, payload=Payload(i))
        await asyncio.sleep(0)
    seconds = perf_counter() - begun
    assert [each.value for _, each in results] == [events - 1]
    return seconds


def another_answer() -> Receiver:
    """One more: a function that is connected twice counts as one."""

    async def receive(sender: Any, payload: Payload[Any]) -> Ok[Any]:
        return Ok(payload.value)

    return receive
