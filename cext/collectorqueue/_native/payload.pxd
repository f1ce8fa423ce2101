"""What a publisher sends: a value, and whom it is for."""
from libc.stdint cimport int32_t

cdef enum Mode:
    BY_BROADCAST, BY_KEY, BY_TOPIC


cdef class Terms:
    cdef readonly double ttl        # seconds; 0: for ever
    cdef readonly double delay      # seconds
    cdef readonly object ordering_key       # None, or a str, bytes or int


cdef class Payload:
    cdef readonly object value
    cdef object address             # None, one str, or a tuple of str
    cdef Terms rare                 # None: no such terms
    cdef int32_t number             # the priority
    cdef char mode
    cdef char prioritised
    cdef char sealed
    cdef char tracked               # the garbage collector looks at it


cdef Payload payload_of(object value)
cdef Payload keyed_payload(object x, object key)
cdef Payload as_payload(object x, object delivery, object keys, object topics,
                        object priority, object ordering_key, object delay, object ttl)
