"""Which collectors a payload is for: the key index and the topic index."""
from libc.stdint cimport int64_t

from collectorqueue._native.payload cimport Payload
from collectorqueue._native.plan cimport Step


cdef class Index:
    cdef readonly dict steps        # key -> Step, in registration order
    cdef dict topics                # topic -> list of Steps
    cdef dict topic_routes          # topic -> its route, made when first asked for
    cdef readonly set sinks         # steps for dead letters: no broadcast reaches them
    cdef object everyone            # the broadcast route; None: to be made anew
    cdef int64_t registered

    cdef object route(self, Payload payload)
    cdef object topic_route(self, object topic)
    cdef object join(self, Payload payload)


cdef object as_route(tuple steps)
cdef str describe_miss(Payload payload)
