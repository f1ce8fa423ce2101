"""Putting: from a payload that may come in to an event that waits.

Rules of residence: an event is accepted in one step, in which it is routed to nowhere yet
but counted. Who may send is the door's; how events leave is the core's.
"""
from contextvars import copy_context

from libc.stdint cimport int64_t, uint32_t

from collectorqueue._native.clock cimport monotonic_ns
from collectorqueue._native.door cimport DRAINING, OPEN
from collectorqueue._native.event cimport (
    ABORTED, BEHIND, DELAYED, DROPPED, IN_HAND, KEYED, QUEUED, ROUTED,
    CollectorEvent, new_event,
)
from collectorqueue._native.headroom cimport FRAMES, give_frames
from collectorqueue._native.helping cimport Helping
from collectorqueue._native.lanes cimport Lane, LifoLane
from collectorqueue._native.payload cimport Payload
from collectorqueue._native.plan cimport Step
from collectorqueue._native.results cimport Error
from collectorqueue._native.router cimport describe_miss
from collectorqueue._native.sums cimport count_sent
from collectorqueue._native.untracked cimport track

from collectorqueue.errors import ConfigError, EventDropped, QueueClosed, Unrouted


cdef inline int put(Intake intake, CollectorEvent event) except -1:
    """It waits for a consumer."""
    intake.lane.push(event)
    count_sent(intake, event.sent_ns)
    if intake.coming == 0 and intake.turning == 0:
        # A consumer at work takes it next, or calls for help if it must wait.
        intake.call_for_help()
    return 0


cdef class Intake(Helping):
    """How payloads become events of one queue."""

    # -- routes -----------------------------------------------------------------------

    def use_router(self, select, whole_step):
        """Route by `select(payload) -> tuple of steps`, or hand all to `whole_step`."""
        self.custom_select = select
        self.custom_route = whole_step

    cdef object route(self, Payload payload):
        if self.custom_select is not None:
            return self.custom_select(payload)
        if self.custom_route is not None:
            return self.custom_route
        return self.index.route(payload)

    cdef object likely_route(self, Payload payload):
        """Where it would go, if that can be said without asking a custom router."""
        if self.custom_select is not None or self.custom_route is not None:
            return None
        return self.index.route(payload)

    cdef bint matches_nothing(self, Payload payload) except -1:
        try:
            route = self.route(payload)
            return type(route) is tuple and not route
        except BaseException:
            return False    # a router that fails costs its event: once it runs

    def check_route(self, Payload payload not None):
        """Raise Unrouted if it must match something and does not, PayloadInvalid if its
        value is not what a collector wants to be asked for."""
        cdef Step step
        if self.strict_routes and self.matches_nothing(payload):
            raise Unrouted(describe_miss(payload))
        if self.validates and self.custom_route is None:
            route = self.route(payload)
            for step in route if type(route) is tuple else (route,):
                if step.validates:
                    step.convert(payload)

    def validate_sends(self):
        """Some collector wants payloads to be checked when they are sent."""
        self.validates = self.checks_sends = self.threads_must_ask = True

    # -- put --------------------------------------------------------------------------

    cdef CollectorEvent enter(self, Payload payload):
        """The event of a payload that is accepted now; not put anywhere yet."""
        if self.checks_sends:
            self.check_before(payload)
        if payload.rare is not None and payload.rare.ordering_key is not None and (
                type(self.lane) is LifoLane):
            raise ConfigError(
                "a LIFO queue takes the latest first and cannot keep the order of "
                f"ordering_key={payload.rare.ordering_key!r}")
        if self.max_bytes:
            return self.enter_sized(payload)
        self.sequence += 1
        return new_event(payload, self.home, self.sequence, monotonic_ns())

    cdef int check_before(self, Payload payload) except -1:
        try:
            self.check_route(payload)
        except BaseException:
            self.measured = None    # what is refused is not kept
            raise
        return 0

    cdef CollectorEvent enter_sized(self, Payload payload):
        cdef CollectorEvent event
        cdef int64_t size = self.size_of(payload)
        self.measured = None
        self.sequence += 1
        event = new_event(payload, self.home, self.sequence, monotonic_ns())
        event.size = <uint32_t>size
        self.queued_bytes += size
        return event

    cdef CollectorEvent accept(self, Payload payload):
        context = copy_context() if self.propagate else None
        cdef CollectorEvent event = self.enter(payload)
        if context is not None:
            event.result = context
            track(event)
        if payload.rare is None and not self.max_bytes:
            put(self, event)
        else:
            self.put_or_undo(event)
        if self.on_sent is not None:
            self.on_sent(event)
        if self.ends_ns and event.place == DELAYED:
            self.give_up_if_late(event)
        return event

    cdef int put_or_undo(self, CollectorEvent event) except -1:
        """Put one that has terms or a size; if that cannot be done, nothing is left of it."""
        cdef int64_t accepted = self.accepted
        try:
            if event.payload.rare is None or not self.postpone(event):
                put(self, event)
            else:
                count_sent(self, event.sent_ns)
        except BaseException:
            if self.accepted == accepted:
                self.queued_bytes -= event.size
                event.state = ABORTED       # where it stands by now it is a dead entry
                if event.place == BEHIND:
                    self.leave_apart(event)
                elif event.flags & KEYED:
                    self.leave_line(event)
            raise
        return 0

    cdef bint make_room(self, Payload payload) except -1:
        cdef CollectorEvent event, worst = None
        cdef Lane lane
        for lane in [self.lane, *self.elsewhere.lanes()]:
            event = lane.least_wanted(payload)
            if event is None:
                continue
            if worst is None or self.droppable.less_wanted(event, worst):
                worst = event
        event = self.droppable.first(payload)
        if event is not None and (worst is None or self.droppable.less_wanted(event, worst)):
            worst = event
        if worst is None:
            return False
        self.oldest_dropped += 1
        self.reserved += 1      # the place is not for those who are told of the drop
        give_frames(FRAMES)
        try:
            self.withdraw(worst, DROPPED, EventDropped(
                "dropped for a newer one: the queue was full, its capacity is "
                f"{self.bound()}"))
            if self.on_overflow is not None:
                self.on_overflow()
        finally:
            give_frames(-FRAMES)
            self.reserved -= 1
        return True

    cdef CollectorEvent drop_incoming(self, Payload payload):
        """Accept what there is no room for, and drop it."""
        cdef CollectorEvent event = self.enter(payload)
        event.place = IN_HAND
        count_sent(self, event.sent_ns)
        if self.on_sent is not None:
            self.on_sent(event)
        if event.state == QUEUED:
            self.incoming_dropped += 1
            self.settle(event, DROPPED, Error(EventDropped(
                f"the queue was full, its capacity is {self.bound()}")), monotonic_ns())
        if self.on_overflow is not None:
            self.on_overflow()
        return event

    def fill_place(self, Payload payload not None, place):
        """Accept a payload in the place that its sender waited for."""
        if self.max_bytes:
            self.measured = payload
            self.measured_size = self.reserved_sizes.get(place, 0)
        self.give_place(place)
        if self.phase != OPEN:
            raise QueueClosed.before_there_was_room()
        try:
            return self.accept(payload)
        finally:
            if self.parked:
                self.admit()

    def send_straight(self, Step step not None, Payload payload not None):
        """Accept a payload for one step, in whatever state the queue is, routers passed by.

        Raises QueueFull at twice the capacity, and QueueClosed.
        """
        cdef CollectorEvent event
        if self.phase != OPEN and self.phase != DRAINING:
            raise QueueClosed("the queue is closed")
        if self.queued + self.handed >= 2 * self.capacity:
            self.refuse(f"the queue holds twice its capacity of {self.capacity} events")
        self.sequence += 1
        event = new_event(payload, self.home, self.sequence, monotonic_ns())
        event.flags |= ROUTED
        event.route = step
        put(self, event)
        if self.on_sent is not None:
            self.on_sent(event)
        return event
