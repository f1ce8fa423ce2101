"""Where payloads come in."""
from cpython.ref cimport PyObject

from collectorqueue._native.core cimport Core
from collectorqueue._native.event cimport CollectorEvent
from collectorqueue._native.payload cimport Payload

cdef enum Begun:
    NOT_YET         # nothing has been accepted
    WAITS           # for room
    OVER


cdef class Sender:
    cdef readonly Core core
    cdef object others

    cdef CollectorEvent begin_now(self, Payload payload, object caller)


cdef class Sending:
    cdef Sender sender
    cdef Payload payload
    cdef object place               # the future it waits on for room, or None
    cdef char stage

    cdef int step(self, PyObject **out) except -1
    cdef int give_up(self) except -1
