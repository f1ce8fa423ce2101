"""Putting: from a payload that may come in to an event that waits."""

from collectorqueue._native.event cimport CollectorEvent
from collectorqueue._native.helping cimport Helping
from collectorqueue._native.payload cimport Payload
from collectorqueue._native.plan cimport Step
from collectorqueue._native.router cimport Index


cdef class Intake(Helping):
    cdef readonly Index index
    cdef object custom_select       # None: the index routes
    cdef Step custom_route          # a router's own handle_event, or None
    cdef bint strict_routes         # a send that matches nothing raises
    cdef bint validates             # some collector wants to be asked before
    cdef bint checks_sends          # either
    cdef bint propagate             # events run in a copy of their sender's context
    cdef public object on_sent      # (event); mostly None

    cdef object route(self, Payload payload)
    cdef bint matches_nothing(self, Payload payload) except -1
    cdef CollectorEvent enter(self, Payload payload)
    cdef int check_before(self, Payload payload) except -1
    cdef CollectorEvent enter_sized(self, Payload payload)
    cdef int put_or_undo(self, CollectorEvent event) except -1
    cdef CollectorEvent drop_incoming(self, Payload payload)
