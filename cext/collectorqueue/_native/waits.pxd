"""Which handlers wait for which events."""
from collectorqueue._native.event cimport CollectorEvent, EventWait
from collectorqueue._native.plan cimport Step
from collectorqueue._native.postponed cimport Postponed


cdef class Waits:
    cdef dict waiting               # event -> the waits its handlers are in
    cdef dict uncovered             # waits whose event may need a consumer of its own
    cdef dict helped                # runs that were given a consumer for what waits for them
    cdef dict for_all               # Members: the waits for all

    cdef int begin(self, EventWait wait, CollectorEvent owner) except -1
    cdef int end(self, EventWait wait) except -1
    cdef int uncover(self, CollectorEvent event) except -1
    cdef int refuse_circle(self, EventWait wait, CollectorEvent own, Postponed core) except -1
    cdef int limit_has_changed(self, Postponed core) except -1
    cdef list wanted_by_all(self, Postponed core)
    cdef object circle(self, CollectorEvent own, object step, CollectorEvent target, set ahead,
                       Postponed core)
    cdef set stuck(self, list events, CollectorEvent own, object step, CollectorEvent target,
                   bint beside_all, Postponed core)
    cdef bint is_full(self, Step limited, dict needs, CollectorEvent own, object step,
                      bint beside_all, Postponed core) except -1
    cdef set callers(self)
    cdef set needed_by(self, CollectorEvent event, dict before, Postponed core)
    cdef CollectorEvent one_before(self, CollectorEvent event, dict before, Postponed core)
    cdef set ahead_of(self, CollectorEvent event, Postponed core)
    cdef int leave_out(self, set stuck) except -1
    cdef object begin_for_all(self, CollectorEvent own, object step, list events,
                              object loop, Postponed core)
    cdef int end_for_all(self, object members) except -1
