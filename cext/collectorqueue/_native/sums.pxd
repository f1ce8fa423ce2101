"""What is counted of one queue."""
from libc.stdint cimport int64_t

from collectorqueue._native.event cimport Hub


cdef class Sums(Hub):
    # the ledger
    cdef readonly int64_t accepted, ok, failed, unrouted, dropped, aborted
    cdef readonly int64_t queued, in_flight

    # how often, and how many now
    cdef readonly int64_t overflow_sends
    cdef int64_t started
    cdef readonly Py_ssize_t consumers      # those told to retire left out
    cdef readonly Py_ssize_t busy
    cdef readonly Py_ssize_t blocked        # handlers that wait for an event

    # time integrals, of ns
    cdef int64_t counted_ns
    cdef double queued_ns, busy_ns, consumer_ns
    cdef double wait_ns, service_ns


cdef inline int count_time(Sums sums, int64_t now) except -1:
    """Bring the time integrals up to now, before one of the counts changes."""
    cdef int64_t passed = now - sums.counted_ns
    if passed == 0:
        return 0
    sums.counted_ns = now
    sums.queued_ns += <double>passed * <double>sums.queued
    sums.busy_ns += <double>passed * <double>sums.busy
    sums.consumer_ns += <double>passed * <double>sums.consumers
    return 0
