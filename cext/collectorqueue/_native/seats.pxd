"""The consumers of one queue, as it sees them."""
from libc.stdint cimport int64_t

from collectorqueue._native.event cimport CollectorEvent
from collectorqueue._native.sums cimport Sums


cdef class Seat:
    cdef CollectorEvent event       # what it runs now; None between events
    cdef object bell                # the future it waits on while idle
    cdef bint retiring
    cdef bint woken                 # its bell was rung for an event

    cdef int abort(self, str why) except -1
    cdef int abort_item(self, CollectorEvent item, str why) except -1
    cpdef int disown(self) except -1
    cdef int collect_now(self, object caller) except -1


cdef class Seats(Sums):
    cdef dict seats
    cdef list idle                  # waiting seats, the last one is woken first
    cdef readonly Py_ssize_t peak_consumers
    cdef readonly Py_ssize_t vacant         # left without being told, to be filled again
    cdef Py_ssize_t excess          # busy consumers that shall leave after their event
    cdef Py_ssize_t turning         # consumers inside their turn, one within the other
    cdef readonly bint is_loop_bound        # a whole slice was used up, and more waits
    cdef Py_ssize_t peak_demand     # of events that wait or run; see take_peak
    cdef Py_ssize_t coming          # consumers that will look at the lane without being woken

    # one time slice for all of them
    cdef bint in_slice
    cdef int64_t slice_end
    cdef object call_soon
    cdef object create_future
    cdef object base_context        # what was in force where the queue was started

    cdef int vacate(self) except -1
    cdef int wake_one(self) except -1
    cdef int begin_slice(self, int64_t now) except -1
