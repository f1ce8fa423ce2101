"""One structure for all deadlines of one queue."""
from libc.stdint cimport int64_t


cdef class Timers:
    cdef object loop
    cdef object on_due              # called with what is due
    cdef list heap                  # (when_ns, sequence, what)
    cdef int64_t sequence
    cdef int64_t armed_ns           # 0: no alarm set
    cdef object alarm

    cdef int add(self, int64_t when_ns, object what) except -1
    cdef int arm(self) except -1
