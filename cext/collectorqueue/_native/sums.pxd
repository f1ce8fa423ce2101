"""What is counted of one queue."""
from libc.stdint cimport int64_t, uint64_t

from collectorqueue._native.counters cimport Tally, count_ns
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
    cdef int64_t at_cap_ns                  # events waited, and the pool was at its largest
    cdef readonly Py_ssize_t max_consumers

    # the identity that must close, of ns; whole numbers, which may wrap
    cdef uint64_t present_ns                # integral of the events that were present
    cdef uint64_t sent_ns                   # sum of when those present were sent
    cdef uint64_t stayed_ns                 # sum of how long those that left had stayed

    cdef Tally wait_times, service_times, sojourn_times
    cdef int64_t hold_ns                    # the longest that one run held the loop
    cdef object holder                      # the Step that did


cdef inline int count_time(Sums sums, int64_t now) except -1:
    """Bring the time integrals up to now, before one of the counts changes."""
    cdef int64_t passed = now - sums.counted_ns
    if passed == 0:
        return 0
    sums.counted_ns = now
    sums.queued_ns += <double>passed * <double>sums.queued
    sums.busy_ns += <double>passed * <double>sums.busy
    sums.consumer_ns += <double>passed * <double>sums.consumers
    sums.present_ns += <uint64_t>passed * <uint64_t>(sums.queued + sums.in_flight)
    if sums.queued > 0 and sums.consumers >= sums.max_consumers:
        sums.at_cap_ns += passed
    return 0


cdef inline int count_left(Sums sums, int64_t sent, int64_t now) except -1:
    """An event that was sent then has ended."""
    sums.sent_ns -= <uint64_t>sent
    sums.stayed_ns += <uint64_t>(now - sent)
    return count_ns(&sums.sojourn_times, now - sent)


cdef inline int note_hold(Sums sums, object step, int64_t ns) except -1:
    """A run of this collector has held the loop for so long."""
    if ns > sums.hold_ns and step is not None:
        sums.hold_ns = ns
        sums.holder = step
    return 0
