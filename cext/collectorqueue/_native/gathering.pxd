"""The results of an event's several collectors, while they come in."""
from collectorqueue._native.core cimport Core
from collectorqueue._native.event cimport CollectorEvent


cdef class Gathering:
    cdef Core core
    cdef CollectorEvent event
    cdef list results               # None where still running; None itself: settled
    cdef list branches
    cdef Py_ssize_t missing         # results
    cdef Py_ssize_t held            # parts that a consumer must wait for
    cdef bint gave_up               # one of them was given up: the event is ABORTED
    cdef str abort_why
    cdef object bell                # of a consumer that waits

    cdef int collected(self, Py_ssize_t at, object answer, bint gave_up) except -1
    cdef int let_go(self) except -1
    cdef int ring(self) except -1
    cdef int settle(self) except -1


cdef Gathering gather(Core core, CollectorEvent event, Py_ssize_t parts)
