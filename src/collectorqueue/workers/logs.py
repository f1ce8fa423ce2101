"""Logging in workers: every record reaches the logging of the loop's process.

Rules of residence: making a message of a record, and a record of a message. Nobody's
configuration is changed but a worker's own, which had none.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable

from collectorqueue.workers.messages import LogLine

__all__ = ["ForwardingHandler", "levels", "pass_on"]

TEXT_AT_MOST = 65_536  # characters


class ForwardingHandler(logging.Handler):
    """In a worker: hands every record over."""

    def __init__(self, send: Callable[[LogLine], None]) -> None:
        super().__init__()
        self._send = send

    def emit(self, record: logging.LogRecord) -> None:
        """As text: arguments may be anything."""
        try:
            text = record.getMessage()
            trace = record.exc_text
            if record.exc_info and not trace:
                trace = logging.Formatter().formatException(record.exc_info)
            self._send(
                LogLine(
                    name=record.name,
                    level=record.levelno,
                    text=_clean(text),
                    created=record.created,
                    file=record.pathname,
                    line=record.lineno,
                    function=record.funcName,
                    thread=record.threadName,
                    trace=None if trace is None else _clean(trace),
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
    return found


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


def _clean(text: str) -> str:
    """What can be encoded, and is not endless."""
    return text[:TEXT_AT_MOST].encode("utf-8", "backslashreplace").decode("utf-8")
