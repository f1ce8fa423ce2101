"""One of an event's several collectors, in a task of its own."""
from collectorqueue._native.context cimport Scope
from collectorqueue._native.driver cimport Driver
from collectorqueue._native.gathering cimport Gathering


cdef class Branch(Driver):
    cdef Gathering gathering        # of the event it is part of
    cdef Py_ssize_t at              # its place among the results
    cdef bint begun
    cdef Scope scope

    cdef int inherit(self, str why) except -1
    cdef object turn(self, object thrown)
    cdef int over(self, bint gave_up) except -1
