"""The door of a queue: who may send now, and what becomes of a payload without room."""
from libc.stdint cimport int64_t

from collectorqueue._native.context cimport Scope
from collectorqueue._native.event cimport CollectorEvent
from collectorqueue._native.payload cimport Payload
from collectorqueue._native.places cimport Places

cdef extern from *:
    """
    #ifdef _WIN32
    #define cq_this_thread() PyThread_get_thread_ident()
    #else
    #include <pthread.h>
    #define cq_this_thread() ((unsigned long)pthread_self())
    #endif
    """
    unsigned long this_thread "cq_this_thread"() noexcept

cdef enum Phase:
    NEW, OPEN, DRAINING, CLOSED, BROKEN


cdef enum Room:
    NOT_NOW         # wait for it
    ROOM
    NEVER           # the payload is accepted to be dropped


cdef class Door(Places):
    cdef char phase
    cdef object failure
    cdef unsigned long thread
    cdef list handed_over           # payloads; each has its place
    cdef list taking                # those before them, the first `taken` of which are
    cdef Py_ssize_t taken           # accepted by now
    cdef bint rung                  # the loop will look
    cdef readonly bint threads_must_ask     # a send may raise, or needs its own context
    cdef readonly bint waits_when_full
    cdef readonly bint drops_oldest         # when full, to make room
    cdef readonly bint drops_incoming       # when full
    cdef readonly int64_t oldest_dropped, incoming_dropped
    cdef public object on_overflow  # (): a send is refused; mostly None

    cdef Scope inside(self)
    cdef int has_room(self, Payload payload, bint may_wait) except -1
    cdef bint make_room(self, Payload payload) except -1
    cdef bint has_bytes(self, int64_t size, int64_t times) noexcept
    cdef int refuse(self, str why) except -1
    cdef bint hand_over(self, Payload payload) except -1
    cdef int take_back(self, Payload payload) except -1
    cdef CollectorEvent accept(self, Payload payload)
    cdef int take_in(self, Py_ssize_t most) except -1
