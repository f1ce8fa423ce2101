"""Places in the queue: how many there are, and who waits for one."""
from libc.stdint cimport int64_t

from collectorqueue._native.payload cimport Payload
from collectorqueue._native.seats cimport Seats


cdef class Places(Seats):
    cdef Py_ssize_t capacity
    cdef object senders             # futures of blocked senders, in order, with their bytes
    cdef readonly Py_ssize_t parked
    cdef Py_ssize_t reserved        # free places that belong to a sender who was woken
    cdef Py_ssize_t handed          # and to payloads from other threads, not accepted yet

    # Bytes are counted only if they are bounded.
    cdef readonly int64_t max_bytes         # 0: not bounded
    cdef readonly int64_t queued_bytes
    cdef int64_t reserved_bytes
    cdef dict reserved_sizes        # of the places that are reserved
    cdef object measure             # (value) -> its bytes
    cdef Payload measured           # the last one, until it is accepted
    cdef int64_t measured_size

    cdef int admit(self) except -1
    cdef int give_place(self, object place) except -1
    cdef int64_t size_of(self, Payload payload) except -1
