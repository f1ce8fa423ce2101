"""In a worker: runs the events of a frame, and puts their results in the page."""
from libc.stdint cimport int64_t, uint64_t

from collectorqueue._native.page cimport Finished, Page
from collectorqueue._native.wire cimport ItemHead


cdef class Tool:
    cdef object call
    cdef object ctx
    cdef bint with_ctx
    cdef readonly bint is_async
    cdef object decode              # (buffer) -> value
    cdef object encode_into
    cdef object explain
    cdef object retried             # (exception) -> whether its Retry wants it; or None


cdef class Workbench:
    cdef Page page
    cdef readonly list tools
    cdef object ring_bell           # (): the loop's process should look at the page
    cdef object send_whole          # (bytes): a result that has no room there
    cdef object begin_task          # (sequence, Tool, payload): an async one
    cdef object pack                # (object) -> bytes
    cdef object unpack
    cdef object context             # that each run gets a copy of
    cdef bytearray scratch
    cdef object last_address
    cdef object last_address_bytes
    cdef int64_t rung_ns
    cdef bint unrung
    cdef bint is_due                # a bell was asked for, at the latest
    cdef int64_t cpu_ns             # when it was last read
    cdef int64_t small_ns           # of short runs since
    cdef readonly int64_t events
    cdef bint is_copy               # a collector forked this process

    cdef object payload_of(self, Tool tool, ItemHead *head, const char *data)
    cdef object run_one(self, Tool tool, object payload)
    cdef object address_of(self, ItemHead *head, const char *data)
    cdef int end(self, uint64_t sequence, Tool tool, object answer, int64_t begun,
                 bint is_task) except -1
    cdef int write_failure(self, object error, Finished *finished) except -1
    cdef int64_t cpu_of(self, int64_t run_ns) noexcept
