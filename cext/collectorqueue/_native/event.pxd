"""What travels: the payload a publisher made, and the event the queue made of it."""
from cpython.ref cimport PyObject
from libc.stdint cimport int32_t, int64_t

from collectorqueue._native.results cimport ResultList

# States of an event; from OK on they are outcomes.
cdef enum State:
    QUEUED, RUNNING, OK, FAILED, UNROUTED, DROPPED, ABORTED

cdef enum Place:
    IN_LANE         # of the queue
    IN_HAND         # taken from there, and about to begin
    ELSEWHERE       # waiting for another process
    HELD_BACK       # likewise, for its collector's limit

cdef enum Mode:
    BY_BROADCAST, BY_KEY, BY_TOPIC


cdef class Payload:
    cdef readonly object value
    cdef object address             # None, one str, or a tuple of str
    cdef object rare                # None, or the ttl in seconds
    cdef int32_t number             # the priority
    cdef char mode
    cdef char prioritised
    cdef char sealed
    cdef char tracked               # the garbage collector looks at it


cdef class Hub:
    cdef Home home
    cdef readonly object loop

    cdef bint cancel_event(self, CollectorEvent event) except -1
    cdef int begin_wait(self, EventWait wait) except -1
    cdef int end_wait(self, EventWait wait) except -1


cdef class Home:
    cdef void *hub                  # borrowed; NULL once the queue's core is gone


cdef class CollectorEvent:
    cdef readonly Payload payload
    cdef Home home
    cdef object result              # of its end; until then, its sender's context or None
    cdef object route               # the step it went to, or a tuple of them, for the labels
    cdef object waiters             # None, one future, or a dict of futures
    cdef readonly int64_t id
    cdef int64_t sent_ns
    cdef int64_t start_ns
    cdef int64_t end_ns
    cdef char state
    cdef char expires
    cdef char place                 # where it is while it is QUEUED


cdef class EventWait:
    cdef CollectorEvent event
    cdef object timeout
    cdef object future
    cdef object timer
    cdef CollectorEvent owner       # whose handler waits; None outside of handlers
    cdef bint begun
    cdef bint timed_out

    cdef int step(self, PyObject **out) except -1
    cdef int begin(self) except -1
    cdef int finish(self) except -1


cdef class Labelled:
    cdef readonly object key        # a str
    cdef tuple label                # (key,), made once


# Functions, not methods: a table of methods would cost 8 bytes an object.
cdef CollectorEvent new_event(Payload payload, Home home, int64_t id, int64_t now)
cdef int aim(Payload payload, object delivery, object keys, object topics) except -1
cdef ResultList results_of(CollectorEvent event)
cdef int track_payload(Payload payload) except -1
cdef int add_waiter(CollectorEvent event, object future) except -1
cdef int drop_waiter(CollectorEvent event, object future) except -1
cdef int wake_waiters(CollectorEvent event) except -1
cdef Payload as_payload(object x, object delivery, object keys, object topics,
                        object priority, object ttl)
