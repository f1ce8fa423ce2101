"""What happens at one collector: its step, with the tallies that go with it."""
from libc.stdint cimport int64_t

from collectorqueue._native.counters cimport Tally, count_ns
from collectorqueue._native.event cimport Home, Labelled
from collectorqueue._native.holders cimport Holder
from collectorqueue._native.outlet cimport Outlet
from collectorqueue._native.retrial cimport Retrial

cdef enum Kind:
    CALL            # call the processor, drive what it returns
    MISSING         # no such collector: an Error(UnknownKey)
    ROUTER          # a custom router's handle_event: returns the whole ResultList


# Which policies it has, so that what is off costs one test.
cdef enum Policy:
    DIVERTS = 1     # an event does not simply begin: a gate, a batch, another process
    RETRIES = 2
    TIMED = 4
    CONVERTS = 8    # payloads are made another type


cdef class Step(Labelled):
    # Two lines of the cache are all that an event touches: with a thousand collectors in
    # turn, each line more is a wait for memory.
    cdef readonly object call       # (payload) or (payload, ctx)
    cdef object ctx
    cdef char kind
    cdef char with_ctx
    cdef char inline                # a plain function: it ends when it returns
    cdef char policies              # Policy
    cdef readonly int running
    cdef readonly int64_t ok
    cdef Tally waits
    cdef Tally runs
    cdef readonly int peak_running
    cdef char minded                # somebody is to be told when a run of it is over
    cdef char detached              # its work cannot be cancelled: threads

    cdef readonly int64_t failed
    cdef object at_rest
    cdef readonly object collector
    cdef readonly int64_t order     # of registration
    cdef Outlet outlet              # to other processes; None: it runs in this one
    cdef readonly Holder gate       # its limits; None: there are none
    cdef readonly Holder batching   # where its batches fill; None: it takes single events
    cdef readonly Retrial retrial   # None: what fails is not tried again
    cdef readonly object convert    # (payload) -> payload; None: as they are
    cdef readonly bint validates    # that is tried when it is sent
    cdef readonly bint removed      # from its queue
    cdef int64_t timeout_ns         # of one run; 0: none
    cdef Home home                  # of the queue it was last run in
    cdef int64_t padding[2]         # to a multiple of 64 bytes, so that none straddles

    cdef int run_over(self) except -1


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
    if step.minded:
        step.run_over()
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


cdef inline int count_batch(Step step, Py_ssize_t good, Py_ssize_t bad, int64_t ns) except -1:
    """One call of a collector with many events is over."""
    step.ok += good
    step.failed += bad
    count_ns(&step.runs, ns)
    return end_step(step)
