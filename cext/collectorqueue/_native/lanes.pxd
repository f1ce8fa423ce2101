"""Where queued events wait: FIFO ring, LIFO stack, PRIORITY heap."""
from libc.stdint cimport int64_t

from collectorqueue._native.event cimport CollectorEvent
from collectorqueue._native.payload cimport Payload
from collectorqueue._native.ranks cimport Ranks
from collectorqueue._native.worst cimport Worst


cdef class Lane:
    cdef list slots                 # power of two long; None where there is no event
    cdef Py_ssize_t used            # places taken, those of gone events included
    cdef Py_ssize_t gone            # events that ended while they waited here
    cdef char place                 # of events that wait here

    cdef int push(self, CollectorEvent event) except -1
    cdef CollectorEvent pop(self)
    cdef list events(self)
    cdef int refill(self, list events) except -1
    cdef int forget(self, CollectorEvent left) except -1
    cdef int bury(self, CollectorEvent left) except -1
    cdef CollectorEvent first(self)
    cdef CollectorEvent least_wanted(self, Payload incoming)
    cdef int stand_at(self, char place) except -1
    cdef Lane put_back(self, CollectorEvent event)


cdef class FifoLane(Lane):
    cdef Py_ssize_t head
    cdef int grow(self) except -1


cdef class LifoLane(Lane):
    cdef Py_ssize_t bottom          # below it there are gone events only


cdef class PriorityLane(Lane):
    cdef int64_t ageing
    cdef int64_t default_priority
    cdef bint newest_first          # whatever the priorities are
    cdef Ranks ranks
    cdef Worst worst                # None: not asked for


cdef class MergingLane(Lane):
    cdef FifoLane ring
    cdef FifoLane returned
    cdef int64_t last_returned      # the number of its last
    cdef PriorityLane late          # by the events' numbers

    cdef int add_up(self) noexcept


cdef Lane make_lane(object queue_type, int64_t default_priority, int64_t ageing,
                    bint drops=*)
cdef Lane make_sorted_lane(object queue_type, int64_t default_priority, int64_t ageing,
                           bint drops=*)
