"""Places in the queue: how many there are, and who waits for one."""
from collectorqueue._native.seats cimport Seats


cdef class Places(Seats):
    cdef Py_ssize_t capacity
    cdef object senders             # futures of blocked senders, in order
    cdef readonly Py_ssize_t parked
    cdef Py_ssize_t reserved        # free places that belong to a sender who was woken
    cdef Py_ssize_t handed          # and to payloads from other threads, not accepted yet

    cdef int admit(self) except -1
