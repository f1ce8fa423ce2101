"""What happens at one collector: its step, with the tallies that go with it."""
from libc.stdint cimport int64_t

from collectorqueue._native.counters cimport Histogram
from collectorqueue._native.event cimport Labelled

cdef enum Kind:
    CALL            # call the processor, drive what it returns
    MISSING         # no such collector: an Error(UnknownKey)
    ROUTER          # a custom router's handle_event: returns the whole ResultList


cdef class Step(Labelled):
    cdef readonly object collector
    cdef readonly object call       # (payload) or (payload, ctx)
    cdef object ctx
    cdef bint with_ctx
    cdef bint detached              # its work cannot be cancelled: threads
    cdef char kind
    cdef readonly int64_t order     # of registration
    cdef tuple route                # (self,): the commonest route, made once

    cdef readonly int64_t received
    cdef readonly int64_t ok
    cdef readonly int64_t failed
    cdef readonly int64_t running
    cdef readonly int64_t peak_running
    cdef readonly Histogram wait
    cdef readonly Histogram run
    cdef object at_rest             # called when nothing of it runs any more


cdef Step missing_step(object key, object error)
cdef int count_run(Step step, bint good, int64_t ns) except -1
