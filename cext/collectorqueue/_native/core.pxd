"""What the publishers and consumers of one queue share."""
from libc.stdint cimport int64_t

from collectorqueue._native.door cimport NEVER, NOT_NOW, OPEN, this_thread
from collectorqueue._native.event cimport CollectorEvent
from collectorqueue._native.helping cimport Helping
from collectorqueue._native.payload cimport Payload
from collectorqueue._native.plan cimport Step
from collectorqueue._native.router cimport Index


cdef class Core(Helping):
    cdef object __weakref__
    # what the queue is
    cdef readonly Index index
    cdef object custom_select       # None: the index routes
    cdef Step custom_route          # a router's own handle_event, or None
    cdef bint strict_routes         # a send that matches nothing raises
    cdef bint validates             # some collector wants to be asked before
    cdef bint checks_sends          # either
    cdef bint propagate             # events run in a copy of their sender's context

    # who waits
    cdef object when_empty

    # what is done elsewhere
    cdef object on_freed            # (): a consumer is free, others wait; or None
    cdef object on_bad_outcome      # (event): not OK
    cdef object on_written_off      # (driver): its handler does not end, others go on

    # who listens; mostly None
    cdef public object on_sent      # (event)
    cdef public object on_started   # (event)
    cdef public object on_settled   # (event)

    cdef object route(self, Payload payload)
    cdef bint matches_nothing(self, Payload payload) except -1
    cdef CollectorEvent take(self, int64_t now)
    cdef int take_out(self, CollectorEvent event, int64_t now) except -1
    cdef int leave_lane(self, CollectorEvent event) except -1
    cdef int begin_item(self, CollectorEvent item, int64_t now) except -1
    cdef int count_helper(self, int64_t now) except -1
    cdef int settle(self, CollectorEvent event, char outcome, object result,
                    int64_t now) except -1
    cdef CollectorEvent enter(self, Payload payload)
    cdef CollectorEvent enter_sized(self, Payload payload)
    cdef CollectorEvent drop_incoming(self, Payload payload)
    cdef int look_if_empty(self) except -1


cdef inline Py_ssize_t waiting(Core core) noexcept:
    """Events in the lane: for consumers, not for another process."""
    return core.lane.used - core.lane.gone


cdef inline CollectorEvent offer(Core core, Payload payload, bint may_wait):
    """Accept a payload now; None: the caller has to wait for a place."""
    cdef int room
    if (core.phase != OPEN or core.queued + core.handed >= core.capacity or core.reserved
            or core.max_bytes or this_thread() != core.thread):
        room = core.has_room(payload, may_wait)
        if room == NOT_NOW:
            return None
        if room == NEVER:
            return core.drop_incoming(payload)
    return core.accept(payload)
