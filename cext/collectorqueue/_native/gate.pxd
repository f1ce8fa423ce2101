"""How much of one collector may run: so many at once, so many in a time."""
from libc.stdint cimport int64_t

from collectorqueue._native.event cimport CollectorEvent, Home
from collectorqueue._native.holders cimport Holder
from collectorqueue._native.lanes cimport Lane


cdef class Gate(Holder):
    cdef Home home                  # of its queue
    cdef readonly Py_ssize_t limit  # at once; 0: none
    cdef readonly Py_ssize_t taken  # admitted, and not over
    cdef double interval_ns         # between two, on the long run; 0: no limit
    cdef double tolerance_ns        # how much earlier than that one may come
    cdef double next_ns             # when one would come that keeps to the interval
    cdef Lane held                  # what waits

    cdef bint is_full(self) noexcept
    cdef double wait_ns(self, int64_t now) noexcept
    cdef int take(self, int64_t now) except -1
    cdef int hold(self, CollectorEvent run, int64_t now) except -1
    cdef int let_in(self, int64_t now) except -1
