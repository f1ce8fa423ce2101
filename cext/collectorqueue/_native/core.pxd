"""What the publishers and consumers of one queue share."""
from libc.stdint cimport int64_t

from collectorqueue._native.barrier cimport Barriers
from collectorqueue._native.context cimport Scope
from collectorqueue._native.event cimport CollectorEvent, EventWait, Hub, Payload
from collectorqueue._native.lanes cimport Lane
from collectorqueue._native.plan cimport Step
from collectorqueue._native.router cimport Index
from collectorqueue._native.timers cimport Timers
from collectorqueue._native.waits cimport Waits

cdef enum Phase:
    NEW, OPEN, DRAINING, CLOSED, BROKEN


cdef class Seat:
    cdef CollectorEvent event       # what it runs now; None between events
    cdef object bell                # the future it waits on while idle
    cdef int64_t idle_since
    cdef bint retiring
    cdef bint woken                 # its bell was rung for an event

    cdef int abort(self, str why) except -1


cdef class Core(Hub):
    # what the queue is
    cdef readonly Index index
    cdef Lane lane
    cdef Timers timers
    cdef object custom_select       # None: the index routes
    cdef Step custom_route          # a router's own handle_event, or None
    cdef bint strict_routes         # a send that matches nothing raises
    cdef bint propagate             # events run in a copy of their sender's context
    cdef bint waits_when_full
    cdef Py_ssize_t capacity

    # where it stands
    cdef char phase
    cdef object failure
    cdef unsigned long thread
    cdef object base_context
    cdef int64_t sequence

    # the ledger
    cdef readonly int64_t accepted, ok, failed, unrouted, dropped, aborted
    cdef readonly int64_t queued, in_flight
    cdef readonly int64_t overflow_sends

    # the pool
    cdef dict seats
    cdef list idle                  # waiting seats, the last one is woken first
    cdef readonly Py_ssize_t consumers      # those told to retire left out
    cdef readonly Py_ssize_t peak_consumers
    cdef readonly Py_ssize_t max_consumers
    cdef readonly Py_ssize_t busy
    cdef readonly Py_ssize_t blocked        # handlers that wait for an event
    cdef Py_ssize_t excess          # busy consumers that shall leave after their event
    cdef Py_ssize_t turning         # consumers inside their turn, one within the other
    cdef Py_ssize_t coming          # consumers that will look at the lane without being woken

    # one time slice for all of them
    cdef bint in_slice
    cdef int64_t slice_end
    cdef object end_slice_callback
    cdef object call_soon
    cdef object create_future

    # who waits
    cdef object senders             # futures of blocked senders, in order
    cdef Py_ssize_t parked
    cdef Py_ssize_t reserved        # free places that belong to a sender who was woken
    cdef Barriers barriers
    cdef Waits waits                # of handlers, for events
    cdef object when_empty

    # time integrals, of ns
    cdef int64_t counted_ns
    cdef double queued_ns, busy_ns, consumer_ns
    cdef int64_t started
    cdef double wait_ns, service_ns

    # what is done elsewhere
    cdef object on_short            # (): more consumers would help
    cdef object on_compensate       # (event): it needs a consumer of its own
    cdef object on_bad_outcome      # (event): not OK

    cdef CollectorEvent offer(self, Payload payload, bint may_wait)
    cdef bint has_room(self, bint may_wait) except -1
    cdef CollectorEvent accept(self, Payload payload)
    cdef object route(self, Payload payload)
    cdef bint matches_nothing(self, Payload payload) except -1
    cdef CollectorEvent take(self, int64_t now)
    cdef int take_out(self, CollectorEvent event, int64_t now) except -1
    cdef int sweep_timers(self) except -1
    cdef int settle(self, CollectorEvent event, char outcome, object result,
                    int64_t now) except -1
    cdef int withdraw(self, CollectorEvent event, char outcome, object error) except -1
    cdef int drop_expired(self, CollectorEvent event) except -1
    cdef int wake_one(self) except -1
    cdef int call_for_help(self) except -1
    cdef int cover(self) except -1
    cdef int admit(self) except -1
    cdef int begin_slice(self, int64_t now) except -1
    cdef Scope inside(self)


cdef str describe_miss(Payload payload)


cdef inline int count_time(Core core, int64_t now) except -1:
    """Bring the time integrals up to now, before one of the counts changes."""
    cdef int64_t passed = now - core.counted_ns
    if passed == 0:
        return 0
    core.counted_ns = now
    core.queued_ns += <double>passed * <double>core.queued
    core.busy_ns += <double>passed * <double>core.busy
    core.consumer_ns += <double>passed * <double>core.consumers
    return 0
