"""One structure for all deadlines of one queue."""
from libc.stdint cimport int64_t

from collectorqueue._native.event cimport Hub
from collectorqueue._native.ranks cimport Ranks


cdef class Alarm:
    cdef int64_t due_ns             # when it rings; 0: it does not

    cdef int ring(self, int64_t now) except -1


cdef class Timers:
    cdef object loop
    cdef Hub hub                    # whose events they are
    cdef Ranks ranks                # events and Alarms, by when_ns and sequence
    cdef int64_t sequence
    cdef int64_t armed_ns           # 0: no alarm set
    cdef object alarm

    cdef int add(self, int64_t when_ns, object what) except -1
    cdef int set_alarm(self, Alarm what, int64_t when_ns) except -1
    cdef int arm(self) except -1
    cdef int sweep(self) except -1
    cdef list events(self)
