"""What a worker is handed: one collector's run of one event.

Rules of residence: how a run begins and ends in the books. What carries it is not known here.
"""
cimport cython
from libc.stdint cimport int64_t

from collectorqueue._native.clock cimport monotonic_ns
from collectorqueue._native.core cimport Core
from collectorqueue._native.counters cimport count_ns
from collectorqueue._native.event cimport (
    ABORTED, BATCH, FAILED, OK, RUNNING, CollectorEvent,
)
from collectorqueue._native.outlet cimport Outlet
from collectorqueue._native.plan cimport count_run, end_step
from collectorqueue._native.results cimport Error, Ok
from collectorqueue._native.sums cimport count_free

from collectorqueue.errors import EventAborted


cdef class Remote(Outlet):
    """One process collector: how its values are written, and its limits."""

    cdef bint take_out(self, CollectorEvent event, int64_t now) except -1:
        """It leaves the queue, and no consumer is busy with it; False: it was cancelled."""
        cdef bint begins = self.core.take_out(event, now)
        count_free(self.core, now)
        if not begins and self.step.gate is not None:
            self.step.gate.leave()
        return begins

    cdef int turn_back(self, CollectorEvent event) except -1:
        """Its collector was removed while it waited: a consumer routes it again."""
        if not event.flags & BATCH and self.step.gate is not None:
            self.step.gate.leave()
        return self.core.put_back(event)


cdef class Errand:
    """One collector's run of one event, in a worker."""

    cdef bint is_wanted(self) noexcept:
        """Whether anybody still waits for what comes of it."""
        return self.event.state == RUNNING

    cdef object understood(self, object answer):
        """What `finish` is to be told of a worker's answer. Raises ValueError for nonsense."""
        return answer

    cdef int finish(self, object answer, int64_t run_ns) except -1:
        """It has come to this."""
        cdef bint good = type(answer) is Ok
        count_run(self.outlet.step, good, run_ns)
        return self.outlet.core.end_run(
            self.event, self.outlet.step, OK if good else FAILED, answer, monotonic_ns())

    cdef int began(self, int64_t ns) except -1:
        """When the worker began with it."""
        cdef CollectorEvent event = self.event
        cdef Core core = self.outlet.core
        count_ns(&self.outlet.step.waits, ns - event.sent_ns)
        count_ns(&core.times.waits, ns - event.sent_ns)
        if event.state == RUNNING:
            event.start_ns = ns
        return 0

    cdef int handed_over(self) except -1:
        return 0

    cdef int unfit(self, object exc) except -1:
        """It cannot be written for a worker."""
        return self.finish(Error(self.outlet.explain(self.payload.value, exc)), 0)

    cdef int abort(self, str why) except -1:
        self.outlet.core.settle(
            self.event, ABORTED, Error(EventAborted(why)), monotonic_ns())
        return 0


@cython.final
cdef class Part(Errand):
    """The same, of an event that has several collectors."""

    cdef bint is_wanted(self) noexcept:
        return self.gathering.results is not None

    cdef int finish(self, object answer, int64_t run_ns) except -1:
        count_run(self.outlet.step, type(answer) is Ok, run_ns)
        self.gathering.part_over(self.at, answer, False)
        return self.handed_over()

    cdef int began(self, int64_t ns) except -1:
        count_ns(&self.outlet.step.waits, ns - self.event.sent_ns)
        return 0

    cdef int handed_over(self) except -1:
        if not self.released:
            self.released = True
            self.gathering.let_go()
        return 0

    cdef int abort(self, str why) except -1:
        self.gathering.gave_up = True
        self.gathering.abort_why = why
        self.gathering.settle()
        self.gathering.ring()
        return 0


@cython.final
cdef class Call(Errand):
    """The same, asked for by a custom router, which counts it itself."""

    cdef bint is_wanted(self) noexcept:
        return not self.future.done()

    cdef int finish(self, object answer, int64_t run_ns) except -1:
        if not self.future.done():
            self.future.set_result(answer)
        return 0

    cdef int began(self, int64_t ns) except -1:
        return 0

    cdef int abort(self, str why) except -1:
        if not self.future.done():
            self.future.set_result(Error(EventAborted(why)))
        return 0


cdef int drop_run(Errand errand) except -1:
    """It was given up before it was sent again."""
    errand.handed_over()
    if type(errand) is Call:
        return 0
    return end_step(errand.outlet.step)


def key_of(Errand errand not None):
    """The key of the collector it is for."""
    return errand.outlet.step.key


def timeout_of(Errand errand not None):
    """Its collector's timeout, in seconds."""
    return errand.outlet.step.collector.timeout
