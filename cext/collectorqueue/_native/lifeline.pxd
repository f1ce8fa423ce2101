"""A thread that ends a worker when the loop's process is gone, and rings when that is due."""
from libc.stdint cimport int64_t


cdef void ring_within(int64_t ns) noexcept
cdef void was_rung() noexcept
