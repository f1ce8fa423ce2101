"""Events that wait for something else than a consumer: their time, their turn, a limit.

Rules of residence: when an event may be taken. All that wait here are queued, count against
the capacity and hold no consumer; once nothing is in their way they go back to the lane.
"""
from libc.stdint cimport int64_t

from collectorqueue._native.clock cimport monotonic_ns
from collectorqueue._native.door cimport Door
from collectorqueue._native.event cimport (
    ABORTED, AT_GATE, BATCH, BEHIND, DELAYED, DROPPED, EXPIRES, FAILED, IN_BATCH, IN_HAND,
    KEYED, ON_TRIAL, PART, QUEUED, ROUTED, RUNNING, TO_RETRY, CollectorEvent,
)
from collectorqueue._native.holders cimport Holder, Parts, Share, events_of
from collectorqueue._native.keyline cimport KeyLine
from collectorqueue._native.lanes cimport Lane, make_sorted_lane
from collectorqueue._native.payload cimport Payload, Terms
from collectorqueue._native.plan cimport RETRIES, Step
from collectorqueue._native.results cimport Error, tried
from collectorqueue._native.retrial cimport Tries
from collectorqueue._native.worst cimport Worst

from collectorqueue.errors import EventAborted, EventDropped

cdef str LATER = "it would have been run after the drain deadline"

cdef enum:
    FEW = 64                # deadlines that are not worth a sweep
    # Where events wait that may be dropped for newer ones: not those that have started.
    DROPPABLE = 1 << DELAYED | 1 << BEHIND | 1 << AT_GATE | 1 << IN_BATCH


cdef class Postponed(Door):
    """The waiting events of one queue that are not to be taken yet."""

    def clear(self):
        """Nothing waits."""
        Door.clear(self)
        self.lines = {}
        self.tries = {}
        self.gatherings = {}
        self.gates = {}
        self.batches = {}
        self.given_up = []
        self.ends_ns = 0
        self.left_by_sweep = 0
        self.has_limits = False
        self.retries = 0
        if self.drops_oldest:
            queue_type, default_priority, _ = self.order
            self.droppable = Worst(queue_type == "priority", default_priority, DROPPABLE)

    cdef Lane make_lane(self, char place, bint drops):
        """For events that wait in the order of the queue."""
        queue_type, default_priority, ageing = self.order
        cdef Lane lane = make_sorted_lane(queue_type, default_priority, ageing, drops)
        lane.stand_at(place)
        return lane

    cdef int stand_apart(self, CollectorEvent event, char place) except -1:
        event.place = place
        if self.droppable is not None and not event.flags & (PART | BATCH):
            self.droppable.push(event, self.queued)
        return 0

    # -- time -------------------------------------------------------------------------

    cdef bint postpone(self, CollectorEvent event) except -1:
        """Whether the terms of an event that is accepted keep it from the lane."""
        cdef Terms terms = event.payload.rare
        if terms.ttl:
            event.flags |= EXPIRES
            self.timers.add(event.sent_ns + ttl_ns(event.payload), event)
        if terms.delay:
            self.stand_apart(event, DELAYED)
            self.timers.add(event.sent_ns + delay_ns(event.payload), event)
            return True
        return self.line_up(event)

    cdef bint waits_for_time(self, CollectorEvent event) except -1:
        return event.state == QUEUED and (
            event.flags & EXPIRES or event.place == DELAYED or event.place == TO_RETRY)

    cdef int time_has_come(self, CollectorEvent event, int64_t now) except -1:
        if event.state != QUEUED:
            return 0
        if event.flags & EXPIRES and now - event.sent_ns >= ttl_ns(event.payload):
            return self.withdraw(event, DROPPED, too_late(event))
        if event.place == DELAYED and now >= self.begins_at(event):
            if not self.line_up(event):
                self.put_back(event)
            elif event.waiters is not None:
                self.judge_soon()   # behind some that were sent later
        elif event.place == TO_RETRY and now >= self.begins_at(event):
            self.put_back(event)
        return 0

    cdef bint is_expired(self, CollectorEvent event, int64_t now) except -1:
        """Whether one that was taken from where it waited has come too late: it is dropped."""
        if not event.flags & EXPIRES or now - event.sent_ns < ttl_ns(event.payload):
            return False
        self.drop_expired(event)
        return True

    @property
    def tried(self):
        """How many runs have failed and are not over."""
        return len(self.tries)

    @property
    def deadlines(self):
        """How many times are waited for."""
        return len(self.timers)

    cdef int sweep_timers(self) except -1:
        """Most deadlines are of events that have started: do not keep those alive."""
        if self.timers.ranks.used > FEW + 2 * self.left_by_sweep:
            self.timers.sweep()
            self.left_by_sweep = self.timers.ranks.used
        return 0

    def end_by(self, seconds):
        """The queue will have been drained by then; None: it has no limit.

        What waits for a later time is given up now.
        """
        cdef CollectorEvent event
        self.ends_ns = 0
        if seconds is None:
            return
        self.ends_ns = monotonic_ns() + max(1, <int64_t>(min(<double>seconds, 1e9) * 1e9))
        for event in self.timers.events():
            if event.state != QUEUED or self.begins_at(event) <= self.ends_ns:
                continue
            self.give_up_if_late(event)

    cdef int give_up_if_late(self, CollectorEvent run) except -1:
        """It waits for a time after the queue has been drained: then it ends now."""
        cdef Parts parts
        if self.begins_at(run) <= self.ends_ns:
            return 0
        if run.flags & PART:
            parts = (<Share>run.waiters).parts
            self.given_up.append(parts.event)
            self.leave_apart(run)
            return parts.turn_away(run, Error(EventAborted(LATER)), True)
        self.given_up.append(run)
        return self.withdraw(run, ABORTED, EventAborted(LATER))

    def take_given_up(self):
        """The events that the drain did not wait for; some may run still."""
        events, self.given_up = self.given_up, []
        return events

    # -- ordering keys ------------------------------------------------------------------

    cdef bint line_up(self, CollectorEvent event) except -1:
        """Whether others with its ordering key are before it: it waits behind them."""
        cdef KeyLine line
        key = event.payload.rare.ordering_key
        if key is None:
            return False
        found = self.lines.get(key)
        if found is None:
            self.lines[key] = event     # a line is made when another comes
            event.flags |= KEYED
            return False
        line = <KeyLine>found if type(found) is KeyLine else self.line_of(key)
        line.add(event)
        event.flags |= KEYED
        self.stand_apart(event, BEHIND)
        if line.batch is not None:
            self.try_batch(line)
        return True

    cdef KeyLine line_of(self, object key):
        """The line of a key that has events."""
        cdef KeyLine line
        found = self.lines[key]
        if type(found) is KeyLine:
            return found
        line = KeyLine.__new__(KeyLine)
        line.go(found)
        self.lines[key] = line
        return line

    cdef int leave_line(self, CollectorEvent event) except -1:
        """One that was on its way has ended: the next of its key may go."""
        cdef KeyLine line
        key = event.payload.rare.ordering_key
        event.flags &= ~KEYED
        found = self.lines.get(key)
        if found is event:
            del self.lines[key]
            return 0
        if found is None:
            return 0
        line = <KeyLine>found
        line.leave(event)
        if line.head is None:
            self.advance(key, line)
        elif line.batch is not None:
            self.try_batch(line)
        return 0

    cdef int advance(self, object key, KeyLine line) except -1:
        cdef CollectorEvent event = line.next()
        cdef Tries tries = None
        if event is None:
            del self.lines[key]
            return 0
        line.batch = None
        line.go(event)
        if self.tries:
            tries = self.tries.get(event)
        if tries is not None and tries.due_ns > monotonic_ns():
            self.wait_for_retry(event)
        else:
            self.put_back(event)
        return 0

    cdef int join_batch(self, CollectorEvent event, object batch) except -1:
        """It is in a batch that fills: those behind it may join it there, in order."""
        cdef KeyLine line = self.line_of(event.payload.rare.ordering_key)
        line.batch = batch
        return self.try_batch(line)

    cdef int try_batch(self, KeyLine line) except -1:
        """Let the next of a key see whether it goes to the batch that fills."""
        cdef CollectorEvent event = line.first
        if event is None or line.trying is not None or event in self.tries:
            return 0
        line.go(event)
        line.next()
        line.trying = event     # one at a time: the next must not pass it
        event.flags |= ON_TRIAL
        return self.put_back(event)

    cdef int back_in_line(self, CollectorEvent event) except -1:
        """It was on its way, and cannot go on before those ahead have ended."""
        cdef int64_t number
        key = event.payload.rare.ordering_key
        cdef KeyLine line = self.line_of(key)
        event.flags &= ~ON_TRIAL
        if line.trying is event:
            line.batch = None           # what is first does not go there
        number = line.leave(event)
        self.stand_apart(event, BEHIND)
        line.add_again(event, number)
        if line.head is None:
            self.advance(key, line)
        return 0

    # -- retries --------------------------------------------------------------------------

    cdef int retry(self, CollectorEvent run, Step step, object answer, int64_t now) except -1:
        """Whether a run that has ended so is tried again; an Again. It waits for nothing yet.

        `run` is the event, or the part of it that belongs to the step.
        """
        cdef Tries tries
        if type(answer) is not Error:
            return NEVER_AGAIN
        tries = self.tries.get(run)
        if tries is None:
            tries = Tries.__new__(Tries)
            tries.first_start_ns = run.start_ns
            tries.first_failed_ns = now
            self.tries[run] = tries
        tries.attempts += 1
        if not step.retrial.wants(answer, tries.attempts):
            return NEVER_AGAIN
        tries.due_ns = now + step.retrial.pause_ns(tries.attempts)
        if self.ends_ns and tries.due_ns > self.ends_ns:
            if not run.flags & PART:
                self.given_up.append(run)
            return TOO_LATE
        run.flags |= ROUTED
        self.retries += 1
        self.judge_soon()   # it needs its place once more
        return AGAIN

    cdef int end_run(self, CollectorEvent event, Step step, int outcome, object answer,
                     int64_t now) except -1:
        """A run of an event with one collector has come to this: it is tried again, or over."""
        cdef int again = NEVER_AGAIN
        if step.policies & RETRIES:
            if outcome == FAILED and event.state == RUNNING:
                again = self.retry(event, step, answer, now)
            if again == AGAIN:
                self.wait_again(event, TO_RETRY, now)
                if event.flags & KEYED:
                    return self.back_in_line(event)
                return self.wait_for_retry(event)
            if again == TOO_LATE:
                outcome = ABORTED
            answer = self.conclude(event, answer)
        return self.settle(event, outcome, answer, now)

    cdef int wait_for_retry(self, CollectorEvent run) except -1:
        """It waits until it is tried again."""
        cdef Tries tries = self.tries[run]
        run.place = TO_RETRY
        return self.timers.add(tries.due_ns, run)

    cdef object conclude(self, CollectorEvent run, object answer):
        """What a run's last try makes of it: a failure tells of those before."""
        cdef Tries tries = self.forget_tries(run)
        cdef Error told
        if tries is None or type(answer) is not Error:
            return answer
        # Of its own: a collector may return one Error for many events.
        told = tried(answer, tries.attempts)
        told.first_failed_ns = tries.first_failed_ns
        return told

    cdef Tries forget_tries(self, CollectorEvent run):
        """It is not tried any more: what was tried; its times are those of all its runs."""
        cdef Tries tries = self.tries.pop(run, None)
        if tries is not None and not run.flags & PART:
            run.start_ns = tries.first_start_ns
        return tries

    # -- leaving --------------------------------------------------------------------------

    cdef int leave_apart(self, CollectorEvent event) except -1:
        """An event ends, or begins out of turn, where it waits."""
        cdef KeyLine line
        cdef Step step
        if event.place == BEHIND:
            line = self.line_of(event.payload.rare.ordering_key)
            line.remove(event)
            event.flags &= ~KEYED
            if line.batch is not None:
                self.try_batch(line)
        elif event.place == AT_GATE:
            step = event.route
            step.gate.forget(event)
        # What fills a batch is passed over when that begins.
        if self.tries:
            self.forget_tries(event)
        event.place = IN_HAND
        return self.sweep_timers()

    cdef bint is_waiting_for_time(self) except -1:
        """Whether an event waits for its time, which may bring it to a batch."""
        cdef CollectorEvent event
        for event in self.timers.events():
            if self.begins_at(event):
                return True
        return False

    cdef int64_t begins_at(self, CollectorEvent event) except -1:
        """When it comes back, if it waits for a time; 0: it does not."""
        if event.state != QUEUED:
            return 0
        if event.place == DELAYED:
            return event.sent_ns + delay_ns(event.payload)
        if event.place == TO_RETRY:
            return (<Tries>self.tries[event]).due_ns
        return 0

    cdef int mind_batches(self) except -1:
        """Nothing more can come to the batches that fill: do not let them wait."""
        for holder in list(self.batches):
            (<Holder>holder).flush()
        return 0

    cdef list postponed_events(self):
        """The events that wait here."""
        found = {}
        for event in self.timers.events() if self.timers is not None else ():
            if self.begins_at(event):
                found.update(events_of(event))
        for line in self.lines.values():
            if type(line) is KeyLine:
                found.update(dict.fromkeys((<KeyLine>line).waiting()))
        for run in self.runs_held_back():
            found.update(events_of(run))
        for event in self.gatherings:
            found[event] = None
        return [event for event in found if (<CollectorEvent>event).state == QUEUED]

    cdef CollectorEvent first_of_key(self, CollectorEvent event):
        """The first of the line of an event's ordering key; None: there is none."""
        if event.payload.rare is None or event.payload.rare.ordering_key is None:
            return None
        found = self.lines.get(event.payload.rare.ordering_key)
        return (<KeyLine>found).head if type(found) is KeyLine else found

    cdef CollectorEvent last_of_key(self, CollectorEvent event):
        """The last of the line of an event's ordering key; None: there is none."""
        if event.payload.rare is None or event.payload.rare.ordering_key is None:
            return None
        found = self.lines.get(event.payload.rare.ordering_key)
        return (<KeyLine>found).last() if type(found) is KeyLine else found

    cdef dict order_of_key(self, CollectorEvent event):
        """Of those in the line of an event's ordering key, which each is behind."""
        cdef KeyLine line = self.line_of(event.payload.rare.ordering_key)
        before = {}
        last = None
        for each in line.on_their_way() + line.waiting():
            before[each] = last
            last = each
        return before

    cdef Py_ssize_t limit_reached(self, Step step) except -1:
        """How many runs a collector is limited to, and has; 0: it is not at its limit."""
        if step.batching is not None:
            return step.batching.limit_reached()
        return 0 if step.gate is None else step.gate.limit_reached()

    cdef list waiting_runs(self):
        """All that waits for a limit, in a batch or for its time; some of it is over."""
        return [*self.timers.events(), *self.runs_held_back()]

    cdef list runs_held_back(self):
        """Those that wait for a limit, or in a batch."""
        return [run for holder in (*self.gates, *self.batches)
                for run in (<Holder>holder).runs()]

    # -- the core's -----------------------------------------------------------------------

    cdef object likely_route(self, Payload payload):
        """Where it would go; None: not known."""
        return None

    cdef int settle(self, CollectorEvent event, char outcome, object result,
                    int64_t now) except -1:
        """Give an event its one outcome."""
        return 0

    cdef int judge_soon(self) except -1:
        """What handlers wait for may not be able to end any more."""
        return 0

    cdef int put_back(self, CollectorEvent event) except -1:
        """Nothing is in its way: it waits for a consumer."""
        return 0

    cdef int wait_again(self, CollectorEvent event, char place, int64_t now) except -1:
        """It ran, and waits."""
        return 0

    cdef int withdraw(self, CollectorEvent event, char outcome, object error) except -1:
        """End an event where it waits, and free its place."""
        return 0

    cdef int drop_expired(self, CollectorEvent event) except -1:
        """End one whose ttl is over."""
        return 0


cdef int64_t ttl_ns(Payload payload) except -1:
    return <int64_t>(payload.rare.ttl * 1e9)


cdef int64_t delay_ns(Payload payload) except -1:
    return <int64_t>(payload.rare.delay * 1e9)


cdef object too_late(CollectorEvent event):
    return EventDropped(
        f"the event did not start within its ttl of {event.payload.rare.ttl} s")
