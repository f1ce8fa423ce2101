"""In a worker: a collector that takes batches, as one that takes single values.

Rules of residence: what is on the wire for a batch, on this side of it. One item that cannot
be decoded, or whose result cannot be encoded, fails alone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from collectorqueue._native.batching import Payloads, values_of
from collectorqueue._native.payload import Delivery, Payload
from collectorqueue._native.results import Error, Ok, ResultList, failure_of, result_of
from collectorqueue._native.workbench import described
from collectorqueue.workers.encoding import Encoding

__all__ = ["BatchRunner"]

Item = tuple[msgspec.Raw, int, Any, int | None]
DELIVERIES = (Delivery.BROADCAST, Delivery.KEY, Delivery.TOPIC)  # by their numbers


class BatchRunner:
    """Unpacks a batch, has the processor run, and packs the results."""

    def __init__(
        self,
        processor: Callable[..., Any],
        encoding: Encoding,
        is_retried: Callable[[Any], bool] | None,
    ) -> None:
        self._processor = processor
        self._encoding = encoding
        self._is_retried = is_retried
        self.decode = msgspec.msgpack.Decoder(tuple[str, list[Item]]).decode

    def call(self, payload: Payload[Any], *context: Any) -> Any:
        """Run a plain function."""
        payloads, answers = self._unpack(payload)
        if not payloads:
            return self._pack(answers, [])
        try:
            value = self._processor(payloads, *context)
        except BaseException as error:
            value = failure_of(error)
        return self._pack(answers, value)

    async def call_async(self, payload: Payload[Any], *context: Any) -> Any:
        """The same for a coroutine; being cancelled, for its time is over, is not caught."""
        payloads, answers = self._unpack(payload)
        if not payloads:
            return self._pack(answers, [])
        try:
            value = await self._processor(payloads, *context)
        except Exception as error:
            value = failure_of(error)
        return self._pack(answers, value)

    def _unpack(self, payload: Payload[Any]) -> tuple[Payloads, list[Any]]:
        """The payloads, and for each item None, or why it is not one."""
        trigger, items = payload.value
        payloads, answers = Payloads([], trigger), []
        for raw, mode, address, priority in items:
            try:
                value = self._encoding.decode(raw)
            except Exception as error:
                answers.append(self._entry(failure_of(error)))
                continue
            answers.append(None)
            if isinstance(address, list):
                address = tuple(address)
            to = {DELIVERIES[mode] + "s": address} if mode else {}
            payloads.append(Payload(value, DELIVERIES[mode], priority=priority, **to))
        return payloads, answers

    def _pack(self, answers: list[Any], value: Any) -> Any:
        if not isinstance(value, (list, ResultList)):
            entry = self._entry(result_of(value))  # packed once for all
            return [entry if answer is None else answer for answer in answers]
        try:
            values = iter(values_of(value, answers.count(None)))
        except ValueError as error:
            return self._pack(answers, failure_of(error))
        return [
            self._entry(result_of(next(values))) if answer is None else answer
            for answer in answers
        ]

    def _entry(self, result: Ok[Any] | Error) -> Any:
        if isinstance(result, Ok):
            packed = bytearray()
            try:
                self._encoding.encode_into(result.value, packed)
            except Exception as unfit:
                return self._entry(failure_of(self._encoding.explain(result.value, unfit)))
            return (0, msgspec.Raw(packed))
        matched = self._is_retried is not None and self._is_retried(result.err)
        return (1, *described(result, msgspec.msgpack.encode), matched)
