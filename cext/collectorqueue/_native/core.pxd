"""What the publishers and consumers of one queue share."""
from libc.stdint cimport int64_t

from collectorqueue._native.barrier cimport Barriers
from collectorqueue._native.context cimport Scope
from collectorqueue._native.door cimport NEVER, NOT_NOW, OPEN, Door, this_thread
from collectorqueue._native.event cimport CollectorEvent, EventWait, Payload
from collectorqueue._native.lanes cimport Lane
from collectorqueue._native.outlet cimport Elsewhere
from collectorqueue._native.plan cimport Step
from collectorqueue._native.router cimport Index
from collectorqueue._native.timers cimport Timers
from collectorqueue._native.waits cimport Waits


cdef class Core(Door):
    # what the queue is
    cdef readonly Index index
    cdef Lane lane
    cdef Timers timers
    cdef object custom_select       # None: the index routes
    cdef Step custom_route          # a router's own handle_event, or None
    cdef bint strict_routes         # a send that matches nothing raises
    cdef bint propagate             # events run in a copy of their sender's context

    # where it stands
    cdef int64_t sequence

    # who waits
    cdef Barriers barriers
    cdef Waits waits                # of handlers, for events
    cdef Elsewhere elsewhere        # what is in other processes; never None
    cdef object when_empty

    # what is done elsewhere
    cdef object on_short            # (): more consumers would help
    cdef object on_freed            # (): a consumer is free, others wait; or None
    cdef object on_compensate       # (event): it needs a consumer of its own
    cdef object on_bad_outcome      # (event): not OK

    # who listens; mostly None
    cdef public object on_sent      # (event)
    cdef public object on_started   # (event)
    cdef public object on_settled   # (event)

    cdef object route(self, Payload payload)
    cdef bint matches_nothing(self, Payload payload) except -1
    cdef CollectorEvent take(self, int64_t now)
    cdef int take_out(self, CollectorEvent event, int64_t now) except -1
    cdef int leave_lane(self, CollectorEvent event) except -1
    cdef int sweep_timers(self) except -1
    cdef int settle(self, CollectorEvent event, char outcome, object result,
                    int64_t now) except -1
    cdef int withdraw(self, CollectorEvent event, char outcome, object error) except -1
    cdef CollectorEvent enter(self, Payload payload)
    cdef CollectorEvent drop_incoming(self, Payload payload)
    cdef int drop_expired(self, CollectorEvent event) except -1
    cdef int call_for_help(self) except -1
    cdef int cover(self) except -1


cdef inline Py_ssize_t waiting(Core core) noexcept:
    """Events in the lane: for consumers, not for another process."""
    return core.lane.used - core.lane.gone


cdef int64_t ttl_ns(Payload payload) except -1


cdef inline CollectorEvent offer(Core core, Payload payload, bint may_wait):
    """Accept a payload now; None: the caller has to wait for a place."""
    cdef int room
    if (core.phase != OPEN or core.queued + core.handed >= core.capacity or core.reserved
            or this_thread() != core.thread):
        room = core.has_room(payload, may_wait)
        if room == NOT_NOW:
            return None
        if room == NEVER:
            return core.drop_incoming(payload)
    return core.accept(payload)
