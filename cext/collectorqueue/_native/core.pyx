"""What the publishers and consumers of one queue share: put, take, settle, wait.

Rules of residence: bookkeeping in one step, so that the ledger closes at every instant.
No user code runs from here, except a custom router's `select`; how many consumers there
should be, what is logged and what is drained when, is decided by the callables handed in.
"""
from contextvars import copy_context

cimport cython
from libc.stdint cimport int64_t

from collectorqueue._native.clock cimport monotonic_ns
from collectorqueue._native.barrier cimport Barriers
from collectorqueue._native.counters cimport count_ns
from collectorqueue._native.context cimport Scope, current_scope
from collectorqueue._native.door cimport BROKEN, CLOSED, DRAINING, NEW, OPEN, Door, this_thread
from collectorqueue._native.event cimport (
    ABORTED, DROPPED, ELSEWHERE, FAILED, IN_HAND, IN_LANE, OK, QUEUED, RUNNING, UNROUTED,
    CollectorEvent, EventWait, Payload, new_event, wake_waiters,
)
from collectorqueue._native.lanes cimport Lane, make_lane
from collectorqueue._native.outlet cimport Elsewhere
from collectorqueue._native.plan cimport Step
from collectorqueue._native.results cimport Error, Ok
from collectorqueue._native.router cimport Index, describe_miss
from collectorqueue._native.seats cimport Seat
from collectorqueue._native.sums cimport (
    catch_up, count_busy, count_left, count_sent, count_unqueued,
)
from collectorqueue._native.timers cimport Timers
from collectorqueue._native.waits cimport Waits
from collectorqueue._native.untracked cimport is_atomic, is_tracked, track

from collectorqueue.errors import (
    EventAborted, EventDropped, QueueClosed, QueueFailed, Unrouted, WrongThread,
)


@cython.final
@cython.no_gc_clear
cdef class Core(Door):
    """The state of one queue. Belongs to one loop and its thread."""

    def __cinit__(self, *, queue_type, Py_ssize_t capacity, int64_t default_priority,
                  int64_t ageing, overflow, bint strict_routes,
                  bint propagate, Py_ssize_t max_consumers):
        self.index = Index()
        self.waits_when_full = overflow == "wait"
        self.drops_oldest = overflow == "drop_oldest"
        self.drops_incoming = overflow == "drop_incoming"
        self.lane = make_lane(queue_type, default_priority, ageing, self.drops_oldest)
        self.capacity = capacity
        self.strict_routes = strict_routes
        self.propagate = propagate
        self.threads_must_ask = strict_routes or propagate
        self.max_consumers = max_consumers
        self.phase = NEW
        self.clear()

    def clear(self):
        """Back to an empty ledger."""
        Door.clear(self)
        self.barriers = Barriers()
        self.waits = Waits()
        self.when_empty = None
        self.elsewhere = Elsewhere()

    # -- life ---------------------------------------------------------------------

    def open(self, loop, context, *, on_short, on_freed, on_compensate, on_bad_outcome):
        """Accept events from now on, in this thread, for this loop."""
        self.clear()
        self.attend(loop, context)
        self.thread = this_thread()
        self.timers = Timers(loop, self.expire)
        self.on_short = on_short
        self.on_freed = on_freed
        self.on_compensate = on_compensate
        self.on_bad_outcome = on_bad_outcome
        self.failure = None
        self.phase = OPEN

    def begin_drain(self):
        """Refuse sends from outside of handlers; blocked senders get QueueClosed."""
        self.phase = DRAINING
        self.take_all()
        self.refuse_senders(QueueClosed("the queue was closed while a send waited for room"))

    def shut(self):
        """Refuse all sends."""
        if self.phase != BROKEN:
            self.phase = CLOSED
        self.refuse_senders(QueueClosed("the queue was closed while a send waited for room"))
        if self.timers is not None:
            self.timers.stop()

    def break_down(self, why):
        """All consumers were lost: nothing can run. Everything queued is ABORTED."""
        self.failure = QueueFailed(why)
        self.phase = BROKEN
        self.take_all()
        self.refuse_senders(self.failure)
        self.abort_queued(self.failure)

    def abort_queued(self, error):
        """End everything that waits, in order; returns the payloads."""
        events = self.queued_events()
        for event in events:
            self.withdraw(event, ABORTED, error)
        return [(<CollectorEvent>event).payload for event in events]

    def abandon_running(self, error):
        """Settle everything that still runs as ABORTED; returns events and their seats."""
        cdef int64_t now = monotonic_ns()
        cdef CollectorEvent event
        found = []
        for seat in list(self.seats):
            event = (<Seat>seat).event
            if event is not None and event.state == RUNNING:
                found.append((event, seat))
                self.settle(event, ABORTED, Error(error), now)
        return found

    def queued_payloads(self):
        """The payloads that wait, next one first."""
        return [(<CollectorEvent>event).payload for event in self.queued_events()]

    def queued_events(self):
        """The events that wait, next one first."""
        return self.elsewhere.waiting() + self.lane.events()

    def running(self):
        """The events that run now, here or elsewhere."""
        here = Door.running(self)
        seen = set(here)
        return here + [event for event in self.elsewhere.running() if event not in seen]

    def abort_running(self, why):
        """Cancel everything that runs."""
        Door.abort_running(self, why)
        self.elsewhere.abort(why)

    def emptied(self):
        """A future for the moment when nothing is queued and nothing runs."""
        future = self.loop.create_future()
        if self.queued == 0 and self.in_flight == 0:
            future.set_result(None)
        else:
            self.when_empty = future
        return future

    def use_router(self, select, whole_step):
        """Route by `select(payload) -> tuple of steps`, or hand all to `whole_step`."""
        self.custom_select = select
        self.custom_route = whole_step

    @property
    def is_open(self):
        return self.phase == OPEN

    @property
    def is_live(self):
        return self.phase == OPEN or self.phase == DRAINING

    @property
    def is_broken(self):
        return self.phase == BROKEN

    # -- put ----------------------------------------------------------------------

    def check_route(self, Payload payload not None):
        """Raise Unrouted if it must match something and does not."""
        if self.strict_routes and self.matches_nothing(payload):
            raise Unrouted(describe_miss(payload))

    cdef CollectorEvent enter(self, Payload payload):
        """The event of a payload that is accepted now; not put anywhere yet."""
        if self.strict_routes:
            self.check_route(payload)
        self.sequence += 1
        return new_event(payload, self.home, self.sequence, monotonic_ns())

    cdef CollectorEvent accept(self, Payload payload):
        cdef CollectorEvent event = self.enter(payload)
        if self.propagate:
            event.result = copy_context()
            track(event)
        self.lane.push(event)
        count_sent(self, event.sent_ns)
        if payload.rare is not None:
            event.expires = True
            self.timers.add(event.sent_ns + ttl_ns(payload), event)
        if self.coming == 0 and self.turning == 0:
            # A consumer that is at work takes it next, or calls for help if it must wait.
            self.call_for_help()
        if self.on_sent is not None:
            self.on_sent(event)
        return event

    cdef bint make_room(self, Payload payload) except -1:
        cdef CollectorEvent event, worst = None
        cdef Lane lane
        for lane in [self.lane, *self.elsewhere.lanes()]:
            event = lane.least_wanted(payload)
            if event is not None and (worst is None or lane.less_wanted(event, worst)):
                worst = event
        if worst is None:
            return False
        self.oldest_dropped += 1
        self.reserved += 1      # the place is not for those who are told of the drop
        try:
            self.withdraw(worst, DROPPED, EventDropped(
                "dropped for a newer one: the queue was full, its capacity is "
                f"{self.capacity}"))
            if self.on_overflow is not None:
                self.on_overflow()
        finally:
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
                f"the queue was full, its capacity is {self.capacity}")), monotonic_ns())
        if self.on_overflow is not None:
            self.on_overflow()
        return event

    def fill_place(self, Payload payload not None):
        """Accept a payload in the place that its sender waited for."""
        self.reserved -= 1
        if self.phase != OPEN:
            raise QueueClosed("the queue was closed while a send waited for room")
        try:
            return self.accept(payload)
        finally:
            if self.parked:
                self.admit()

    # -- take ---------------------------------------------------------------------

    cdef CollectorEvent take(self, int64_t now):
        """The next event, in hand and still queued; None when nothing waits."""
        cdef CollectorEvent event
        while True:
            event = self.lane.pop()
            if event is None:
                return None
            if event.expires and now - event.sent_ns >= ttl_ns(event.payload):
                self.drop_expired(event)    # the loop was held up, no timer could ring
                continue
            event.place = IN_HAND
            return event

    cdef int take_out(self, CollectorEvent event, int64_t now) except -1:
        """From queued to in flight."""
        event.state = RUNNING
        event.start_ns = now
        count_unqueued(self, now)
        count_busy(self, now)
        self.in_flight += 1
        if event.expires:
            self.sweep_timers()
        if self.parked:
            self.admit()
        if self.on_started is not None:
            self.on_started(event)
        return 0

    cdef int sweep_timers(self) except -1:
        """Most deadlines are of events that have started: do not keep those alive."""
        if len(self.timers) > 64 and len(self.timers) > 2 * self.queued:
            self.timers.keep(is_queued)
        return 0

    cdef object route(self, Payload payload):
        if self.custom_select is not None:
            return self.custom_select(payload)
        if self.custom_route is not None:
            return self.custom_route
        return self.index.route(payload)

    cdef bint matches_nothing(self, Payload payload) except -1:
        try:
            route = self.route(payload)
            return type(route) is tuple and not route
        except BaseException:
            return False    # a router that fails costs its event: once it runs

    # -- settle -------------------------------------------------------------------

    cdef int settle(self, CollectorEvent event, char outcome, object result,
                    int64_t now) except -1:
        """Give an event its one outcome, count it, wake who waits."""
        if event.state >= OK:
            return 0
        if event.state == QUEUED:
            count_unqueued(self, now)
        else:
            catch_up(self, now)
            self.in_flight -= 1
            count_ns(&self.times.services, now - event.start_ns)
        count_left(self, event.sent_ns, now)
        event.state = outcome
        event.end_ns = now
        # An Ok is tracked if its value can be, and settling one must not cost a call.
        if not is_atomic((<Ok>result).value if type(result) is Ok else result):
            if type(result) is Ok or is_tracked(result):
                track(event)
        event.result = result
        if outcome == OK:
            self.ok += 1
        elif outcome == FAILED:
            self.failed += 1
        elif outcome == ABORTED:
            self.aborted += 1
        elif outcome == UNROUTED:
            self.unrouted += 1
        else:
            self.dropped += 1
        if event.waiters is not None:
            wake_waiters(event)
        if self.barriers.standing:
            self.barriers.settled(event.id)
        if self.when_empty is not None and self.queued == 0 and self.in_flight == 0:
            empty, self.when_empty = self.when_empty, None
            if not empty.done():
                empty.set_result(None)
        if outcome != OK:
            self.on_bad_outcome(event)
        if self.on_settled is not None:
            self.on_settled(event)
        return 0

    cdef int withdraw(self, CollectorEvent event, char outcome, object error) except -1:
        """End an event where it waits, and free its place."""
        if event.state != QUEUED:
            return 0
        # Before anybody is told: an observer may end others that wait there.
        self.leave_lane(event)
        self.settle(event, outcome, Error(error), monotonic_ns())
        if self.parked:
            self.admit()
        return 0

    def expire(self, CollectorEvent event not None):
        """A ttl is over."""
        if event.state == QUEUED:
            self.leave_lane(event)
            self.drop_expired(event)

    cdef int leave_lane(self, CollectorEvent event) except -1:
        """An event has ended, or was taken, where it waited: a dead entry is there now."""
        if event.place == IN_LANE:
            self.lane.forget(event)
        elif event.place >= ELSEWHERE:
            self.elsewhere.forget(event)
        return 0

    cdef int drop_expired(self, CollectorEvent event) except -1:
        error = EventDropped(
            f"the event did not start within its ttl of {event.payload.rare} s")
        self.settle(event, DROPPED, Error(error), monotonic_ns())
        if self.parked:
            self.admit()
        return 0

    cdef bint cancel_event(self, CollectorEvent event) except -1:
        if this_thread() != self.thread:
            raise WrongThread(
                f"an event is cancelled in the thread of its queue, {self.thread}, "
                f"got a cancel from {this_thread()}")
        if event.state == QUEUED:
            self.withdraw(event, ABORTED, EventAborted("cancelled before it started"))
            return True
        for seat in self.seats:
            if (<Seat>seat).event is event:
                (<Seat>seat).abort("cancelled while it ran")
                return True
        return event.state == RUNNING and self.elsewhere.cancel(event)

    # -- consumers ----------------------------------------------------------------

    cdef int call_for_help(self) except -1:
        """A consumer must wait inside a handler while events are queued."""
        if self.idle:
            self.wake_one()
        elif self.consumers < self.max_consumers:
            self.on_short()
        elif self.waits.uncovered:
            self.cover()
        return 0

    def in_lane(self):
        """Events that wait for a consumer."""
        return waiting(self)

    def take_peak(self):
        """The most events that waited or ran when one paused, since the last call."""
        peak = self.peak_demand
        self.peak_demand = waiting(self) + self.busy
        return peak

    # -- waiting ------------------------------------------------------------------

    cdef Scope inside(self):
        """The scope of the handler of this queue that is calling; None from outside."""
        cdef Scope scope = current_scope()
        while scope is not None:
            if (scope.event is not None and scope.event.home is self.home
                    and scope.event.state < OK):
                return scope
            scope = scope.parent
        return None

    def is_inside(self):
        """Whether a handler of this queue is calling."""
        return self.inside() is not None

    cdef int begin_wait(self, EventWait wait) except -1:
        cdef Scope scope = self.inside()
        if scope is None:
            return 0
        if wait.event.home is self.home:
            self.waits.refuse_circle(scope.event, wait.event)
        self.waits.begin(wait, scope.event)
        self.blocked += 1
        self.cover()
        return 0

    cdef int end_wait(self, EventWait wait) except -1:
        self.blocked -= 1
        self.waits.end(wait)
        return 0

    cdef int cover(self) except -1:
        """Give a consumer to what handlers wait for, where none may come free."""
        cdef EventWait wait
        for wait in list(self.waits.uncovered):
            if wait.event.state != QUEUED or wait.event.place > IN_HAND:
                del self.waits.uncovered[wait]  # it runs, or needs no consumer
                continue
            if (waiting(self) > len(self.idle) + self.coming
                    and self.consumers < self.max_consumers):
                self.on_short()
            if waiting(self) > len(self.idle) + self.coming:
                del self.waits.uncovered[wait]
                self.on_compensate(wait.event)
        return 0

    def wait_for_all(self):
        """A future for the moment when all that was accepted so far has ended."""
        self.check_loop()
        self.take_all()
        return self.barriers.add(self.sequence, self.queued + self.in_flight, self.loop)

    def wait_inside(self):
        """The same for a handler: it leaves out the events of all who wait like this, or
        for the handler itself.

        Returns the future and the key to give to `stop_wait_inside`; None from outside.
        """
        cdef Scope scope = self.inside()
        if scope is None:
            return None
        self.take_all()
        events = self.queued_events() + self.running()
        return self.waits.begin_for_all(scope.event, events, self.loop)

    def stop_wait_inside(self, members):
        """The wait is over, or was given up."""
        self.waits.end_for_all(members)


cdef int64_t ttl_ns(Payload payload) except -1:
    return <int64_t>(<double>payload.rare * 1e9)


def step_of(collector):
    """The step of a collector in the queue whose handler or router is calling, or None."""
    cdef Scope scope = current_scope()
    if scope is None or scope.event is None or scope.event.home.hub is NULL:
        return None
    step = (<Core>scope.event.home.hub).index.steps.get(collector.key)
    return step if step is not None and step.collector is collector else None


def is_queued(CollectorEvent event):
    return event.state == QUEUED
