"""The end of a run of the queue: who may still send, what is given up, when nothing is left.

Rules of residence: all that waits and all that runs, at once. In which order it is ended,
and how long is waited, is the drain's.
"""
from operator import attrgetter

from libc.stdint cimport int64_t

from collectorqueue._native.clock cimport monotonic_ns
from collectorqueue._native.door cimport BROKEN, CLOSED, DRAINING, OPEN
from collectorqueue._native.event cimport ABORTED, OK, QUEUED, RUNNING, CollectorEvent
from collectorqueue._native.helping cimport waiting
from collectorqueue._native.holders cimport Holder, Parts, events_of
from collectorqueue._native.intake cimport Intake
from collectorqueue._native.results cimport Error
from collectorqueue._native.seats cimport Seat

from collectorqueue.errors import QueueClosed, QueueFailed


cdef class Ending(Intake):
    """How the events of one queue are brought to an end, all together."""

    def clear(self):
        """Nobody waits for the end."""
        Intake.clear(self)
        self.when_empty = None

    def begin_drain(self):
        """Refuse sends from outside of handlers; blocked senders get QueueClosed."""
        self.phase = DRAINING
        self.take_all()
        self.refuse_senders(QueueClosed.before_there_was_room())

    def forsake(self):
        """In a process that was forked from ours: whatever is sent here is for nobody."""
        self.phase = CLOSED

    def shut(self):
        """Refuse all sends."""
        if self.phase != BROKEN:
            self.phase = CLOSED
        self.refuse_senders(QueueClosed.before_there_was_room())

    def rest(self):
        """Nothing is left to do: no time is waited for, and nobody's turn comes."""
        self.timers.stop()
        for gate in self.gates:
            (<Holder>gate).dismiss_calls()

    def break_down(self, why):
        """All consumers were lost: nothing can run. Everything queued is ABORTED."""
        self.failure = QueueFailed(why)
        self.phase = BROKEN
        self.take_all()
        self.refuse_senders(self.failure)
        self.abort_queued(self.failure)

    def abort_queued(self, error):
        """End everything that waits, in order; returns the events."""
        events = self.queued_events()
        for event in events:
            self.withdraw(event, ABORTED, error)
        return events

    def abandon_running(self, error):
        """Settle everything that still runs as ABORTED; returns each run with its seat.

        A batch may run on though all of its events have ended.
        """
        cdef int64_t now = monotonic_ns()
        cdef CollectorEvent event, run
        found = []
        for seat in list(self.seats):
            run = (<Seat>seat).event
            if run is not None and run.state == RUNNING:
                found.append((run, seat))
                for event in events_of(run):
                    if event.state == RUNNING:
                        self.settle(event, ABORTED, Error(error), now)
        for event, parts in list(self.gatherings.items()):
            if event.state == RUNNING:
                found.append((event, (<Parts>parts).drivers()[0]))
                (<Parts>parts).give_up(str(error))
        return found

    def queued_events(self):
        """The events that wait, next one first: those of the lane before those that wait for
        something else than a consumer."""
        cdef CollectorEvent event
        found = {}
        for event in self.elsewhere.waiting() + self.lane.events():
            found.update(events_of(event))
        for event in sorted(self.postponed_events(), key=attrgetter("id")):
            found[event] = None
        return [event for event in found if event.state == QUEUED]

    def running(self):
        """The events that run now, here or elsewhere."""
        found = {}
        for event in Intake.running(self):
            found.update(events_of(event))
        found.update(dict.fromkeys(self.elsewhere.running()))
        for event in self.gatherings:
            if (<CollectorEvent>event).state == RUNNING:
                found[event] = None
        # Of a batch some may have been cancelled meanwhile.
        return [event for event in found if (<CollectorEvent>event).state < OK]

    def abort_running(self, why):
        """Cancel everything that runs."""
        Intake.abort_running(self, why)
        self.elsewhere.abort(why)
        for event, parts in list(self.gatherings.items()):
            if (<CollectorEvent>event).state == RUNNING:
                (<Parts>parts).abort(why)

    def emptied(self):
        """A future for the moment when nothing is queued and nothing runs."""
        future = self.loop.create_future()
        if self.queued == 0 and self.in_flight == 0:
            future.set_result(None)
        else:
            self.when_empty = future
            self.look_if_empty()
        return future

    cdef int look_if_empty(self) except -1:
        """Somebody waits until nothing is left to do; perhaps only what fills batches is."""
        if self.queued == 0 and self.in_flight == 0:
            empty, self.when_empty = self.when_empty, None
            if not empty.done():
                empty.set_result(None)
        elif (self.batches and self.phase == DRAINING and self.in_flight == 0
                and not self.holds_events() and not waiting(self)
                and not self.is_waiting_for_time()):
            self.mind_batches()
        return 0

    cdef bint holds_events(self) except -1:
        """Whether any waits for its collector's limit."""
        for gate in self.gates:
            if (<Holder>gate).holds_events():
                return True
        return False

    @property
    def is_open(self):
        return self.phase == OPEN

    @property
    def is_live(self):
        return self.phase == OPEN or self.phase == DRAINING

    @property
    def is_broken(self):
        return self.phase == BROKEN
