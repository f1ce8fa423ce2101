"""Where payloads come in."""
from collectorqueue._native.core cimport Core


cdef class Sender:
    cdef readonly Core core
