"""What happens at one collector: its step, with the tallies that go with it."""
from libc.stdint cimport int64_t

from collectorqueue._native.counters cimport Tally, count_ns
from collectorqueue._native.event cimport Labelled
from collectorqueue._native.outlet cimport Outlet

cdef enum Kind:
    CALL            # call the processor, drive what it returns
    MISSING         # no such collector: an Error(UnknownKey)
    ROUTER          # a custom router's handle_event: returns the whole ResultList


cdef class Step(Labelled):
    # Two lines of the cache are all that an event touches: with a thousand collectors in
    # turn, each line more is a wait for memory.
    cdef readonly object call       # (payload) or (payload, ctx)
    cdef object ctx
    cdef char kind
    cdef char with_ctx
    cdef char inline                # a plain function: it ends when it returns
    cdef readonly int running
    cdef readonly int64_t ok
    cdef Tally waits
    cdef Tally runs
    cdef readonly int peak_running
    cdef char leaving               # `at_rest` is to be called when nothing of it runs
    cdef char detached              # its work cannot be cancelled: threads

    cdef readonly int64_t failed
    cdef object at_rest
    cdef readonly object collector
    cdef readonly int64_t order     # of registration
    cdef Outlet outlet              # to other processes; None: it runs in this one
    cdef int64_t padding[1]         # to a multiple of 64 bytes, so that none straddles

    cdef int come_to_rest(self) except -1


cdef Step missing_step(object key, object error)


cdef inline int begin_step(Step step) noexcept:
    """One call of a collector begins."""
    step.running += 1
    if step.running > step.peak_running:
        step.peak_running = step.running
    return 0


cdef inline int end_step(Step step) except -1:
    """It is over, whatever came of it."""
    step.running -= 1
    if step.leaving and step.running == 0:
        step.come_to_rest()
    return 0


cdef inline int count_run(Step step, bint good, int64_t ns) except -1:
    """One call of a collector is over."""
    if step.kind == MISSING:
        step.failed += 1
        return 0
    if good:
        step.ok += 1
    else:
        step.failed += 1
    count_ns(&step.runs, ns)
    return end_step(step)
