"""One monotonic clock for the whole core, in nanoseconds."""
from libc.stdint cimport int64_t

cdef int64_t monotonic_ns() noexcept
