"""Which handlers wait for which events."""
from collectorqueue._native.event cimport CollectorEvent, EventWait
from collectorqueue._native.plan cimport Step
from collectorqueue._native.postponed cimport Postponed


cdef class Waits:
    cdef dict waiting               # event -> the waits its handlers are in
    cdef dict uncovered             # waits whose event may need a consumer of its own
    cdef dict helped                # runs that were given a consumer for what waits for them
    cdef dict for_all               # Members -> the event whose handler waits for them

    cdef int begin(self, EventWait wait, CollectorEvent owner) except -1
    cdef int end(self, EventWait wait) except -1
    cdef int uncover(self, CollectorEvent event) except -1
    cdef int refuse_circle(self, EventWait wait, CollectorEvent own, Postponed core) except -1
    cdef object circle(self, CollectorEvent own, object step, CollectorEvent target, set ahead,
                       Postponed core)
    cdef bint is_stuck(self, CollectorEvent own, object step, CollectorEvent target,
                       Postponed core) except -1
    cdef bint is_full(self, Step limited, dict stuck, CollectorEvent own, object step,
                      Postponed core) except -1
    cdef set needed_by(self, CollectorEvent event, Postponed core)
    cdef set ahead_of(self, CollectorEvent event, Postponed core)
    cdef set behind(self, CollectorEvent event)
    cdef object begin_for_all(self, CollectorEvent own, object step, list events,
                              object loop, Postponed core)
    cdef int end_for_all(self, object members) except -1
