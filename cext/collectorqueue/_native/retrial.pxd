"""Which failures are tried again, how often and when."""
from libc.stdint cimport int64_t

from collectorqueue._native.results cimport Error


cdef class Retrial:
    cdef readonly int attempts      # runs, the first included
    cdef double backoff_ns, factor, max_backoff_ns, jitter
    cdef tuple on, never            # classes

    cdef bint wants(self, Error answer, int attempts) except -1
    cdef int64_t pause_ns(self, int attempts) except -1


cdef class Tries:
    cdef int attempts               # runs that have ended
    cdef int64_t first_start_ns
    cdef int64_t first_failed_ns
    cdef int64_t due_ns             # when it is run again
