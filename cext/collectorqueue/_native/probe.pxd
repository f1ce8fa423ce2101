"""A lane to try by hand, without a queue around it."""
from libc.stdint cimport int64_t

from collectorqueue._native.lanes cimport Lane


cdef class Probe:
    cdef Lane lane
    cdef int64_t sequence
