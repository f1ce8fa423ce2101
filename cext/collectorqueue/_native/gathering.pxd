"""The results of an event's several collectors, while they come in."""
from libc.stdint cimport int64_t

from collectorqueue._native.core cimport Core
from collectorqueue._native.event cimport CollectorEvent
from collectorqueue._native.holders cimport Parts


cdef class Gathering(Parts):
    cdef Core core
    cdef tuple steps                # the event has only their labels once it has ended
    cdef list results               # None where still running; None itself: settled
    cdef list branches
    cdef dict converted             # by what made it: the payload, as some of them want it
    cdef dict runs                  # part's place -> its run, of those that have waited
    cdef dict waiting               # the same, of those that do
    cdef Py_ssize_t missing         # results
    cdef Py_ssize_t active          # parts that run, or are about to, or are elsewhere
    cdef Py_ssize_t held            # parts that a consumer must wait for
    cdef bint gave_up               # one of them was given up: the event is ABORTED
    cdef str abort_why
    cdef object bell                # of a consumer that waits

    cdef int part_over(self, Py_ssize_t at, object answer, bint gave_up) except -1
    cdef int collected(self, Py_ssize_t at, object answer, bint gave_up) except -1
    cdef CollectorEvent new_part(self, Py_ssize_t at)
    cdef CollectorEvent set_aside(self, Py_ssize_t at)
    cdef int wait_with(self, CollectorEvent run) except -1
    cdef bint resume(self, CollectorEvent run, int64_t now) except -1
    cdef int no_longer_active(self) except -1
    cdef int let_go(self) except -1
    cdef int ring(self) except -1
    cdef int drop_waiting(self) except -1
    cdef dict made_by_now(self)
    cdef int settle(self) except -1


cdef Gathering gather(Core core, CollectorEvent event, tuple steps)
