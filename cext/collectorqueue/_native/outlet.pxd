"""The way out of the loop's process, as the queue's core and consumers see it."""
from libc.stdint cimport int64_t

from collectorqueue._native.event cimport CollectorEvent


cdef class Outlet:
    cdef int offer(self, CollectorEvent event, int64_t now) except -1
    cdef int rush(self, CollectorEvent event, int64_t now) except -1
    cdef int take_part(self, object gathering, Py_ssize_t at) except -1


cdef class Elsewhere:
    cdef int all_offered(self) except -1
    cdef list waiting(self)
    cdef list lanes(self)
    cdef list running(self)
    cdef int forget(self, CollectorEvent event) except -1
    cdef bint cancel(self, CollectorEvent event) except -1
    cdef int abort(self, str why) except -1
