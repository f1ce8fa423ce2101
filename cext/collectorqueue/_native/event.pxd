"""What travels: the payload a publisher made, and the event the queue made of it."""
from cpython.ref cimport PyObject
from libc.stdint cimport int64_t, uint16_t, uint32_t

from collectorqueue._native.payload cimport Payload
from collectorqueue._native.results cimport ResultList

# States of an event; from OK on they are outcomes.
cdef enum State:
    QUEUED, RUNNING, OK, FAILED, UNROUTED, DROPPED, ABORTED

cdef enum Place:
    IN_LANE         # of the queue
    IN_HAND         # taken from there, and about to begin
    ELSEWHERE       # waiting for another process
    HELD_BACK       # likewise, for its collector's limit
    DELAYED         # until its time comes
    BEHIND          # others with its ordering key
    TO_RETRY        # until it is run again
    AT_GATE         # of its collector, which has a limit
    IN_BATCH        # that fills, or waits for a consumer
    IN_PARTS        # of its several collectors, none runs: some of them wait

# What is special about an event.
cdef enum Flag:
    EXPIRES = 1     # it has a ttl, and has not started
    KEYED = 2       # it stands in the line of its ordering key
    ROUTED = 4      # it comes back: where it goes is known
    ADMITTED = 8    # it holds a place of its collector's limit, and has not begun
    LATE = 16       # it came back to the lane after events that were sent after it
    PART = 32       # not an event, but one collector's part of one: `waiters` is a Share
    BATCH = 64      # nor this, but many for one run: `waiters` is a Bundle
    ON_TRIAL = 128  # it may join the batch that those before it are in, or goes back
    RETURNED = 256  # it is LATE, and in order with others that are

cdef class Hub:
    cdef Home home
    cdef readonly object loop

    cdef bint cancel_event(self, CollectorEvent event) except -1
    cdef bint waits_for_time(self, CollectorEvent event) except -1
    cdef int time_has_come(self, CollectorEvent event, int64_t now) except -1
    cdef int begin_wait(self, EventWait wait) except -1
    cdef int end_wait(self, EventWait wait) except -1


cdef class Home:
    cdef void *hub                  # borrowed; NULL once the queue's core is gone


cdef class CollectorEvent:
    cdef readonly Payload payload
    cdef Home home
    cdef object result              # of its end; until then, its sender's context or None
    cdef object route               # the step it goes to, or a tuple of them; once it has
                                    # ended, the labels: a kept event keeps no collector
    cdef object waiters             # None, one future, or a dict of futures
    cdef readonly int64_t id
    cdef int64_t sent_ns
    cdef int64_t start_ns
    cdef int64_t end_ns
    cdef char state
    cdef char place                 # where it is while it is QUEUED
    cdef uint16_t flags             # Flag
    cdef uint32_t size              # bytes, as they are counted


cdef class EventWait:
    cdef CollectorEvent event
    cdef object timeout
    cdef object future
    cdef object timer
    cdef object owner               # the Handler that waits; None outside of handlers
    cdef object refusal             # why it is given up; or None
    cdef bint begun
    cdef bint timed_out

    cdef int step(self, PyObject **out) except -1
    cdef int begin(self) except -1
    cdef int refuse(self, object why) except -1
    cdef int finish(self) except -1


cdef class Labelled:
    cdef readonly object key        # a str
    cdef tuple label                # (key,), made once


# Functions, not methods: a table of methods would cost 8 bytes an object.
cdef CollectorEvent new_event(Payload payload, Home home, int64_t id, int64_t now)
cdef ResultList results_of(CollectorEvent event)
cdef int add_waiter(CollectorEvent event, object future) except -1
cdef int drop_waiter(CollectorEvent event, object future) except -1
cdef int wake_waiters(CollectorEvent event) except -1
