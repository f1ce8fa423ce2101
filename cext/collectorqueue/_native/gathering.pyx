"""The results of an event's several collectors, while they come in.

Rules of residence: the sum of the parts. Who runs a part reports it here, once; the last
one settles the event. A consumer waits for the parts it must hold its place for: those of
the loop and of threads, and those of other processes until they were handed over.

A part that must wait, for its collector's limit or to be retried, does so as a run of its
own, which looks like an event where events wait. While nothing else of its event runs,
that is queued again.
"""
cimport cython
from libc.stdint cimport int64_t

from collectorqueue._native.clock cimport monotonic_ns
from collectorqueue._native.core cimport Core
from collectorqueue._native.event cimport (
    ABORTED, FAILED, IN_HAND, IN_PARTS, OK, PART, QUEUED, RUNNING, CollectorEvent,
)
from collectorqueue._native.holders cimport Parts, Share, stand_in
from collectorqueue._native.plan cimport Step
from collectorqueue._native.postponed cimport AGAIN, TOO_LATE
from collectorqueue._native.results cimport Error, Ok, sealed_list
from collectorqueue._native.seats cimport Seat
from collectorqueue._native.sums cimport count_free

from collectorqueue.errors import EventAborted


cdef Gathering gather(Core core, CollectorEvent event, tuple steps):
    cdef Gathering made = Gathering.__new__(Gathering)
    made.core = core
    made.event = event
    made.steps = steps
    made.missing = made.held = made.active = len(steps)
    made.results = [None] * made.missing
    made.branches = []
    return made


@cython.final
cdef class Gathering(Parts):
    """One event's parts."""

    cdef int part_over(self, Py_ssize_t at, object answer, bint gave_up) except -1:
        """A collector has ended so; perhaps it is to be tried again."""
        cdef Step step
        cdef CollectorEvent run
        cdef int again
        if self.results is None:
            return 0
        step = self.steps[at]
        if step.retrial is not None and not (gave_up or self.gave_up):
            run = None if self.runs is None else self.runs.get(at)
            if run is None and type(answer) is Error:
                run = self.new_part(at)
            if run is not None:
                again = self.core.retry(run, step, answer, monotonic_ns())
                if again == AGAIN:
                    self.wait_with(run)
                    self.core.wait_for_retry(run)
                    return self.no_longer_active()
                answer = self.core.conclude(run, answer)
                gave_up = again == TOO_LATE
                if gave_up:
                    self.core.given_up.append(self.event)
        return self.collected(at, answer, gave_up)

    cdef int collected(self, Py_ssize_t at, object answer, bint gave_up) except -1:
        """One of the collectors is done; the last of them settles the event."""
        if self.results is None or self.results[at] is not None:
            return 0    # the event was given up before
        self.results[at] = answer
        self.gave_up = self.gave_up or gave_up
        self.missing -= 1
        if self.gave_up and self.waiting:
            self.drop_waiting()
        if self.missing == 0:
            self.settle()
            return self.ring()
        return self.no_longer_active()

    # -- parts that wait ----------------------------------------------------------------

    cdef CollectorEvent new_part(self, Py_ssize_t at):
        """What stands for a part where events wait: in its event's place in the order."""
        cdef CollectorEvent run
        cdef Share share = Share.__new__(Share)
        share.parts = self
        share.at = at
        run = stand_in(self.event, self.steps[at], PART, share)
        run.start_ns = self.event.start_ns
        return run

    cdef CollectorEvent set_aside(self, Py_ssize_t at):
        """A part must wait before it begins: the run that waits for it."""
        cdef CollectorEvent run = self.new_part(at)
        self.wait_with(run)
        self.no_longer_active()
        return run

    cdef int wait_with(self, CollectorEvent run) except -1:
        if self.waiting is None:
            self.waiting = {}
            self.runs = {}
        run.state = QUEUED
        run.place = IN_HAND     # until it is said where it waits
        self.waiting[(<Share>run.waiters).at] = run
        self.runs[(<Share>run.waiters).at] = run
        return 0

    cdef bint resume(self, CollectorEvent run, int64_t now) except -1:
        """The part of a run that has waited begins; False: it is not wanted any more."""
        cdef int64_t first_start = self.event.start_ns
        if self.results is None or not self.waiting:
            return False
        if self.waiting.pop((<Share>run.waiters).at, None) is None:
            return False
        run.state = RUNNING
        run.start_ns = now
        self.active += 1
        if self.event.state == QUEUED:
            self.core.gatherings.pop(self.event, None)
            if not self.core.take_out(self.event, now):
                count_free(self.core, now)
                self.drop_waiting()
                self.results = None
                return False
            self.event.start_ns = first_start
        else:
            self.core.count_helper(now)
        return True

    cdef int turn_away(self, CollectorEvent run, object error, bint gave_up) except -1:
        """A part that waits cannot begin: its result is this."""
        cdef Py_ssize_t at = (<Share>run.waiters).at
        if self.waiting is not None and self.waiting.pop(at, None) is not None:
            run.state = FAILED
            self.active += 1
            self.collected(at, error, gave_up)
        return 0

    cdef int no_longer_active(self) except -1:
        """One part less runs; without any, the event is queued again."""
        self.active -= 1
        if self.active == 0 and self.missing and self.event.state == RUNNING:
            self.core.gatherings[self.event] = self
            self.core.wait_again(self.event, IN_PARTS, monotonic_ns())
        return 0

    cdef int drop_waiting(self) except -1:
        """What has not begun does not begin."""
        cdef CollectorEvent run
        waiting, self.waiting = self.waiting, {}
        for at, run in waiting.items() if waiting else ():
            if run.state == QUEUED:
                self.core.leave_lane(run)
                run.state = ABORTED
            if self.results is not None and self.results[at] is None:
                self.results[at] = Error(EventAborted(self.abort_why or "cancelled"))
                self.missing -= 1
        return 0

    cdef dict made_by_now(self):
        """What was made of the payload by now, for collectors that want it so."""
        if self.converted is None:
            self.converted = {}
        return self.converted

    # -- the end --------------------------------------------------------------------------

    cdef int let_go(self) except -1:
        """The consumer need not wait for this part any more."""
        self.held -= 1
        if self.held == 0:
            self.ring()
        return 0

    cdef int ring(self) except -1:
        if self.bell is not None and not self.bell.done():
            self.bell.set_result(None)
        return 0

    cdef int give_up(self, str why) except -1:
        """The event ends ABORTED, with what there is."""
        self.gave_up = True
        self.abort_why = why
        return self.settle()

    cdef int abort(self, str why) except -1:
        self.gave_up = True
        self.abort_why = why
        self.drop_waiting()
        for branch in self.branches:
            (<Seat>branch).abort(why)
        return 0

    cdef list drivers(self):
        return self.branches

    cdef int settle(self) except -1:
        """Settle with what there is: parts that are missing are aborted."""
        cdef char outcome = OK
        cdef list results = []
        if self.results is None:
            return 0
        self.drop_waiting()
        for result in self.results:
            if result is None:
                result = Error(EventAborted(self.abort_why or "cancelled"))
            if type(result) is not Ok:
                outcome = FAILED
            results.append(result)
        if self.gave_up:
            outcome = ABORTED
        self.results = None
        self.missing = 0
        self.core.gatherings.pop(self.event, None)
        if self.core.tries and self.runs is not None:
            for run in self.runs.values():
                self.core.tries.pop(run, None)
        labels = tuple([(<Step>step).key for step in self.steps])
        self.core.settle(self.event, outcome, sealed_list(results, labels), monotonic_ns())
        return 0
