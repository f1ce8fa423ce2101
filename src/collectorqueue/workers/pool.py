"""The worker pool: has as many workers as there should be, and settles what a death costs.

Rules of residence: when workers start, stop and are replaced. What they are sent and what
comes back is the crew's; how a process is made is the nursery's.
"""

from __future__ import annotations

import asyncio
import contextvars
import itertools
import logging
import math
import os
from collections.abc import AsyncGenerator, Callable

import msgspec

from collectorqueue._native.core import Core
from collectorqueue._native.crew import Crew
from collectorqueue._native.plan import Step
from collectorqueue._native.remote import RemoteOutlet
from collectorqueue.errors import WorkersFailed
from collectorqueue.quiet import quietly
from collectorqueue.workers.backoff import BackOff
from collectorqueue.workers.boots import boot_for
from collectorqueue.workers.encoding import Encoding
from collectorqueue.workers.forks import watch
from collectorqueue.workers.logs import pass_on
from collectorqueue.workers.losses import exit_errors, settle
from collectorqueue.workers.messages import (
    Blueprint,
    Ended,
    FromWorker,
    LogLine,
    Ready,
    Stop,
)
from collectorqueue.workers.nursery import Nursery
from collectorqueue.workers.overtime import GRACE_S, Overtime
from collectorqueue.workers.settings import WorkerSettings
from collectorqueue.workers.stats import ProcessCollectorStats, WorkersStats
from collectorqueue.workers.worker import Worker

__all__ = ["WorkerPool"]

log = logging.getLogger("collectorqueue.workers")

STATUS_S = 1.0  # to wait for what a dead worker died of
CHECK_S = 0.25  # between looks at workers' memory


class WorkerPool:
    """The workers of one running queue."""

    def __init__(
        self,
        core: Core,
        loop: asyncio.AbstractEventLoop,
        context: contextvars.Context,
        settings: WorkerSettings,
        *,
        on_short: Callable[[], None],
        on_started: Callable[[int, int, float], None],
        on_lost: Callable[[int, int], None],
    ) -> None:
        self._loop = loop
        self._context = context
        self._settings = settings
        self.crew = Crew(
            core,
            on_timed=self._look_after,
            on_short=on_short,
            decode=msgspec.msgpack.Decoder().decode,
        )
        self._overtime = Overtime(self.crew, loop, context, self._give_up, self._retire)
        self._changing = asyncio.Lock()  # of collectors, one change after the other
        self._nursery = Nursery(
            loop,
            on_forked=self._on_forked,
            on_failed=self._on_fork_failed,
            on_gone=self._on_gone,
            on_server_lost=self._on_server_lost,
        )
        self._numbers = itertools.count(1)
        self._outlets: dict[int, tuple[Blueprint, RemoteOutlet]] = {}
        self._outlet_numbers = itertools.count()
        self._workers: dict[int, Worker] = {}  # until they are buried
        self._buried: list[Worker] = []  # whose lifecycles failed to exit
        self._predecessors: list[Worker] = []  # to retire when the next is ready
        self.wanted = settings.fewest  # workers
        self._on_started = on_started
        self._on_lost = on_lost
        self._back_off = BackOff(loop, context, self._fill)
        self._checking: asyncio.TimerHandle | None = None
        self._changed: asyncio.Future[None] | None = None
        self._stopping = False
        self.restarts = self._died = 0
        self._guard = self._kill_when_the_loop_ends()
        watch(self)

    def _look_after(self, ns: int) -> None:
        self._overtime.look_after(ns)

    # -- collectors -----------------------------------------------------------------

    def connect(self, step: Step, blueprint: Blueprint, encoding: Encoding) -> RemoteOutlet:
        """Lead a collector's events to the workers that start from now on."""
        number = next(self._outlet_numbers)
        blueprint = msgspec.structs.replace(blueprint, number=number)
        timeout = blueprint.timeout or 0.0
        if timeout and blueprint.is_async:
            timeout += GRACE_S  # its worker ends it by itself, if it can be ended
        outlet = RemoteOutlet(
            self.crew,
            step,
            number=number,
            encode_into=encoding.encode_into,
            explain=encoding.explain,
            takes_raw=encoding.takes_raw,
            is_async=blueprint.is_async,
            idempotent=step.collector.idempotent,
            limit=blueprint.max_concurrency or 0,
            timeout_ns=int(timeout * 1e9),
        )
        self._outlets[number] = (blueprint, outlet)
        return outlet

    async def take_on(
        self, step: Step, blueprint: Blueprint, encoding: Encoding
    ) -> RemoteOutlet:
        """The same for workers that run: all are replaced by such as have the collector.

        Raises WorkersFailed if those cannot start; the old ones stay then.
        """
        async with self._changing:
            outlet = self.connect(step, blueprint, encoding)
            await self._renew(outlet)
            return outlet

    async def disconnect(self, outlet: RemoteOutlet) -> BaseException | None:
        """Let workers do without this collector; returns what its lifecycle's exit raised.

        Where it has a lifecycle, all workers are replaced, so that it is left.
        """
        async with self._changing:
            blueprint, _ = self._outlets.pop(outlet.number)
            if blueprint.lifecycle is None or self._stopping:
                return None
            try:
                await self._renew()
            except WorkersFailed as error:
                return error
            return None

    def stats(self) -> WorkersStats:
        """What there is to tell, now."""
        return WorkersStats(
            workers=[each.stats() for each in self._workers.values() if each.is_at_work],
            collectors={
                outlet.step.key: ProcessCollectorStats.of(outlet)
                for _, outlet in self._outlets.values()
            },
            started=self._back_off.started,
            start_s=self._back_off.start_s,
            failed_starts=self._back_off.failed,
            died=self._died,
            restarts=self.restarts,
            waiting=self.crew.waits,
            out=self.crew.out,
            degraded=self._back_off.is_degraded,
        )

    # -- start and stop -------------------------------------------------------------

    async def start(self) -> None:
        """Have all workers ready. Raises WorkersFailed with what they say."""
        await anext(self._guard)
        async with self._changing:
            await self._have_ready()
        if self._settings.max_bytes is not None:
            self._check_memory()

    async def _renew(self, added: RemoteOutlet | None = None) -> None:
        """Replace all workers, so that the new ones have the collectors of now.

        Raises WorkersFailed if those cannot start; the old ones stay then, and the
        collector that was added is forgotten.
        """
        old = [each for each in self._workers.values() if self._counts(each)]
        for each in old:
            each.is_ending = True  # not counted; it works on
        try:
            await self._have_ready()
        except BaseException:
            for each in list(self._workers.values()):
                if self._counts(each):
                    each.is_ending = True
                    each.kill()
            for each in old:
                each.is_ending = bool(each.overran)
            if added is not None:
                self._outlets.pop(added.number)
            self._take_spare()
            for each in old:
                if not each.is_dead:
                    each.look_whether_worn()
            self._fill()
            raise
        for each in [*old, *self._predecessors]:
            if not each.is_dead:
                self._retire(each)
        self._predecessors.clear()

    async def stop(self, grace_s: float) -> list[BaseException]:
        """Let all workers leave their lifecycles and end, for at most so many seconds.

        Returns what lifecycles raised. A cancellation ends it at once, and is kept.
        """
        self._stopping = True
        self._note_change()
        self._overtime.stop()
        self._back_off.stop()
        if self._checking is not None:
            self._checking.cancel()
        for each in list(self._workers.values()):
            if each.is_at_work and not each.overran:
                self._retire(each)
            else:
                each.is_ending = True
                each.kill()
        deadline = self._loop.time() + grace_s
        try:
            await self._until_gone(deadline)
            for each in list(self._workers.values()):
                each.kill()
            await self._until_gone(self._loop.time() + STATUS_S)
        finally:
            errors = exit_errors([*self._workers.values(), *self._buried])
            for each in list(self._workers.values()):
                each.kill()
                each.died()
                self._settle_dead(each)
            self._nursery.close()
            await self._guard.aclose()
        return errors

    async def _kill_when_the_loop_ends(self) -> AsyncGenerator[None, None]:
        """Begun, and closed by `stop()`, or by a loop that shuts down without it."""
        try:
            yield
        finally:
            self.kill()
            for each in list(self._workers.values()):
                each.died()
                self._settle_dead(each)
            self._nursery.close()

    def kill(self) -> None:
        """End all workers now, whether the loop runs or not; none takes their place."""
        self._stopping = True
        for each in list(self._workers.values()):
            each.kill()
        self._nursery.kill()

    def abandon(self) -> None:
        """In a child that the user forked: touch nothing that is the parent's."""
        self._stopping = True
        self._nursery.abandon()
        for each in self._workers.values():
            each.abandon()
        self._workers.clear()

    async def _have_ready(self) -> None:
        failed = self._back_off.failed
        self._fill()
        while self._ready() < self.wanted:
            if self._stopping:
                raise WorkersFailed("the queue was closed before its workers were ready")
            if self._back_off.failed > failed:
                raise WorkersFailed(f"a worker could not start: {self._back_off.last}")
            await self._change()

    async def _until_gone(self, deadline: float) -> None:
        while self._workers and self._loop.time() < deadline:
            left_s = deadline - self._loop.time()
            await self._change(left_s if left_s < math.inf else None)

    async def _change(self, timeout: float | None = None) -> None:
        if self._changed is None or self._changed.done():
            self._changed = self._loop.create_future()
        await asyncio.wait([self._changed], timeout=timeout)

    def _note_change(self) -> None:
        if self._changed is not None and not self._changed.done():
            self._changed.set_result(None)

    # -- how many -------------------------------------------------------------------

    def _counts(self, worker: Worker) -> bool:
        return not worker.is_ending and not worker.is_dead

    def _ready(self) -> int:
        return sum(self._counts(each) and each.is_ready for each in self._workers.values())

    def _fill(self) -> None:
        """Start as many workers as are missing, and a spare one if they wear out."""
        if self._stopping or self._back_off.is_waiting:
            return
        wanted = self.wanted + (self._settings.max_events is not None)
        have = sum(map(self._counts, self._workers.values()))
        for _ in range(wanted - have):
            if not self._start_one():
                return

    def _start_one(self) -> bool:
        number = next(self._numbers)
        try:
            worker = Worker(number, self.crew, self._loop, self._hear, self._on_broken,
                            self._replace_worn)  # fmt: skip
        except OSError as error:
            self._note_failure(f"{error}")
            return False
        self._workers[number] = worker
        try:
            worker.offer_to(self._nursery.fork)
        except OSError as error:
            self._on_fork_failed(number, f"{error}")
            return False
        blueprints = [blueprint for blueprint, _ in self._outlets.values()]
        worker.tell(boot_for(blueprints))
        return True

    @property
    def ready(self) -> int:
        """Of them, how many are."""
        return min(self.wanted, self._ready())

    def resize(self, before: int, after: int) -> None:
        """Have so many workers; those with the least to do leave first, when it is done."""
        self.wanted = after
        if self._stopping:
            return
        self._fill()
        staying = sorted(
            (each for each in self._workers.values() if self._counts(each)),
            key=lambda each: (each.is_ready, each.window.outstanding),
        )
        spare = self._settings.max_events is not None
        for each in staying[: max(0, len(staying) - after - spare)]:
            if each.is_ready:
                self._retire(each)
            else:
                each.is_ending = True
                each.kill()

    def _enlist(self, worker: Worker) -> None:
        """It is ready: let it work, unless it is the spare one."""
        working = sum(window.is_open for window in self.crew.windows)
        if working < self.wanted or self._settings.max_events is None:
            worker.window.at_most = self._settings.max_events or 0
            self.crew.enlist(worker.window)

    def _retire(self, worker: Worker) -> None:
        """Let it finish what it has, and end."""
        worker.is_ending = worker.is_stopping = True
        worker.window.is_open = False
        worker.tell(Stop())
        self._take_spare()

    def _give_up(self, worker: Worker) -> None:
        """It is about to be killed: have others work in its place at once."""
        self.restarts += not worker.is_ending
        worker.is_ending = True
        self.crew.corner(worker.window)
        self._take_spare()
        self._fill()

    def _replace_worn(self, worker: Worker) -> None:
        """It has run enough events, or ran out of memory: it ends after what it has."""
        if self._stopping:
            return
        self.restarts += 1
        if self._settings.max_events is None:
            self._succeed(worker)
            return
        self._retire(worker)
        self._fill()

    def _take_spare(self) -> None:
        """Have the spare worker work, if one is missing."""
        if self._stopping:
            return
        for each in list(self._workers.values()):
            if each.is_ready and self._counts(each) and not each.window.is_open:
                self._enlist(each)

    def _check_memory(self) -> None:
        limit = self._settings.max_bytes
        assert limit is not None
        self._checking = self._loop.call_later(
            CHECK_S, self._check_memory, context=self._context
        )
        for each in list(self._workers.values()):
            if self._counts(each) and each.is_ready and each.told[1] > limit:
                quietly(
                    log, logging.INFO, "worker=%d pid=%d bytes=%d: replaced, over %d",
                    each.number, each.pid, each.told[1], limit,
                )  # fmt: skip
                self.restarts += 1
                self._succeed(each)

    def _succeed(self, worker: Worker) -> None:
        """Start its successor now, and retire it when that one is ready: no gap."""
        worker.is_ending = True
        self._predecessors.append(worker)
        self._fill()

    # -- what workers say -------------------------------------------------------------

    def _hear(self, worker: Worker, message: FromWorker) -> None:
        match message:
            case LogLine():
                self._context.copy().run(pass_on, message, worker.number, worker.pid)
            case Ready() | Ended() if not worker.can_say(message):
                self._on_broken(worker, f"it sent what makes no sense: {message} now")
            case Ready(None):
                worker.is_ready = True
                took_s = self._loop.time() - worker.born_at
                self._on_started(worker.number, worker.pid, took_s)
                self._back_off.note_success(took_s)
                if self._counts(worker) and not self._stopping:
                    self._enlist(worker)
                while self._predecessors:
                    old = self._predecessors.pop(0)
                    if not old.is_dead:
                        self._retire(old)
                        break
                self._note_change()
            case Ready(failure):
                worker.failure = failure
            case Ended(failures):
                worker.exit_failures = failures

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

    # -- births and deaths ------------------------------------------------------------

    def _on_forked(self, number: int, pid: int, pidfd: int) -> None:
        worker = self._workers.get(number)
        if worker is None:
            os.close(pidfd)
            return
        worker.forked(pid, pidfd, self._on_death)
        if self._stopping or worker.is_ending:
            worker.kill()

    def _on_fork_failed(self, number: int, why: str) -> None:
        worker = self._workers.get(number)
        if worker is None or worker.pid:
            return
        worker.died()
        self._bury(worker)
        self._note_failure(why)

    def _note_failure(self, why: str) -> None:
        """A worker could not be started: not again before a while."""
        if not self._stopping:
            self._back_off.note_failure(why)
        self._note_change()

    def _on_death(self, worker: Worker) -> None:
        """Its process has ended. What it had not begun goes on at once."""
        worker.died()
        was_ready = worker.is_ready
        if worker.status is not None or not worker.begun:
            self._settle_dead(worker)
        else:
            # What it died of is told by the fork server, in a moment, if that lives.
            self._loop.call_later(
                STATUS_S, self._settle_dead, worker, context=self._context
            )
        if not worker.is_ending and not self._stopping:
            self.restarts += was_ready
            self._died += 1
            self._on_lost(worker.number, worker.pid)
            if not was_ready:
                self._note_failure(worker.failure or "it ended before it was ready")
            else:
                self._take_spare()
                self._fill()

    def _on_gone(self, pid: int, status: int) -> None:
        for each in list(self._workers.values()):
            if each.pid == pid:
                each.status = status
                if each.is_dead:
                    self._settle_dead(each)
                return

    def _on_server_lost(self) -> None:
        if not self._stopping:
            quietly(log, logging.WARNING, "the fork server has died; workers go on")

    def _settle_dead(self, worker: Worker) -> None:
        """Fail, or run again, what it had begun."""
        if self._workers.get(worker.number) is not worker:
            return
        settle(self.crew, worker)
        self._bury(worker)

    def _bury(self, worker: Worker) -> None:
        self._workers.pop(worker.number, None)
        if worker.exit_failures:
            self._buried.append(worker)
        worker.bury()
        self._note_change()
