"""What a consumer does with one event: route -> collect -> settle.

Rules of residence: the way of one event, or of one batch. It knows Steps, and policies only
as far as they keep a run from beginning, or have it begin again.
"""
cimport cython
from libc.stdint cimport int64_t

from collectorqueue._native.batching import Payloads
from collectorqueue._native.batching cimport Batched, Batching, is_in_batch
from collectorqueue._native.branch cimport Branch
from collectorqueue._native.clock cimport monotonic_ns
from collectorqueue._native.context cimport RunContext, begin_run, step_in
from collectorqueue._native.counters cimport count_ns
from collectorqueue._native.driver cimport GIVEN_UP, PLAIN, SUSPENDED, late, outcome_of
from collectorqueue._native.event cimport (
    ABORTED, ADMITTED, BATCH, FAILED, OK, ON_TRIAL, PART, QUEUED,
    ROUTED, RUNNING, UNROUTED, CollectorEvent,
)
from collectorqueue._native.gathering cimport Gathering
from collectorqueue._native.helping cimport waiting
from collectorqueue._native.holders cimport Share, events_of
from collectorqueue._native.plan cimport DIVERTS, RETRIES, Step, count_run
from collectorqueue._native.results cimport Error, Ok, error_from
from collectorqueue._native.router cimport as_route, describe_miss
from collectorqueue._native.spreading cimport COLLECTING, FREE, JOINING, WAITING, Spreading
from collectorqueue._native.sums cimport count_free, note_hold

from collectorqueue.errors import EventAborted, UnknownKey, Unrouted

@cython.no_gc_clear
cdef class Collecting(Spreading):
    """Collects one event after the other."""

    cdef int start(self) except -1:
        """Route the event in hand and begin to collect it."""
        cdef CollectorEvent event = self.event
        self.stage = COLLECTING
        if self.context is None:
            self.context = RunContext(self.core.base_context)
        if event.flags >= ROUTED:
            return self.start_again()
        if self.core.custom_select is not None:
            route = self.ask_router()
            if route is None:
                return FREE
        elif self.core.custom_route is not None:
            route = self.core.custom_route
        else:
            route = self.core.index.route(event.payload)
        if type(route) is Step:
            event.route = route
            if (<Step>route).policies & DIVERTS and self.divert(event, <Step>route, False):
                return FREE
        if not self.core.take_out(event, self.now):
            return self.not_begun(route)
        count_ns(&self.core.times.waits, self.now - event.sent_ns)
        if type(route) is Step:
            if self.begin(<Step>route, event, event.payload) == SUSPENDED:
                return WAITING
            return self.own_part_done()
        if not <tuple>route:
            self.now = monotonic_ns()
            self.core.settle(event, UNROUTED, Error(Unrouted(describe_miss(event.payload))),
                             self.now)
            self.close_event()
            return FREE
        return self.start_several(<tuple>route)

    cdef int not_begun(self, object route) except -1:
        """The event in hand was cancelled as it began."""
        if type(route) is Step and (<Step>route).gate is not None:
            (<Step>route).gate.leave()
        self.close_event()
        return FREE

    cdef object ask_router(self):
        """The route a custom router selects; None: it failed, or has cancelled the event."""
        cdef CollectorEvent event = self.event
        self.step = None
        begin_run(self.context, event)
        step_in(self.context)
        try:
            route = as_route(self.core.custom_select(event.payload))
            error = None
        except BaseException as exc:
            error = error_from(exc)
        self.now = monotonic_ns()   # it may have taken its time, and changed counts
        if event.state != QUEUED:
            self.forget_event()
            return None
        if error is None:
            return route
        self.core.take_out(event, self.now)
        self.core.settle(event, FAILED, error, self.now)
        self.close_event()
        return None

    cdef int start_again(self) except -1:
        """Begin with a run that is not an event that comes for the first time."""
        cdef CollectorEvent run = self.event
        cdef Step step = run.route
        cdef bint admitted = run.flags & ADMITTED
        if run.flags & ON_TRIAL and step is None:
            if self.core.custom_select is None and self.core.custom_route is None:
                route = self.core.index.route(run.payload)
                if type(route) is Step:
                    run.route = step = <Step>route
            if step is None or step.batching is None:
                run.route = None
                self.forget_event()
                return self.core.back_in_line(run)
        if self.core.index.steps.get(step.key) is not step:
            return self.start_stray(run, step)
        run.flags &= ~ADMITTED
        if run.flags & BATCH:
            return self.start_batch(run, step)
        if step.policies & DIVERTS and self.divert(run, step, admitted):
            return FREE
        if run.flags & PART:
            return self.start_part(run, step)
        run.flags &= ~ROUTED
        if run.start_ns == 0:
            count_ns(&self.core.times.waits, self.now - run.sent_ns)
        if not self.core.take_out(run, self.now):
            return self.not_begun(step)
        if self.begin(step, run, run.payload) == SUSPENDED:
            return WAITING
        return self.own_part_done()

    cdef int start_stray(self, CollectorEvent run, Step step) except -1:
        """Its collector was removed while it waited."""
        cdef CollectorEvent item
        cdef Error error
        self.forget_event()
        self.core.judge_soon()
        if run.flags & BATCH and (<Batched>run.waiters).batching.gate is not None:
            (<Batched>run.waiters).batching.gate.leave()
        elif run.flags & ADMITTED and step.gate is not None:
            step.gate.leave()
        if run.flags & PART:
            error = Error(UnknownKey(f"collector {step.key!r} was removed", step.key))
            (<Gathering>(<Share>run.waiters).parts).turn_away(run, error, False)
        elif run.flags & BATCH:
            for item in (<Batched>run.waiters).items:
                if is_in_batch(item):
                    self.core.put_back(item)
        else:
            run.flags &= ~(ROUTED | ADMITTED)
            run.route = None
            self.event = run
            return self.start()
        return FREE

    cdef bint divert(self, CollectorEvent run, Step step, bint admitted) except -1:
        """Whether a run does not begin here and now: it is held, batched or sent out."""
        if step.gate is not None and not admitted and not step.gate.admit(run, self.now):
            self.forget_event()
            return True
        if step.batching is not None:
            self.forget_event()
            (<Batching>step.batching).add(run, self.now)
            return True
        if step.outlet is None:
            return False
        self.forget_event()
        if run.flags & PART:
            self.send_part(run, step)
        elif self.only is None:
            step.outlet.offer(run, self.now)
        else:
            step.outlet.rush(run, self.now)
        return True

    cdef int send_part(self, CollectorEvent run, Step step) except -1:
        """A part that has waited goes to another process."""
        cdef Gathering gathering = (<Share>run.waiters).parts
        if not gathering.resume(run, self.now):
            return 0 if step.gate is None else step.gate.leave()
        count_free(self.core, self.now)
        gathering.held += 1     # until it was handed over
        return step.outlet.take_part(gathering, (<Share>run.waiters).at)

    cdef int start_part(self, CollectorEvent run, Step step) except -1:
        """Begin with one part of an event that has several."""
        cdef Gathering gathering = (<Share>run.waiters).parts
        if not gathering.resume(run, self.now):
            self.forget_event()
            if step.gate is not None:
                step.gate.leave()
            return FREE
        self.event = gathering.event
        self.gathering = gathering
        self.part = run
        self.begun_ns = self.now
        if self.begin(step, self.event, self.event.payload) == SUSPENDED:
            return WAITING
        return self.own_part_done()

    # -- batches ----------------------------------------------------------------------

    cdef int start_batch(self, CollectorEvent run, Step step) except -1:
        """Begin with a batch: all of it that still waits."""
        cdef Batched batch = run.waiters
        cdef list payloads = batch.begin(step, self.now)
        if not payloads:
            self.forget_event()
            if batch.batching.gate is not None:
                batch.batching.gate.leave()
            return FREE
        self.core.count_helper(self.now)
        run.state = RUNNING
        run.start_ns = self.now
        self.bundle = batch
        if self.begin(step, run, Payloads(payloads, batch.trigger)) == SUSPENDED:
            return WAITING
        return self.own_part_done()

    cdef int batch_over(self) except -1:
        """The collector is done with a batch."""
        cdef CollectorEvent run = self.event
        (<Batched>self.bundle).over(
            self.step, self.answer, self.verdict == GIVEN_UP, run.start_ns, self.now)
        run.state = OK
        return self.close_event()

    cdef int abort_item(self, CollectorEvent item, str why) except -1:
        """What comes of it is discarded; with the last one the batch is cancelled."""
        if self.bundle is None:
            return 0        # it is about to begin, and does without
        if (<Batched>self.bundle).abort_item(item, why):
            return 0
        return self.abort(why)

    # -- the end ------------------------------------------------------------------------

    cdef int own_part_done(self) except -1:
        """What the consumer itself drove is over."""
        cdef int64_t begun = self.now
        self.stage = COLLECTING
        self.now = monotonic_ns()
        note_hold(self.core, self.step, self.now - begun)
        if self.gathering is None:
            if self.bundle is not None:
                self.batch_over()
            else:
                self.finish()
            return FREE
        count_run(self.step, type(self.answer) is Ok, self.now - self.begun_ns)
        if self.context.scope is not None:
            self.context.scope.is_over = True
        if self.part is not None:
            at = (<Share>self.part.waiters).at
            self.gathering.part_over(at, self.answer, self.verdict == GIVEN_UP)
            self.close_event()
            return FREE
        at = len(self.event.route) - 1
        self.gathering.part_over(at, self.answer, self.verdict == GIVEN_UP)
        self.gathering.let_go()
        return self.wait_for_others()

    cdef int finish(self) except -1:
        """The only collector is done, and so is the event."""
        cdef CollectorEvent event = self.event
        cdef char outcome = OK
        if type(self.answer) is not Ok:
            outcome = outcome_of(self.answer)
        count_run(self.step, outcome != FAILED, self.now - event.start_ns)
        if self.verdict == GIVEN_UP:
            outcome = ABORTED
        if self.step.policies & RETRIES:
            self.core.end_run(event, self.step, outcome, self.answer, self.now)
        else:
            self.core.settle(event, outcome, self.answer, self.now)
        return self.close_event()

    cdef int close_event(self) except -1:
        """Nothing of the event is left in the consumer, but its step: mostly the next's."""
        self.answer = None
        self.gathering = None
        if self.part is not None:
            self.part = None
            if self.context.scope is not None:
                self.context.scope.part = None
        self.bundle = None
        self.forget_event()
        if self.now < self.core.counted_ns:
            self.now = self.core.counted_ns
        count_free(self.core, self.now)
        if self.core.on_freed is not None and waiting(self.core):
            self.core.on_freed()
        return 0

    cdef int forget_event(self) except -1:
        if self.context is not None and self.context.scope is not None:
            # What runs from now on is not inside of the event's handlers any more.
            self.context.scope.event = None
        self.event = None
        return 0

    cdef int give_up_event(self) except -1:
        """Its task must end: settle what there is, and cancel the other collectors."""
        cdef Gathering gathering = self.gathering
        if gathering is not None:
            gathering.give_up(self.abort_why)
        self.close_event()
        if gathering is not None:
            for branch in gathering.branches:
                (<Branch>branch).abort("the task of its consumer was cancelled")
        return 0

    cdef int abort(self, str why) except -1:
        """Cancel what runs of the event in hand; it ends ABORTED."""
        cdef Gathering gathering = self.gathering
        cdef bint detached = True
        self.abort_why = why
        self.timed_out = False
        if gathering is None:
            if self.step is not None and self.step.detached:
                for event in events_of(self.event):
                    self.core.settle(event, ABORTED, Error(EventAborted(why)), monotonic_ns())
            return self.cancel_task()
        for branch in gathering.branches:
            detached = detached and (<Branch>branch).is_over_or_detached()
        gathering.abort(why)
        if self.stage != JOINING:
            detached = detached and self.step is not None and self.step.detached
            self.cancel_task()
        if detached and self.event is not None:
            gathering.settle()
            gathering.ring()
        return 0

    cdef int write_off(self) except -1:
        """The handler goes on after its timeout: settle, and leave this consumer to it."""
        self.part_from_handler()
        self.expect_successor()
        self.core.on_written_off(self)
        return 0

    cpdef int disown(self) except -1:
        if self.gathering is not None:
            for branch in self.gathering.branches:
                (<Branch>branch).disown()
        if self.stage != JOINING:
            return self.part_from_handler()
        self.written_off = True
        self.core.seats.pop(self, None)
        self.gathering.ring()       # the others are not waited for
        return self.close_event()

    cdef int part_from_handler(self) except -1:
        """Whatever comes of it, it was too late."""
        self.written_off = True
        self.answer = late(self.step)
        self.verdict = PLAIN
        self.now = monotonic_ns()
        self.core.seats.pop(self, None)
        if self.gathering is None:
            if self.bundle is not None:
                self.batch_over()
            else:
                self.finish()
        else:
            count_run(self.step, False, self.now - self.begun_ns)
            at = (len(self.event.route) - 1 if self.part is None
                  else (<Share>self.part.waiters).at)
            self.gathering.part_over(at, self.answer, False)
            if self.gathering.results is not None and self.event.state == RUNNING:
                # Its other collectors run on, and no consumer is there for them.
                self.core.gatherings[self.event] = self.gathering
            self.close_event()
        return 0

    cdef int expect_successor(self) except -1:
        """The pool will put another consumer in this one's place, a turn later, unless one
        was to leave anyway."""
        if self.only is not None or self.retiring:
            return 0
        if self.core.excess:
            self.core.excess -= 1
            self.retiring = True
            return 0
        self.needs_successor = True
        self.core.vacate()
        return 0
