"""What the publishers and consumers of one queue share."""
from libc.stdint cimport int64_t

from collectorqueue._native.door cimport NEVER, NOT_NOW, OPEN, this_thread
from collectorqueue._native.ending cimport Ending
from collectorqueue._native.event cimport CollectorEvent, Home
from collectorqueue._native.payload cimport Payload


cdef class Core(Ending):
    cdef object __weakref__

    # events, and Bundles of them, that begin while others are told so, one within the other
    cdef list beginning

    # what is done elsewhere
    cdef object on_freed            # (): a consumer is free, others wait; or None
    cdef object on_bad_outcome      # (event, route): not OK
    cdef object on_written_off      # (driver): its handler does not end, others go on

    # who listens; mostly None
    cdef public object on_started   # (event)
    cdef public object on_settled   # (event)

    cdef CollectorEvent take(self, int64_t now)
    cdef bint take_out(self, CollectorEvent event, int64_t now) except -1
    cdef bint tell_started(self, CollectorEvent event) except -1
    cdef int leave_lane(self, CollectorEvent event) except -1
    cdef int begin_item(self, CollectorEvent item, int64_t now) except -1
    cdef int count_helper(self, int64_t now) except -1


cdef inline Core core_of(Home home):
    """Of a queue that lives: for those that it keeps, and that must not keep it alive."""
    return <Core>home.hub


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
