"""The staff: the workers there are, from birth to burial, as many as there should be.

Rules of residence: when one starts, retires and is replaced. What workers are sent and what
comes back is the crew's; how a process is made is the nursery's; what collectors they have
is the pool's.
"""

from __future__ import annotations

import asyncio
import contextvars
import itertools
import logging
import os
from collections import deque
from collections.abc import Callable

from collectorqueue._native.crew import Crew
from collectorqueue.quiet import quietly
from collectorqueue.workers.backoff import BackOff
from collectorqueue.workers.logs import pass_on
from collectorqueue.workers.losses import settle
from collectorqueue.workers.messages import Boot, Ended, FromWorker, LogLine, Ready, Stop
from collectorqueue.workers.nursery import Nursery
from collectorqueue.workers.settings import WorkerSettings
from collectorqueue.workers.worker import Worker

__all__ = ["STATUS_S", "Staff"]

log = logging.getLogger("collectorqueue.workers")

STATUS_S = 1.0  # to wait for what a dead worker died of
CHECK_S = 0.25  # between looks at workers' memory
EXIT_FAILURES_KEPT = 100  # the last ones; all are logged


class Staff:
    """The workers of one pool; `boot()` is what a new one is told first."""

    def __init__(
        self,
        crew: Crew,
        loop: asyncio.AbstractEventLoop,
        context: contextvars.Context,
        settings: WorkerSettings,
        *,
        boot: Callable[[], Boot],
        on_started: Callable[[int, int, float], None],
        on_lost: Callable[[int, int], None],
    ) -> None:
        self._crew = crew
        self._loop = loop
        self._context = context
        self._settings = settings
        self._boot = boot
        self._on_started = on_started
        self._on_lost = on_lost
        self.nursery = Nursery(
            loop,
            on_forked=self._on_forked,
            on_failed=self._on_fork_failed,
            on_gone=self._on_gone,
            on_server_lost=self._on_server_lost,
        )
        self._numbers = itertools.count(1)
        self._there: dict[int, Worker] = {}  # until they are buried
        self._predecessors: list[Worker] = []  # to retire when the next is ready
        self._checking: asyncio.TimerHandle | None = None
        self._changed: asyncio.Future[None] | None = None
        # What lifecycles failed to exit with, as (key, text), in those that are buried.
        self.exit_failures: deque[tuple[str, str]] = deque(maxlen=EXIT_FAILURES_KEPT)
        self.starts = BackOff(loop, context, self.fill)
        self.wanted = settings.fewest  # workers
        self.is_closing = False  # nobody is hired any more
        self.restarts = self.died = 0

    # -- who is there ---------------------------------------------------------------

    def everyone(self) -> list[Worker]:
        """Until they are buried."""
        return list(self._there.values())

    def counted(self) -> list[Worker]:
        """Those in nobody's place."""
        return [each for each in self.everyone() if not each.is_ending and not each.is_dead]

    @property
    def ready(self) -> int:
        """How many of these are, the spare one too."""
        return sum(each.is_ready for each in self.counted())

    async def change(
        self, timeout: float | None = None, until: asyncio.Future[None] | None = None
    ) -> None:
        """Wait until there is another state of things, or so many seconds, or `until`."""
        if self._changed is None or self._changed.done():
            self._changed = self._loop.create_future()
        awaited = [self._changed] if until is None else [self._changed, until]
        await asyncio.wait(
            awaited, timeout=timeout, return_when=asyncio.FIRST_COMPLETED
        )

    def _note_change(self) -> None:
        if self._changed is not None and not self._changed.done():
            self._changed.set_result(None)

    # -- how many -------------------------------------------------------------------

    def fill(self) -> None:
        """Start as many workers as are missing, and a spare one if they wear out."""
        if self.is_closing or self.starts.is_waiting:
            return
        for _ in range(self.wanted + self._spare - len(self.counted())):
            if not self._start_one():
                return

    @property
    def _spare(self) -> bool:
        return self._settings.max_events is not None

    def resize(self, after: int) -> None:
        """Have so many workers; those with the least to do leave first, when it is done."""
        self.wanted = after
        if self.is_closing:
            return
        self.fill()
        staying = sorted(
            self.counted(), key=lambda each: (each.is_ready, each.window.outstanding)
        )
        for each in staying[: max(0, len(staying) - after - self._spare)]:
            self.send_away(each)

    def retire(self, worker: Worker) -> None:
        """Let it finish what it has, and end."""
        worker.is_ending = worker.is_stopping = True
        worker.window.is_open = False
        worker.tell(Stop())
        self.employ_spare()

    def dismiss(self, worker: Worker) -> None:
        """End it now."""
        worker.is_ending = True
        worker.kill()

    def send_away(self, worker: Worker) -> None:
        """It is not needed: it leaves its lifecycles, if it has entered them."""
        if worker.is_ready:
            self.retire(worker)
        else:
            self.dismiss(worker)

    def give_up(self, worker: Worker) -> None:
        """It is about to be killed: have others work in its place at once."""
        self.restarts += not worker.is_ending
        worker.is_ending = True
        self._crew.corner(worker.window)
        self.employ_spare()
        self.fill()

    def employ_spare(self) -> None:
        """Have the spare worker work, if one is missing."""
        if self.is_closing:
            return
        for each in self.counted():
            if each.is_ready and not each.window.is_open:
                self._enlist(each)

    def _enlist(self, worker: Worker) -> None:
        """It is ready: let it work, unless it is the spare one."""
        working = sum(window.is_open for window in self._crew.windows)
        if working < self.wanted or not self._spare:
            worker.window.at_most = self._settings.max_events or 0
            self._crew.enlist(worker.window)

    # -- replacement ----------------------------------------------------------------

    def watch_memory(self) -> None:
        """Replace those that take more than they may, from now on."""
        limit = self._settings.max_bytes
        if limit is None:
            return
        self._checking = self._loop.call_later(
            CHECK_S, self.watch_memory, context=self._context
        )
        for each in self.counted():
            if each.is_ready and each.told[1] > limit:
                quietly(
                    log, logging.INFO, "worker=%d pid=%d bytes=%d: replaced, over %d",
                    each.number, each.pid, each.told[1], limit,
                )  # fmt: skip
                self.restarts += 1
                self._succeed(each)

    def _replace_worn(self, worker: Worker) -> None:
        """It has run enough events, or ran out of memory: it ends after what it has."""
        if self.is_closing:
            return
        self.restarts += 1
        if not self._spare:
            self._succeed(worker)
            return
        self.retire(worker)
        self.fill()

    def _succeed(self, worker: Worker) -> None:
        """Start its successor now, and retire it when that one is ready: no gap."""
        worker.is_ending = True
        self._predecessors.append(worker)
        self.fill()

    def retire_predecessors(self) -> None:
        """Whose successors are ready, or not needed."""
        for each in self._predecessors:
            if not each.is_dead:
                self.retire(each)
        self._predecessors.clear()

    # -- what workers say -------------------------------------------------------------

    def _hear(self, worker: Worker, message: FromWorker) -> None:
        match message:
            case LogLine():
                self._context.copy().run(pass_on, message, worker.number, worker.pid)
            case Ready() | Ended() if not worker.can_say(message):
                self._on_broken(worker, f"it sent what makes no sense: {message} now")
            case Ready(None):
                self._on_ready(worker)
            case Ready(failure):
                worker.failure = failure
            case Ended(failures):
                worker.exit_failures, worker.lifecycles = failures, []

    def _on_ready(self, worker: Worker) -> None:
        worker.is_ready = True
        took_s = self._loop.time() - worker.born_at
        self._on_started(worker.number, worker.pid, took_s)
        self.starts.note_success(took_s)
        if not worker.is_ending and not worker.is_dead and not self.is_closing:
            self._enlist(worker)
        while self._predecessors:
            old = self._predecessors.pop(0)
            if not old.is_dead:
                self.retire(old)
                break
        self._note_change()

    def _on_broken(self, worker: Worker, why: str | None) -> None:
        """It cannot be understood any more; without a why, it has closed its socket."""
        if why is None and worker.is_stopping:
            return  # as it should
        if why is not None:
            quietly(
                log, logging.ERROR, "worker=%d pid=%d is killed: %s",
                worker.number, worker.pid, why,
            )  # fmt: skip
        worker.kill()

    # -- births -----------------------------------------------------------------------

    def _start_one(self) -> bool:
        number = next(self._numbers)
        try:
            boot = self._boot()
            worker = Worker(number, self._crew, self._loop, self._hear, self._on_broken,
                            self._replace_worn)  # fmt: skip
        except (OSError, ValueError) as error:  # that of the boot, or no file is free
            self._note_failure(f"{error}")
            return False
        self._there[number] = worker
        try:
            worker.offer_to(self.nursery.fork)
        except OSError as error:
            self._on_fork_failed(number, f"{error}")
            return False
        worker.lifecycles = [each.key for each in boot.blueprints if each.lifecycle]
        worker.tell(boot)
        return True

    def _on_forked(self, number: int, pid: int, pidfd: int) -> None:
        worker = self._there.get(number)
        if worker is None:
            os.close(pidfd)
            return
        worker.forked(pid, pidfd, self._on_death)
        if self.is_closing or worker.is_ending:
            worker.kill()

    def _on_fork_failed(self, number: int, why: str) -> None:
        worker = self._there.get(number)
        if worker is None or worker.pid:
            return
        worker.died()
        self._bury(worker)
        self._note_failure(why)

    def _note_failure(self, why: str) -> None:
        """A worker could not be started: not again before a while."""
        if not self.is_closing:
            self.starts.note_failure(why)
        self._note_change()

    # -- deaths -----------------------------------------------------------------------

    def _on_death(self, worker: Worker) -> None:
        """Its process has ended. What it had not begun goes on at once."""
        worker.died()
        was_ready = worker.is_ready
        if worker.status is not None or not worker.begun:
            self._settle(worker)
        else:
            # What it died of is told by the fork server, in a moment, if that lives.
            self._loop.call_later(STATUS_S, self._settle, worker, context=self._context)
        if not worker.is_ending and not self.is_closing:
            self.restarts += was_ready
            self.died += 1
            self._on_lost(worker.number, worker.pid)
            if not was_ready:
                self._note_failure(worker.failure or "it ended before it was ready")
            else:
                self.employ_spare()
                self.fill()

    def _on_gone(self, pid: int, status: int) -> None:
        for each in self.everyone():
            if each.pid == pid:
                each.status = status
                if each.is_dead:
                    self._settle(each)
                return

    def _on_server_lost(self) -> None:
        if not self.is_closing:
            quietly(log, logging.WARNING, "the fork server has died; workers go on")

    def _settle(self, worker: Worker) -> None:
        """Fail, or run again, what it had begun."""
        if self._there.get(worker.number) is not worker:
            return
        settle(self._crew, worker)
        self._bury(worker)

    def _bury(self, worker: Worker) -> None:
        self._there.pop(worker.number, None)
        if worker.is_stopping and worker.is_ready:
            why = "it was not left before the worker ended"
            worker.exit_failures += [(key, why) for key in worker.lifecycles]
        for key, text in worker.exit_failures:
            quietly(
                log, logging.ERROR, "worker=%d pid=%d: the lifecycle of %r failed to exit:\n%s",
                worker.number, worker.pid, key, text,
            )  # fmt: skip
        self.exit_failures += worker.exit_failures
        worker.bury()
        self._note_change()

    # -- the end ----------------------------------------------------------------------

    def hire_no_more(self) -> None:
        """Start none any more, whatever happens."""
        self.is_closing = True
        self._note_change()
        self.starts.stop()
        if self._checking is not None:
            self._checking.cancel()

    def kill(self) -> None:
        """End all now, whether the loop runs or not; none takes their place."""
        self.is_closing = True
        for each in self.everyone():
            each.kill()
        self.nursery.kill()

    def close(self) -> None:
        """Bury who is left, and let the nursery go."""
        for each in self.everyone():
            each.kill()
            each.died()
            self._settle(each)
        self.nursery.close()

    def abandon(self) -> None:
        """In a child that the user forked: touch nothing that is the parent's."""
        self.is_closing = True
        self.nursery.abandon()
        for each in self.everyone():
            each.abandon()
        self._there.clear()
