"""Which of the waiting events to give up first, when one must go."""
from libc.stdint cimport int64_t

from collectorqueue._native.event cimport CollectorEvent
from collectorqueue._native.payload cimport Payload


cdef class Worst:
    cdef list heap                  # (how urgent, id, event), the least urgent first
    cdef int places                 # where its events wait: a bit each
    cdef bint by_priority
    cdef int64_t default_priority

    cdef int64_t number(self, Payload payload) noexcept
    cdef bint holds(self, CollectorEvent event) noexcept
    cdef int push(self, CollectorEvent event, Py_ssize_t waiting) except -1
    cdef int trim(self, CollectorEvent leaving, Py_ssize_t waiting) except -1
    cdef CollectorEvent first(self, Payload incoming)
    cdef bint less_wanted(self, CollectorEvent one, CollectorEvent other) noexcept


cdef inline int64_t number_of(Payload payload, int64_t default_priority) noexcept:
    """A payload's priority."""
    return payload.number if payload.prioritised else default_priority
