"""What becomes of the runs that were lost with their worker, and what is said of it."""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Iterable

from collectorqueue._native.crew import Crew
from collectorqueue._native.errand import Errand, key_of, timeout_of
from collectorqueue.errors import RunTimeout, WorkerLost, WorkersFailed
from collectorqueue.quiet import quietly
from collectorqueue.workers.worker import Worker

__all__ = ["cause", "exit_errors", "lost", "overran", "settle"]

log = logging.getLogger("collectorqueue.workers")


def lost(worker: Worker) -> WorkerLost:
    """The error of a run that its worker died in."""
    status = worker.status
    signalled = status is not None and os.WIFSIGNALED(status)
    exited = status is not None and os.WIFEXITED(status)
    return WorkerLost(
        f"worker {worker.number} (pid {worker.pid}) was lost while it ran this event: "
        f"{cause(status)}",
        worker.crash_text(),
        signal=os.WTERMSIG(status) if status is not None and signalled else None,
        exit_code=os.WEXITSTATUS(status) if status is not None and exited else None,
        worker=worker.number,
    )


def overran(worker: Worker, errand: Errand) -> RunTimeout:
    """The error of a run that its worker was killed for."""
    return RunTimeout(
        f"the run took longer than its timeout of {timeout_of(errand):g} s; "
        f"worker {worker.number} was killed for it"
    )


def cause(status: int | None) -> str:
    """What a process died of, in words."""
    if status is None:
        return "of what is not known"
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        try:
            return f"killed by {signal.Signals(number).name}"
        except ValueError:
            return f"killed by signal {number}"
    return f"it exited with status {os.WEXITSTATUS(status)}"


def settle(crew: Crew, worker: Worker) -> None:
    """Fail, or run again, what a dead worker had begun."""
    begun, worker.begun = worker.begun, []
    if not worker.is_ending or begun:
        quietly(
            log, logging.ERROR, "worker=%d pid=%d was lost: %s; it ran %s",
            worker.number, worker.pid, cause(worker.status),
            ", ".join(map(key_of, begun)) or "nothing",
        )  # fmt: skip
    for errand in begun:
        if errand in worker.overran:
            crew.bury(errand, overran(worker, errand), rerun=False)
        else:
            crew.bury(errand, lost(worker), rerun=True)


def exit_errors(failures: Iterable[tuple[str, str]]) -> list[BaseException]:
    """What lifecycles raised that were left in workers, given as (key, text)."""
    return [
        WorkersFailed(f"the lifecycle of {key!r} failed to exit in a worker:\n{text}")
        for key, text in failures
    ]
