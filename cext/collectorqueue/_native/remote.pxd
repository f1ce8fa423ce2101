"""Where the events of one process collector go."""
from collectorqueue._native.crew cimport Crew
from collectorqueue._native.errand cimport Errand, Remote
from collectorqueue._native.payload cimport Payload


cdef class RemoteOutlet(Remote):
    cdef Crew crew

    cdef int send_out(self, Errand errand, Payload payload) except -1
