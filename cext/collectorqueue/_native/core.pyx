"""What the publishers and consumers of one queue share: take and settle.

Rules of residence: bookkeeping in one step, so that the ledger closes at every instant.
Of user code nothing runs from here but observers and dead-letter functions; how many
consumers there should be, what is logged and what is drained when, is decided by the
callables handed in.
"""
cimport cython
from libc.stdint cimport int64_t

from collectorqueue._native.clock cimport monotonic_ns
from collectorqueue._native.counters cimport count_ns
from collectorqueue._native.context cimport Scope, current_scope
from collectorqueue._native.door cimport NEW, OPEN, this_thread
from collectorqueue._native.ending cimport Ending
from collectorqueue._native.event cimport (
    ABORTED, ADMITTED, BATCH, DROPPED, ELSEWHERE, EXPIRES, FAILED, HELD_BACK, IN_HAND, IN_LANE,
    IN_PARTS, KEYED, OK, PART, QUEUED, ROUTED, RUNNING, UNROUTED, CollectorEvent, Labelled,
    wake_waiters,
)
from collectorqueue._native.helping cimport waiting
from collectorqueue._native.holders cimport Bundle, Parts, Share, events_of, events_of_all
from collectorqueue._native.lanes cimport make_lane
from collectorqueue._native.plan cimport Step
from collectorqueue._native.postponed cimport too_late
from collectorqueue._native.results cimport Error, Ok, ResultList
from collectorqueue._native.router cimport Index
from collectorqueue._native.seats cimport Seat
from collectorqueue._native.sums cimport (
    catch_up, count_busy, count_left, count_queued_again, count_unqueued,
)
from collectorqueue._native.timers cimport Timers
from collectorqueue._native.untracked cimport is_atomic, is_tracked, track

from collectorqueue.errors import EventAborted, WrongThread


@cython.final
@cython.no_gc_clear
cdef class Core(Ending):
    """The state of one queue. Belongs to one loop and its thread."""

    def __cinit__(self, *, queue_type, Py_ssize_t capacity, int64_t default_priority,
                  int64_t ageing, overflow, bint strict_routes,
                  bint propagate, Py_ssize_t max_consumers):
        self.index = Index()
        self.waits_when_full = overflow == "wait"
        self.drops_oldest = overflow == "drop_oldest"
        self.drops_incoming = overflow == "drop_incoming"
        self.order = (queue_type, default_priority, ageing)
        self.lane = make_lane(queue_type, default_priority, ageing, self.drops_oldest)
        self.capacity = capacity
        self.strict_routes = self.checks_sends = strict_routes
        self.propagate = propagate
        # Of a stack, an ordering key is refused where it is sent.
        self.threads_must_ask = strict_routes or propagate or queue_type == "lifo"
        self.max_consumers = max_consumers
        self.phase = NEW
        self.clear()

    def clear(self):
        """Back to an empty ledger."""
        Ending.clear(self)
        self.beginning = []

    # -- life ---------------------------------------------------------------------

    def open(self, loop, context, *, on_short, on_freed, on_compensate, on_bad_outcome,
             on_written_off):
        """Accept events from now on, in this thread, for this loop."""
        self.clear()
        self.attend(loop, context)
        self.thread = this_thread()
        self.timers = Timers(loop, self)
        self.on_short = on_short
        self.on_freed = on_freed
        self.on_compensate = on_compensate
        self.on_bad_outcome = on_bad_outcome
        self.on_written_off = on_written_off
        self.failure = None
        self.phase = OPEN

    def ages(self, CollectorEvent event not None, Error error not None):
        """How many seconds before its end an event was sent, and this error first came."""
        return ((event.end_ns - event.sent_ns) / 1e9,
                (event.end_ns - (error.first_failed_ns or event.end_ns)) / 1e9)

    # -- take ---------------------------------------------------------------------

    cdef CollectorEvent take(self, int64_t now):
        """The next event, in hand and still queued; None when nothing waits."""
        cdef CollectorEvent event
        while True:
            event = self.lane.pop()
            if event is None:
                return None
            event.place = IN_HAND
            if event.flags & EXPIRES and self.is_expired(event, now):
                continue                    # the loop was held up, no timer could ring
            return event

    cdef bint take_out(self, CollectorEvent event, int64_t now) except -1:
        """From queued to in flight; False: it has been cancelled by who was told of that."""
        event.state = RUNNING
        event.start_ns = now
        self.queued_bytes -= event.size
        count_unqueued(self, now)
        count_busy(self, now)
        self.in_flight += 1
        if event.flags & EXPIRES:
            event.flags &= ~EXPIRES
            self.sweep_timers()
        if self.parked:
            self.admit()
        return self.on_started is None or self.tell_started(event)

    cdef bint tell_started(self, CollectorEvent event) except -1:
        self.beginning.append(event)
        try:
            self.on_started(event)
        finally:
            self.beginning.pop()
        return event.state == RUNNING

    cdef int begin_item(self, CollectorEvent item, int64_t now) except -1:
        """From queued to in flight, as one of a batch: that makes one consumer busy."""
        if item.start_ns == 0:
            count_ns(&self.times.waits, now - item.sent_ns)
        item.state = RUNNING
        item.start_ns = now
        item.flags &= ~(EXPIRES | ROUTED)
        self.queued_bytes -= item.size
        count_unqueued(self, now)
        self.in_flight += 1
        if self.on_started is not None:
            self.on_started(item)
        return 0

    cdef int count_helper(self, int64_t now) except -1:
        """One more consumer is busy with an event that runs."""
        catch_up(self, now)
        self.counted_ns = max(self.counted_ns, now)
        return count_busy(self, now)

    cdef int wait_again(self, CollectorEvent event, char place, int64_t now) except -1:
        """From in flight back to queued; for what, is said by its place."""
        event.state = QUEUED
        event.place = place
        self.in_flight -= 1
        self.queued_bytes += event.size
        if self.waits.waiting:
            self.waits.uncover(event)   # who waits for it may have to lend a consumer again
        return count_queued_again(self, now)

    cdef int put_back(self, CollectorEvent event) except -1:
        event.place = IN_LANE
        if self.waits.helped:
            self.waits.helped.pop(event, None)
        if self.waits.waiting and event.flags & PART:
            self.waits.uncover((<Share>event.waiters).parts.event)
        self.lane = self.lane.put_back(event)
        if self.coming == 0 and self.turning == 0:
            self.call_for_help()
        return 0

    # -- settle -------------------------------------------------------------------

    cdef int settle(self, CollectorEvent event, char outcome, object result,
                    int64_t now) except -1:
        """Give an event its one outcome, count it, wake who waits."""
        cdef bint was_queued = event.state == QUEUED
        cdef object route = event.route
        if event.state >= OK:
            return 0
        if self.tries:
            self.forget_tries(event)
        if was_queued:
            self.queued_bytes -= event.size
            count_unqueued(self, now)
        else:
            catch_up(self, now)
            self.in_flight -= 1
            count_ns(&self.times.services, now - event.start_ns)
        count_left(self, event.sent_ns, now)
        event.state = outcome
        event.end_ns = now
        if route is not None:
            event.route = labels_of(route, result)
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
        if event.flags & KEYED:
            self.leave_line(event)
        if event.waiters is not None:
            wake_waiters(event)
        if self.barriers.standing:
            self.barriers.settled(event.id)
        if outcome != OK:
            self.on_bad_outcome(event, route)
        if self.on_settled is not None:
            self.on_settled(event)
        if was_queued and self.parked:
            self.admit()
        if self.when_empty is not None:
            self.look_if_empty()
        return 0

    cdef int withdraw(self, CollectorEvent event, char outcome, object error) except -1:
        """End an event where it waits, and free its place."""
        if event.state != QUEUED:
            return 0
        if event.place == IN_PARTS:
            return (<Parts>self.gatherings[event]).give_up(str(error))
        result = Error(error)       # while it can still fail without harm
        # Before anybody is told: an observer may end others that wait there.
        self.leave_lane(event)
        return self.settle(event, outcome, result, monotonic_ns())

    cdef int leave_lane(self, CollectorEvent event) except -1:
        """A run has ended, or was taken, where it waited: a dead entry is there now."""
        if event.place == IN_LANE:
            self.lane.forget(event)
            give_place_back(event)
        elif event.place == ELSEWHERE or event.place == HELD_BACK:
            self.elsewhere.forget(event)
        elif event.place != IN_HAND:
            self.leave_apart(event)
        return 0

    cdef int drop_expired(self, CollectorEvent event) except -1:
        give_place_back(event)
        return self.settle(event, DROPPED, Error(too_late(event)), monotonic_ns())

    cdef bint cancel_event(self, CollectorEvent event) except -1:
        if this_thread() != self.thread:
            raise WrongThread(
                f"an event is cancelled in the thread of its queue, {self.thread}, "
                f"got a cancel from {this_thread()}")
        if event.state == QUEUED:
            self.withdraw(event, ABORTED, EventAborted("cancelled before it started"))
            return True
        cdef bint found = False
        for each in self.beginning:
            if each is event:
                self.settle(event, ABORTED, Error(EventAborted("cancelled as it began")),
                            monotonic_ns())
                return True
            if isinstance(each, Bundle) and event in events_of_all((<Bundle>each).items):
                (<Bundle>each).abort_item(event, "cancelled before its batch ran")
                found = True
        for seat in list(self.seats):
            if (<Seat>seat).event is event:
                (<Seat>seat).abort("cancelled while it ran")
                found = True
            elif (<Seat>seat).event is not None and (<Seat>seat).event.flags & BATCH and (
                    event in events_of((<Seat>seat).event)):
                (<Seat>seat).abort_item(event, "cancelled while its batch ran")
                found = True
        if not found and event.state == RUNNING and event in self.gatherings:
            (<Parts>self.gatherings[event]).abort("cancelled while it ran")
            return True
        return found or event.state == RUNNING and self.elsewhere.cancel(event)


cdef inline tuple labels_of(object route, object result):
    """What an event that has ended keeps of its route: a kept event keeps no collector."""
    if type(route) is not tuple:
        return (<Labelled>route).label
    if type(result) is ResultList:
        return (<ResultList>result).labels
    return tuple([(<Labelled>step).key for step in route])


cdef int give_place_back(CollectorEvent run) except -1:
    """A run that its collector's limit had let in does not begin."""
    if run.flags & ADMITTED:
        run.flags &= ~ADMITTED
        (<Step>run.route).gate.leave()
    return 0


def step_of(collector):
    """The step of a collector in the queue whose handler or router is calling, or None."""
    cdef Scope scope = current_scope()
    if scope is None or scope.event is None or scope.event.home.hub is NULL:
        return None
    step = core_of(scope.event.home).index.steps.get(collector.key)
    return step if step is not None and step.collector is collector else None


def is_called_by_a_handler():
    """Whether a handler or router of any queue is calling, be its event over or not."""
    return current_scope() is not None
