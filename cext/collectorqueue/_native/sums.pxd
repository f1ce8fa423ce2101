"""What is counted of one queue."""
from libc.stdint cimport int64_t, uint64_t

from collectorqueue._native.counters cimport COUNTING, Tally, count_ns
from collectorqueue._native.event cimport Hub


cdef enum:
    READING_NS = 10_000_000_000
    READINGS = 7            # the oldest is at least a minute old, once there are so many


cdef struct Times:          # of events
    Tally waits, services, sojourns


cdef struct Reading:        # what the sums of a queue were
    int64_t at              # on the clock; 0: none was made yet
    uint64_t queued_ns, busy_ns, consumer_ns, present_ns
    int64_t accepted, ended
    Times times


cdef class Sums(Hub):
    # the ledger
    cdef readonly int64_t accepted, ok, failed, unrouted, dropped, aborted
    cdef readonly int64_t queued, in_flight

    # how often, and how many now
    cdef readonly int64_t overflow_sends, refused_sends
    cdef readonly Py_ssize_t consumers      # those told to retire left out
    cdef readonly Py_ssize_t busy
    cdef readonly Py_ssize_t blocked        # handlers that wait for an event

    # Time integrals, of ns: each change adds its time, with the sign that makes
    # `sum + count * now` the integral up to now. They may wrap; differences are exact.
    cdef int64_t counted_ns                 # of the last change
    cdef uint64_t queued_ns, busy_ns, consumer_ns, present_ns
    cdef uint64_t at_cap_ns                 # events waited, and the pool was at its largest
    cdef bint at_cap_now
    cdef readonly Py_ssize_t max_consumers

    # for the identity that must close, by the events' own stamps
    cdef uint64_t sent_ns                   # sum of when those present were sent
    cdef uint64_t stayed_ns                 # sum of how long those that left had stayed

    cdef Times times
    cdef int64_t opened_ns
    cdef int64_t reading_due_ns
    cdef Reading[READINGS] readings         # a ring
    cdef int next_reading                   # where the next goes, and the oldest is

    cdef int64_t hold_ns                    # the longest that one run held the loop
    cdef object holder                      # the Step that did

    cdef void forget_tallies(self) noexcept
    cdef int64_t ended(self) noexcept
    cdef int make_readings(self, int64_t now) except -1
    cdef int read(self, int64_t at, Reading *reading, bint with_times) except -1


cdef inline int catch_up(Sums sums, int64_t now) except -1:
    """To be called before a count changes: those that are due are read as they are."""
    if COUNTING and now >= sums.reading_due_ns:
        sums.make_readings(now)
    return 0


cdef inline int note_cap(Sums sums, int64_t now) noexcept:
    """Whether events wait, and the pool is at its largest, may have changed."""
    cdef bint at_cap = sums.queued > 0 and sums.consumers >= sums.max_consumers
    if at_cap != sums.at_cap_now:
        sums.at_cap_now = at_cap
        sums.at_cap_ns += <uint64_t>(-now if at_cap else now)
    return 0


cdef inline int count_sent(Sums sums, int64_t now) except -1:
    """An event is accepted, and queued."""
    catch_up(sums, now)
    sums.queued += 1
    sums.accepted += 1
    if COUNTING:
        sums.counted_ns = now
        sums.queued_ns -= <uint64_t>now
        sums.present_ns -= <uint64_t>now
        sums.sent_ns += <uint64_t>now
        if sums.queued == 1:
            note_cap(sums, now)
    return 0


cdef inline int count_unqueued(Sums sums, int64_t now) except -1:
    """An event does not wait any more."""
    catch_up(sums, now)
    sums.queued -= 1
    if COUNTING:
        sums.counted_ns = now
        sums.queued_ns += <uint64_t>now
        if sums.queued == 0:
            note_cap(sums, now)
    return 0


cdef inline int count_queued_again(Sums sums, int64_t now) except -1:
    """An event that ran waits."""
    catch_up(sums, now)
    sums.queued += 1
    if COUNTING:
        sums.counted_ns = now
        sums.queued_ns -= <uint64_t>now
        if sums.queued == 1:
            note_cap(sums, now)
    return 0


cdef inline int count_busy(Sums sums, int64_t now) except -1:
    """A consumer has something to do, as an event has stopped waiting."""
    sums.busy += 1
    sums.busy_ns -= <uint64_t>now
    return 0


cdef inline int count_free(Sums sums, int64_t now) except -1:
    """A consumer has nothing to do."""
    catch_up(sums, now)
    sums.busy -= 1
    sums.busy_ns += <uint64_t>now
    return 0


cdef inline int count_consumers(Sums sums, Py_ssize_t more, int64_t now) except -1:
    """The pool has so many more consumers, or fewer."""
    catch_up(sums, now)
    sums.consumers += more
    sums.consumer_ns -= <uint64_t>more * <uint64_t>now
    return note_cap(sums, now)


cdef inline int count_left(Sums sums, int64_t sent, int64_t now) except -1:
    """An event that was sent then has ended."""
    if not COUNTING:
        return 0
    sums.present_ns += <uint64_t>now
    sums.sent_ns -= <uint64_t>sent
    sums.stayed_ns += <uint64_t>(now - sent)
    return count_ns(&sums.times.sojourns, now - sent)


cdef inline int note_hold(Sums sums, object step, int64_t ns) except -1:
    """A run of this collector has held the loop for so long."""
    if COUNTING and ns > sums.hold_ns and step is not None:
        sums.hold_ns = ns
        sums.holder = step
    return 0
