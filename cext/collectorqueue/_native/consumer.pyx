"""A consumer: take -> route -> collect -> settle, as one compiled state machine.

Rules of residence: from one event to the next. A consumer is a coroutine to its task, but
not an `async def`: the task calls `turn`, which drives handlers until one really has to
wait. What is done with an event is Collecting's; how many consumers there are is decided
elsewhere.
"""
import asyncio
from collections.abc import Coroutine

cimport cython

from collectorqueue._native.clock cimport monotonic_ns
from collectorqueue._native.collecting cimport Collecting
from collectorqueue._native.context cimport step_out, tidy
from collectorqueue._native.core cimport Core
from collectorqueue._native.driver cimport SUSPENDED
from collectorqueue._native.event cimport FAILED, IN_HAND, IN_LANE, QUEUED, CollectorEvent
from collectorqueue._native.helping cimport waiting
from collectorqueue._native.holders cimport events_of
from collectorqueue._native.results cimport error_from
from collectorqueue._native.spreading cimport (
    BEGUN, COLLECTING, ENDED, FRESH, HELD, IDLE, JOINING, SLICED, WAITING,
)
from collectorqueue._native.sums cimport note_hold

cdef object CancelledError = asyncio.CancelledError
cdef object enter_task = asyncio.tasks._enter_task
cdef object leave_task = asyncio.tasks._leave_task


@cython.final
@cython.no_gc_clear
cdef class Consumer(Collecting):
    """One competing consumer. Made, started and replaced by the pool."""

    def __cinit__(self, Core core not None, make_branch, CollectorEvent only=None):
        self.core = core
        self.make_branch = make_branch
        self.only = only
        self.stage = FRESH
        core.seats[self] = None

    # -- what its task calls ------------------------------------------------------

    def __await__(self):
        return self

    def __iter__(self):
        return self

    def __next__(self):
        return self.turn(None)

    def send(self, value):
        return self.turn(None)

    def throw(self, typ, val=None, tb=None):
        return self.turn(val if isinstance(val, BaseException) else (
            typ if isinstance(typ, BaseException) else typ()))

    def close(self):
        if self.stage != ENDED:
            coroutine, self.coroutine = self.coroutine, None
            self.stage = ENDED
            self.core.seats.pop(self, None)
            if coroutine is not None and hasattr(coroutine, "close"):
                coroutine.close()

    @property
    def only_event(self):
        """The one event it is for, if it is not counted in the pool; else None."""
        return self.only

    @property
    def cr_await(self):
        """The handler's coroutine it is in, for debuggers."""
        return self.coroutine

    @property
    def cr_frame(self):
        """The handler's frame, for `task.print_stack()`."""
        return getattr(self.coroutine, "cr_frame", None)

    @property
    def __name__(self):
        return "consumer"

    @property
    def __qualname__(self):
        return "collectorqueue.consumer"

    # -- the machine --------------------------------------------------------------

    cdef object turn(self, object thrown):
        """Go on until there is something to wait for, and return that."""
        self.core.turning += 1
        try:
            return self.go_on(thrown)
        except (StopIteration, CancelledError):
            raise
        except BaseException as exc:
            self.fail(exc)
            raise
        finally:
            self.core.turning -= 1
            if self.context is not None:
                step_out(self.context)

    cdef int fail(self, object exc) except -1:
        """A fault of ours. It may cost this consumer, never the event's waiters."""
        if self.stage == ENDED:
            return 0        # it was in a caller's step, and is seen to
        self.stage = ENDED
        self.core.seats.pop(self, None)
        if self.event is not None:
            was_queued = self.event.state == QUEUED
            for event in events_of(self.event):
                self.core.settle(event, FAILED, error_from(exc), monotonic_ns())
            if was_queued:
                self.forget_event()     # it made nobody busy
            else:
                self.close_event()
        return self.expect_successor()

    cdef int collect_now(self, object caller) except -1:
        """In the step of the calling task, but as what it is: our own task, and idle.

        A handler that does not wait is done when this returns, and nothing has to be woken.
        One that waits goes on in our task, which is woken for it and has been its task from
        the beginning.
        """
        loop = self.core.loop
        leave_task(loop, caller)
        enter_task(loop, self.task)
        self.core.turning += 1
        try:
            self.take_one()
        except BaseException as exc:
            self.fail(exc)
            self.fault = exc
        finally:
            self.core.turning -= 1
            if self.context is not None:
                step_out(self.context)
            leave_task(loop, self.task)
            enter_task(loop, caller)
        if self.stage == IDLE:
            self.core.idle.append(self)
            if waiting(self.core) and self.core.coming == 0:
                self.core.call_for_help()
        elif not self.bell.done():
            self.bell.set_result(None)
        return 0

    cdef int take_one(self) except -1:
        cdef Core core = self.core
        self.now = monotonic_ns()
        self.event = core.take(self.now)
        if self.event is not None and self.start() == WAITING:
            note_hold(core, self.step, monotonic_ns() - self.now)
            self.stage = BEGUN
        elif self.leaving or self.spent or self.retiring or core.excess or self.bell.done():
            self.stage = FRESH      # it sees to that in its own step
            core.coming += 1
        else:
            self.stage = IDLE
            self.step = None
            if self.context is not None:
                tidy(self.context)
        return 0

    cdef object go_on(self, object thrown):
        cdef Core core = self.core
        self.now = monotonic_ns()
        if self.written_off:
            return self.outlive(thrown)
        if self.stage == ENDED:     # in a caller's step
            raise self.fault
        if self.stage == BEGUN:
            self.bell = None
            self.stage = COLLECTING
            if thrown is None:
                return self.pause()
        if self.stage == COLLECTING:
            if self.resume(thrown) == SUSPENDED:
                note_hold(core, self.step, monotonic_ns() - self.now)
                return self.pause()
            if self.own_part_done() == WAITING:
                return self.pause()
        elif self.stage == JOINING:
            self.bell = None
            if thrown is not None and self.is_cancelled:
                self.give_up_event()
                return self.leave(thrown)
            if self.gathering.held and self.gathering.results is not None:
                return self.pause()
            self.close_event()
        elif self.stage == HELD:
            self.stage = COLLECTING
            if thrown is not None and self.is_cancelled:
                self.give_up_event()
                return self.leave(thrown)
            self.begun_ns = self.event.start_ns
            if thrown is not None:
                self.never_begun(thrown)
            elif self.begin(self.step, self.event, self.event.payload) == SUSPENDED:
                return self.pause()
            if self.own_part_done() == WAITING:
                return self.pause()
        else:
            if self.stage == IDLE:
                self.bell = None
                if self.woken:
                    self.woken = False
                    core.coming -= 1
                elif self in core.idle:
                    core.idle.remove(self)
            elif self.only is None:
                core.coming -= 1
            if thrown is not None and not self.spent:
                return self.leave(thrown)
        return self.next_event()

    cdef object outlive(self, object thrown):
        """Its handler goes on, and nobody waits for what comes of it."""
        # It may have waited for the event's other collectors only.
        suspended = self.coroutine is not None and self.resume(thrown) == SUSPENDED
        if waiting(self.core) and self.core.coming == 0:
            self.core.call_for_help()   # of what it sent, or let go on
        if suspended:
            yielded, self.yielded = self.yielded, None
            return yielded
        self.answer = None
        self.stage = ENDED
        raise StopIteration

    cdef object next_event(self):
        """Between two events: leave, wait, or take the next and collect it."""
        cdef Core core = self.core
        while True:
            if self.leaving:
                return self.leave(CancelledError())
            if self.spent or self.retiring:
                return self.end()
            if self.only is not None:
                if self.only.state != QUEUED or self.only.place != IN_LANE:
                    return self.end()
                self.event = self.only
                core.lane.bury(self.event)
                self.event.place = IN_HAND
            else:
                if core.excess:
                    core.excess -= 1
                    self.retiring = True
                    return self.end()
                if core.in_slice and self.now >= core.slice_end and waiting(core):
                    self.stage = SLICED
                    core.is_loop_bound = True
                    core.coming += 1
                    return None
                self.event = core.take(self.now)
                if self.event is None:
                    if core.when_empty is not None:
                        core.look_if_empty()    # it may hand batches over
                        if waiting(core):
                            continue
                    return self.go_idle()
            if self.start() == WAITING:
                note_hold(core, self.step, monotonic_ns() - self.now)
                return self.pause()
            if not core.in_slice and waiting(core):
                core.begin_slice(self.now)

    # -- waiting ------------------------------------------------------------------

    cdef object pause(self):
        """Give the turn up for the event in hand; others may go on."""
        cdef Core core = self.core
        cdef Py_ssize_t queued = waiting(core)
        if queued + core.busy > core.peak_demand:
            core.peak_demand = queued + core.busy
        if queued and core.coming == 0:
            core.call_for_help()
        if self.stage == COLLECTING:
            yielded, self.yielded = self.yielded, None
            return yielded
        if self.stage == HELD:
            return None
        return self.ring_later()

    cdef object ring_later(self):
        self.bell = self.core.create_future()
        self.bell._asyncio_future_blocking = True
        if self.gathering is not None:
            self.gathering.bell = self.bell
        return self.bell

    cdef object go_idle(self):
        self.stage = IDLE
        self.step = None
        if self.context is not None:
            tidy(self.context)
        self.core.is_loop_bound = False
        self.core.idle.append(self)
        self.core.elsewhere.all_offered()
        return self.ring_later()

    cdef object end(self):
        """Leave in peace."""
        cdef Core core = self.core
        self.stage = ENDED
        core.seats.pop(self, None)
        if self.spent:
            self.expect_successor()
        if self.only is not None and self.only.state == QUEUED:
            core.waits.uncover(self.only)
        if waiting(core) and core.coming == 0:
            core.call_for_help()
        raise StopIteration

    cdef object leave(self, object thrown):
        """End as cancelled, and keep the cancellation."""
        cdef Core core = self.core
        self.stage = ENDED
        self.lost = True
        core.seats.pop(self, None)
        self.expect_successor()
        if waiting(core) and core.coming == 0:
            core.call_for_help()
        raise thrown


Coroutine.register(Consumer)
