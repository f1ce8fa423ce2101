"""The way out of the loop's process, as the queue's core and consumers see it.

Rules of residence: what must be asked, not how it is done; that is the crew's.
"""
from libc.stdint cimport int64_t

from collectorqueue._native.event cimport CollectorEvent


cdef class Outlet:
    """Where the events of one collector go that runs in other processes."""

    cdef int offer(self, CollectorEvent event, int64_t now) except -1:
        """Take a queued event over: it is sent at once, or waits, still queued."""
        return 0

    cdef int rush(self, CollectorEvent event, int64_t now) except -1:
        """Take over an event that runs by now, ahead of those that wait."""
        return 0

    cdef int take_part(self, object gathering, Py_ssize_t at) except -1:
        """Take over one collector's part of an event that has several."""
        return 0


cdef class Elsewhere:
    """All that is out, or waits to go out."""

    cdef int all_offered(self) except -1:
        """A consumer has nothing more to offer for now."""
        return 0

    cdef list waiting(self):
        """The queued events that wait here, next one first."""
        return []

    cdef list lanes(self):
        """The lanes that those are in."""
        return []

    cdef list running(self):
        """The events that were handed over."""
        return []

    cdef int forget(self, CollectorEvent event) except -1:
        """One of the waiting events has ended."""
        return 0

    cdef bint cancel(self, CollectorEvent event) except -1:
        """End an event that was handed over; False: there is no such one."""
        return False

    cdef int abort(self, str why) except -1:
        """End all events that were handed over."""
        return 0
