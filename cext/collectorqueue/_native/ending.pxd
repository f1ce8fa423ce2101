"""The end of a run of the queue."""
from collectorqueue._native.intake cimport Intake


cdef class Ending(Intake):
    cdef object when_empty          # a future: nothing is queued, and nothing runs

    cdef int look_if_empty(self) except -1
    cdef bint holds_events(self) except -1
