"""Logging in workers: every record reaches the logging of the loop's process.

Rules of residence: making a message of a record, and a record of a message. Nobody's
configuration is changed but a worker's own, which had none.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable

from collectorqueue._native.accounts import encodable
from collectorqueue.workers.messages import LogLine

__all__ = ["ForwardingHandler", "levels", "pass_on"]

TEXT_AT_MOST = 65_536  # characters


class ForwardingHandler(logging.Handler):
    """In a worker: hands every record over."""

    def __init__(self, send: Callable[[LogLine], None]) -> None:
        super().__init__()
        self._send = send

    def emit(self, record: logging.LogRecord) -> None:
        """As text: arguments may be anything, and so may what a record made by hand has."""
        try:
            trace = record.exc_text
            if record.exc_info and not trace:
                trace = logging.Formatter().formatException(record.exc_info)
            self._send(
                LogLine(
                    name=_clean(record.name),
                    level=int(record.levelno),
                    text=_clean(record.getMessage()),
                    created=float(record.created),
                    file=_clean(record.pathname),
                    line=int(record.lineno or 0),
                    function=_clean_or_none(record.funcName),
                    thread=_clean_or_none(record.threadName),
                    trace=_clean_or_none(trace),
                )
            )
        except Exception:
            self.handleError(record)


def levels() -> dict[str, int]:
    """The levels that are set here, so that workers do not send what nobody will see."""
    found = {"": logging.getLogger().level}
    for name, logger in list(logging.root.manager.loggerDict.items()):
        if isinstance(logger, logging.Logger) and logger.level:
            found[name] = logger.level
    return {_clean(name): level for name, level in found.items() if isinstance(level, int)}


def pass_on(line: LogLine, worker: int, pid: int) -> None:
    """Give a worker's record to the logger of that name; it has `worker`, its number."""
    logger = logging.getLogger(line.name)
    if not logger.isEnabledFor(line.level):
        return
    record = logger.makeRecord(
        line.name, line.level, line.file, line.line, "%s", (line.text,), None,
        func=line.function, extra={"worker": worker},
    )  # fmt: skip
    record.created = line.created
    record.msecs = (line.created % 1) * 1000
    record.process = pid
    record.processName = f"worker-{worker}"
    record.threadName = line.thread
    record.exc_text = line.trace
    # A handler of the application that raises: the worker's other messages matter more.
    with contextlib.suppress(Exception):
        logger.handle(record)


def _clean(text: object) -> str:
    """What can be encoded, and is not endless."""
    return encodable(str(text)[:TEXT_AT_MOST])


def _clean_or_none(text: object) -> str | None:
    return None if text is None else _clean(text)
