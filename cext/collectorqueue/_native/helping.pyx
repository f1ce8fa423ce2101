"""Handlers that wait: for events, and for consumers that could run those.

Rules of residence: nothing a handler waits for may lack a consumer, and nobody waits for
himself. How many consumers there are otherwise is decided elsewhere.
"""

from collectorqueue._native.barrier cimport Barriers
from collectorqueue._native.context cimport Scope, current_scope
from collectorqueue._native.event cimport (
    BATCH, BEHIND, DELAYED, ELSEWHERE, HELD_BACK, IN_HAND, IN_LANE, OK, PART, QUEUED, ROUTED,
    RUNNING, TO_RETRY, CollectorEvent, EventWait,
)
from collectorqueue._native.headroom cimport FRAMES, give_frames
from collectorqueue._native.holders cimport events_of
from collectorqueue._native.keyline cimport KeyLine
from collectorqueue._native.outlet cimport Elsewhere
from collectorqueue._native.postponed cimport Postponed
from collectorqueue._native.waitgraph cimport Handler, handler_in
from collectorqueue._native.waits cimport Waits


cdef class Helping(Postponed):
    """The waits inside the handlers of one queue."""

    def clear(self):
        """Nobody waits."""
        Postponed.clear(self)
        self.barriers = Barriers()
        self.waits = Waits()
        self.is_judging_soon = False
        self.elsewhere = Elsewhere()

    cdef int call_for_help(self) except -1:
        """A consumer must wait inside a handler while events are queued."""
        give_frames(FRAMES)
        try:
            if self.idle:
                self.wake_one()
            else:
                if self.consumers < self.max_consumers:
                    self.on_short()
                if self.waits.uncovered or self.waits.for_all:
                    self.cover()
        finally:
            give_frames(-FRAMES)
        return 0

    def in_lane(self):
        """Events that wait for a consumer."""
        return waiting(self)

    def take_peak(self):
        """The most events that waited or ran when one paused, since the last call."""
        peak = self.peak_demand
        self.peak_demand = waiting(self) + self.busy
        return peak

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
        self.waits.begin_in(wait, handler_in(scope), self)
        self.blocked += 1
        try:
            self.cover()
        except BaseException:
            self.end_wait(wait)     # without memory
            raise
        return 0

    cdef int end_wait(self, EventWait wait) except -1:
        if (<Handler>wait.owner).graph is self.waits:   # else it is of a run before
            self.blocked -= 1
            self.waits.end(wait)
        return 0

    cpdef int cover(self) except -1:
        """Give a consumer to what handlers wait for, where none may come free."""
        cdef EventWait wait
        cdef bint is_needed = len(self.waits.for_all) > 0
        if waiting(self) <= len(self.idle) + self.coming:
            return 0
        for wait in list(self.waits.uncovered):
            place = wait.event.place
            if wait.event.state >= OK or place == ELSEWHERE or place == HELD_BACK or (
                    wait.event.state == RUNNING and not self.parts_in_lane(wait.event)):
                del self.waits.uncovered[wait]  # it runs, or needs no consumer
                continue
            if (waiting(self) > len(self.idle) + self.coming
                    and self.consumers < self.max_consumers):
                self.on_short()
            if waiting(self) > len(self.idle) + self.coming:
                if wait.event.state == QUEUED and place <= IN_HAND:
                    self.on_compensate(wait.event)
                    del self.waits.uncovered[wait]
                    continue
                # It waits for another: whatever comes back to the lane may be that.
                for run in self.parts_in_lane(wait.event) or self.needed_by(wait.event):
                    self.help(run)
                is_needed = is_needed or not (place == DELAYED or place == TO_RETRY)
        if is_needed and self.waits.blocked_runs() >= self.busy and waiting(self):
            # All who run wait. What is next may be what stands in their way.
            self.help(self.lane.events()[0])
        return 0

    cdef int judge_soon(self) except -1:
        """Events wait for what handlers that wait for them could not know: judge those again
        once all have gone where they go in this turn."""
        if (self.waits.waiting or self.waits.for_all) and not self.is_judging_soon:
            self.loop.call_soon(self.judge_waits, context=self.base_context)
            self.is_judging_soon = True     # not sooner: there may be no memory for that
        return 0

    def judge_waits(self):
        """Refuse the waits that could end no more; others may lack a consumer by now."""
        self.is_judging_soon = False
        try:
            self.waits.judge_again(self)
        finally:
            self.cover()

    cdef int help(self, CollectorEvent run) except -1:
        """Give a run in the lane a consumer of its own, unless it has been given one."""
        if run not in self.waits.helped:
            self.on_compensate(run)
            self.waits.helped[run] = None
        return 0

    cdef list parts_in_lane(self, CollectorEvent event):
        """The runs in the lane that are of a part of an event."""
        if type(event.route) is not tuple:
            return []
        return [run for run in self.lane.events()
                if (<CollectorEvent>run).flags & (PART | BATCH) and event in events_of(run)]

    cdef list waiting_runs(self):
        return Postponed.waiting_runs(self) + self.lane.events()

    cdef list needed_by(self, CollectorEvent event):
        """The runs in the lane that may have to go before an event that is not there."""
        cdef CollectorEvent run, other
        cdef KeyLine line
        found = []
        steps = event.route if type(event.route) is tuple else (event.route,)
        for run in self.lane.events():
            if run.route is not None and run.flags >= ROUTED and run.route in steps:
                found.append(run)
        if event.place == BEHIND:
            line = self.line_of(event.payload.rare.ordering_key)
            for other in (line.head, line.trying):
                if other is None or other is event or other.state != QUEUED:
                    continue
                if other.place == IN_LANE:
                    found.append(other)
                else:
                    found += self.needed_by(other)
        return found

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
        return self.waits.begin_for_all(handler_in(scope), events, self.loop, self)

    def stop_wait_inside(self, members):
        """The wait is over, or was given up."""
        self.waits.end_for_all(members)
