"""What is counted on an event's way: tallies and log-bucket histograms."""
from libc.stdint cimport int64_t, uint64_t

cdef enum:
    OCTAVES = 60
    SLOTS = 32


cdef class Histogram:
    cdef uint64_t *pages[OCTAVES]
    cdef readonly uint64_t count
    cdef readonly int64_t total_ns

    cdef int add(self, int64_t ns) except -1
    cdef int new_page(self, int octave) except -1
