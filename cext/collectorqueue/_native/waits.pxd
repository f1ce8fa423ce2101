"""Handlers that wait: so that no circle of them can close, and all have who runs them."""
from collectorqueue._native.event cimport CollectorEvent, EventWait
from collectorqueue._native.postponed cimport Postponed
from collectorqueue._native.standstill cimport Standstill
from collectorqueue._native.waitgraph cimport Handler, WaitGraph


cdef class Waits(WaitGraph):
    cdef dict uncovered             # waits whose event may need a consumer of its own
    cdef dict helped                # runs that were given a consumer for what waits for them

    cdef int begin_in(self, EventWait wait, Handler owner, Postponed core) except -1
    cdef int end(self, EventWait wait) except -1
    cdef int uncover(self, CollectorEvent event) except -1
    cdef int refuse_circle(self, EventWait wait, Handler owner, Postponed core) except -1
    cdef int judge_again(self, Postponed core) except -1
    cdef int leave_out_stuck(self, Standstill search) except -1
    cdef object all_that_wait(self, object events, Postponed core)
    cdef object begin_for_all(self, Handler owner, list events, object loop, Postponed core)
    cdef int leave_out(self, set stuck) except -1
    cdef int end_for_all(self, object members) except -1
