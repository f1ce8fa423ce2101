"""Handlers that wait: for events, and for consumers that could run those."""
from libc.stdint cimport int64_t

from collectorqueue._native.barrier cimport Barriers
from collectorqueue._native.event cimport CollectorEvent
from collectorqueue._native.lanes cimport Lane
from collectorqueue._native.outlet cimport Elsewhere
from collectorqueue._native.postponed cimport Postponed
from collectorqueue._native.waits cimport Waits


cdef class Helping(Postponed):
    cdef Lane lane
    cdef int64_t sequence           # of the event that was accepted last
    cdef Barriers barriers
    cdef Waits waits                # of handlers, for events
    cdef bint is_judging_soon
    cdef Elsewhere elsewhere        # what is in other processes; never None
    cdef object on_short            # (): more consumers would help
    cdef object on_compensate       # (event): it needs a consumer of its own

    cdef int call_for_help(self) except -1
    cpdef int cover(self) except -1
    cdef int help(self, CollectorEvent run) except -1
    cdef list parts_in_lane(self, CollectorEvent event)
    cdef list waiting_runs(self)
    cdef list needed_by(self, CollectorEvent event)


cdef inline Py_ssize_t waiting(Helping core) noexcept:
    """Events in the lane: for consumers, not for another process."""
    return core.lane.used - core.lane.gone
