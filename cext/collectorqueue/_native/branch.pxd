"""One of an event's several collectors, in a task of its own."""
from collectorqueue._native.driver cimport Driver


cdef class Gatherer(Driver):
    cdef int collected(self, Py_ssize_t at, object answer, int verdict) except -1


cdef class Branch(Driver):
    cdef Gatherer gatherer          # whose event it is part of
    cdef Py_ssize_t at              # its place among the results
    cdef bint begun

    cdef int inherit(self, str why) except -1
    cdef object turn(self, object thrown)
