"""A consumer: take -> route -> collect -> settle, as one compiled state machine."""
from collectorqueue._native.collecting cimport Collecting


cdef class Consumer(Collecting):
    cdef readonly bint lost         # ended by somebody else's cancellation
    cdef object fault               # of ours, in a caller's step: raised in its own

    cdef object turn(self, object thrown)
    cdef object go_on(self, object thrown)
    cdef int fail(self, object exc) except -1
    cdef int take_one(self) except -1
    cdef object outlive(self, object thrown)
    cdef object next_event(self)
    cdef object pause(self)
    cdef object ring_later(self)
    cdef object go_idle(self)
    cdef object end(self)
    cdef object leave(self, object thrown)
