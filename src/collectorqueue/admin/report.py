"""A line of metrics in the log, every so often, or a call with them."""

from __future__ import annotations

import asyncio
import contextvars
import logging
from collections.abc import Callable

import msgspec

from collectorqueue.admin.metrics import Metrics
from collectorqueue.quiet import contained, quietly

__all__ = ["Reporter"]

log = logging.getLogger("collectorqueue.report")


class Reporter:
    """Logs the metrics of a running queue each `interval_s` seconds, at INFO; or hands them
    to `on_report` instead."""

    def __init__(
        self,
        read: Callable[[], Metrics],
        interval_s: float,
        loop: asyncio.AbstractEventLoop,
        context: contextvars.Context,
        on_report: Callable[[Metrics], object] | None = None,
    ) -> None:
        self._read = read
        self._interval_s = interval_s
        self._loop = loop
        self._context = context
        self._on_report = on_report
        self._timer = self._arm()

    def _arm(self) -> asyncio.TimerHandle:
        return self._loop.call_later(
            self._interval_s, self._report, context=self._context
        )

    def _report(self) -> None:
        self._timer = self._arm()
        if self._on_report is not None:
            try:
                self._on_report(self._read())
            except BaseException as error:
                quietly(log, logging.ERROR, "on_report failed", exc_info=True)
                contained(error)
        elif log.isEnabledFor(logging.INFO):
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
