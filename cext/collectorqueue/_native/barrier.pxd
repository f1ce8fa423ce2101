"""Waiting until everything accepted so far has ended."""
from libc.stdint cimport int64_t

from collectorqueue._native.event cimport CollectorEvent


cdef class Barrier:
    cdef int64_t last_id            # it stands behind the event with this id
    cdef int64_t left               # events up to here, after the barrier before, unsettled
    cdef object future


cdef class Barriers:
    cdef list standing              # in order of last_id

    cdef object add(self, int64_t last_id, int64_t unsettled, object loop)
    cdef int settled(self, int64_t event_id) except -1
    cdef int fall(self) except -1


cdef class Members:
    cdef dict events                # the events still waited for
    cdef object future
    cdef object owner               # the Handler that waits

    cdef int add(self, CollectorEvent event) except -1
    cdef int leave_out(self, CollectorEvent event) except -1


cdef class Member:
    cdef Members members
    cdef CollectorEvent event
