"""What a worker is handed: one collector's run of one event."""
from libc.stdint cimport int64_t, uint64_t

from collectorqueue._native.core cimport Core
from collectorqueue._native.event cimport CollectorEvent
from collectorqueue._native.gathering cimport Gathering
from collectorqueue._native.lanes cimport Lane
from collectorqueue._native.outlet cimport Outlet
from collectorqueue._native.payload cimport Payload
from collectorqueue._native.plan cimport Step


cdef class Remote(Outlet):
    cdef Core core
    cdef readonly Step step
    cdef readonly int number        # by which workers know it
    cdef object encode_into         # (value, buffer, offset)
    cdef object explain             # (value, exception) -> the error, with its path
    cdef bint takes_raw             # bytes go as they are
    cdef bint is_async
    cdef readonly bint idempotent
    cdef Py_ssize_t limit           # at once in all workers; 0: none
    cdef int64_t timeout_ns         # 0: none
    cdef Py_ssize_t out             # handed over and not ended
    cdef Lane held                  # events that wait for the limit
    cdef readonly int64_t cpu_ns
    cdef readonly int64_t run_ns
    cdef readonly int64_t lost      # runs that ended with their worker
    cdef readonly int64_t reruns

    cdef bint take_out(self, CollectorEvent event, int64_t now) except -1
    cdef int turn_back(self, CollectorEvent event) except -1


cdef class Errand:
    cdef CollectorEvent event       # None: a call that a custom router made
    cdef Payload payload
    cdef Remote outlet
    cdef uint64_t sequence          # at the worker that has it
    cdef uint64_t store_end         # up to where the store is used by it and those before
    cdef Py_ssize_t size            # bytes
    cdef readonly int attempts      # that ended with the loss of a worker
    cdef int64_t handed_ns

    cdef bint is_wanted(self) noexcept
    cdef object understood(self, object answer)
    cdef int finish(self, object answer, int64_t run_ns) except -1
    cdef int began(self, int64_t ns) except -1
    cdef int handed_over(self) except -1
    cdef int unfit(self, object exc) except -1
    cdef int abort(self, str why) except -1


cdef class Part(Errand):
    cdef Gathering gathering
    cdef Py_ssize_t at
    cdef bint released


cdef class Call(Errand):
    cdef object future


cdef int drop_run(Errand errand) except -1
