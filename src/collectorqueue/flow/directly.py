"""A run that a custom router asks for: as a consumer would make it, without one."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Callable
from typing import Any, Protocol

from collectorqueue._native.answers import answers_from
from collectorqueue._native.batching import Batching, Payloads, values_of
from collectorqueue._native.gate import Gate
from collectorqueue._native.lot import wire_of
from collectorqueue._native.payload import Payload
from collectorqueue._native.plan import Step
from collectorqueue._native.results import Error, Ok, failure_of, result_of
from collectorqueue.errors import CollectorQueueError, QueueClosed, RunTimeout, UnknownKey
from collectorqueue.flow.context import Context
from collectorqueue.flow.policies import Batch

__all__ = ["run_once", "why_not"]


class Runnable(Protocol):
    """What a run needs of its collector."""

    processor: Callable[..., Any]
    ctx: Context
    timeout: float | None
    batch: Batch | None

    @property
    def runs_in(self) -> str: ...
    @property
    def takes_context(self) -> bool: ...


async def run_once(
    collector: Runnable, step: Step | None, payload: Payload[Any]
) -> Ok[Any] | Error:
    """One run; raises nothing but the caller's own cancellation."""
    task = asyncio.current_task()
    cancelling = task.cancelling() if task else 0
    if step is not None:
        if step.serves():
            gates = await pass_gates(step)
            if not step.serves():  # any more
                give_back(*gates)
        if not step.serves():
            return Error(why_not(step))
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
        if limit.expired():  # and the handler would not hear of it
            raise RunTimeout.after(collector.timeout or 0.0)
        if collector.batch is not None:
            value = answer_of_one(collector, value)
        result = result_of(value)
        good = result.ok()
    except asyncio.CancelledError as exc:
        if task and task.cancelling() > cancelling:
            raise
        result = failure_of(exc)
    except BaseException as exc:  # the consumer's collect step, in a router's hands
        if issubclass(type(exc), GeneratorExit) and not runs_now(task):
            raise  # it is not the handler's: this coroutine is being closed
        late = limit.expired()
        result = failure_of(RunTimeout.after(collector.timeout or 0.0) if late else exc)
    finally:
        if step is not None:
            step.ended(good, time.monotonic_ns() - begun)
            if (batches := gate_of_batches(step)) is not None:
                batches.leave_call()
    return result


def why_not(step: Step) -> CollectorQueueError:
    """It does not serve."""
    if step.removed:
        return UnknownKey(f"collector {step.key!r} was removed", step.key)
    return QueueClosed(f"the queue of collector {step.key!r} is closed")


def runs_now(task: asyncio.Task[Any] | None) -> bool:
    """Whether it is this task's turn: a coroutine may be closed in anyone's, or in none."""
    try:
        return task is not None and asyncio.current_task() is task
    except RuntimeError:  # no loop runs
        return False


async def pass_gates(step: Step) -> tuple[Gate | None, Gate | None]:
    """Wait for one's turn at both gates: that of events, which is left when the step has
    ended, and that of batches, which is to be left by the caller."""
    events = step.gate if isinstance(step.gate, Gate) else None
    batches = gate_of_batches(step)
    if events is not None:
        await pass_gate(events)
    if batches is not None:
        try:
            await pass_gate(batches)
        except BaseException:
            give_back(events)
            raise
    return events, batches


def gate_of_batches(step: Step) -> Gate | None:
    """It is another after the queue was started again, which counts what went on."""
    batching = step.batching
    return batching.gate if isinstance(batching, Batching) else None


def give_back(*gates: Gate | None) -> None:
    """The call that they let in is not made."""
    for gate in gates:
        if gate is not None:
            gate.give_back()


async def pass_gate(gate: Gate) -> None:
    """Wait for one's turn; being cancelled or closed gives it to the next."""
    waiting = gate.enter_call()
    if waiting is None:
        return
    turn, call = waiting
    try:
        await turn
    except BaseException:
        if turn.done() and not turn.cancelled():
            gate.give_back()
        else:
            gate.forget_call(call)
        turn.cancel()
        raise


def called(collector: Runnable, step: Step | None, payload: Payload[Any]) -> Any:
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


def answer_of_one(collector: Runnable, value: Any) -> Any:
    """What the one payload of a batch gets of what was returned for all."""
    if isinstance(value, Ok) and collector.runs_in == "process":
        return answers_from(value.value)[0]
    return values_of(value, 1)[0]
