"""Which handlers wait for which events, as it is."""
from collectorqueue._native.event cimport CollectorEvent, EventWait


cdef class WaitGraph:
    cdef dict waiting               # event -> the waits its handlers are in
    cdef dict batches               # of those events, the runs that are batches
    cdef dict holding               # step -> the waits of its handlers
    cdef dict for_all               # Members: the waits for all

    cdef int begin(self, EventWait wait, CollectorEvent owner) except -1
    cdef int end(self, EventWait wait) except -1
    cdef set holders(self, object step, bint beside_all)
    cdef set callers(self)
    cdef Py_ssize_t blocked_runs(self) except -1
