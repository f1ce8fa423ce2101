"""Where the batches of one collector fill."""
from libc.stdint cimport int64_t

from collectorqueue._native.event cimport IN_BATCH, QUEUED, CollectorEvent, Home
from collectorqueue._native.gate cimport Gate
from collectorqueue._native.holders cimport Bundle, Holder
from collectorqueue._native.plan cimport Step


cdef class Batching(Holder):
    cdef Home home                  # of its queue, which it does not keep alive
    cdef object step                # whose they are
    cdef Py_ssize_t size
    cdef int64_t wait_ns
    cdef Py_ssize_t most_bytes      # 0: no limit
    cdef object measure             # (payload) -> bytes
    cdef object by                  # (payload) -> group; None: there is one
    cdef readonly Gate gate         # of whole batches; None: no limit
    cdef dict filling               # Batched -> None: those that are open
    cdef dict by_group              # group -> Batched, maybe one that was closed

    cdef int add(self, CollectorEvent run, int64_t now) except -1
    cdef int put_in(self, CollectorEvent run, Batched batch, object group,
                    Py_ssize_t size, int64_t now) except -1
    cdef int forget_closed(self, Batched batch) except -1
    cdef int fail(self, CollectorEvent run, BaseException exc) except -1
    cdef int close(self, Batched batch, str trigger, int64_t now) except -1
    cdef int add_alone(self, CollectorEvent run, int64_t now) except -1


cdef class Batched(Bundle):
    cdef Batching batching
    cdef object group
    cdef Py_ssize_t bytes
    cdef readonly str trigger       # why it was closed
    cdef bint is_thinned            # some of it have been cancelled as it ran, or began
    cdef bint is_over               # its results are being given out

    cdef Py_ssize_t still_waiting(self) except -1
    cdef list begin(self, Step step, int64_t now)
    cdef int begin_items(self, Step step, int64_t now, list items,
                         list payloads) except -1
    cdef int item_over(self, CollectorEvent item, Step step, object answer, bint gave_up,
                       int64_t now) except -1
    cdef int over(self, Step step, object answer, bint gave_up, int64_t begun,
                  int64_t now) except -1


cdef inline bint is_in_batch(CollectorEvent item) noexcept:
    """Whether it has not been given up, and not begun."""
    return item.state == QUEUED and item.place == IN_BATCH


cdef list answers_of(object value, Py_ssize_t count)
cpdef list values_of(object value, Py_ssize_t count)
