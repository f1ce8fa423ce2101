"""A line of metrics in the log, every so often."""

from __future__ import annotations

import asyncio
import contextvars
import logging
from collections.abc import Callable

import msgspec

from collectorqueue.admin.metrics import Metrics

__all__ = ["Reporter"]

log = logging.getLogger("collectorqueue.report")


class Reporter:
    """Logs the metrics of a running queue each `interval_s` seconds, at INFO."""

    def __init__(
        self,
        read: Callable[[], Metrics],
        interval_s: float,
        loop: asyncio.AbstractEventLoop,
        context: contextvars.Context,
    ) -> None:
        self._read = read
        self._interval_s = interval_s
        self._loop = loop
        self._context = context
        self._timer = self._arm()

    def _arm(self) -> asyncio.TimerHandle:
        return self._loop.call_later(
            self._interval_s, self._report, context=self._context
        )

    def _report(self) -> None:
        self._timer = self._arm()
        if log.isEnabledFor(logging.INFO):
            fields = msgspec.to_builtins(self._read())
            text = " ".join(
                f"{name}={value:.6g}"
                for name, value in fields.items()
                if isinstance(value, (int, float))
            )
            log.info("queue metrics %s", text, extra={"metrics": fields})

    def stop(self) -> None:
        """No more lines."""
        self._timer.cancel()
