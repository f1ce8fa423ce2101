"""A consumer: take -> route -> collect -> settle, as one compiled state machine.

Rules of residence: the way of one event after the other. A consumer is a coroutine to its
task, but not an `async def`: the task calls `turn`, which drives handlers until one really
has to wait. It knows Steps, not policies; how many consumers there are is decided elsewhere.

With several collectors the last is driven by the consumer itself, and so are those that are
plain functions and never wait; each other by a Branch in a task of its own, because a
coroutine must not change tasks half-way.
"""
import asyncio
import sys
from collections.abc import Coroutine

cimport cython
from libc.stdint cimport int64_t

from collectorqueue._native.branch cimport Branch
from collectorqueue._native.clock cimport monotonic_ns
from collectorqueue._native.context cimport (
    RunContext, Scope, begin_run, end_part, scoped_copy, step_in, step_out, tidy,
)
from collectorqueue._native.core cimport Core, waiting
from collectorqueue._native.counters cimport count_ns
from collectorqueue._native.driver cimport GIVEN_UP, SUSPENDED, Driver, outcome_of
from collectorqueue._native.event cimport (
    ABORTED, FAILED, IN_HAND, OK, QUEUED, UNROUTED, CollectorEvent,
)
from collectorqueue._native.gathering cimport Gathering, gather
from collectorqueue._native.plan cimport Step, count_run
from collectorqueue._native.results cimport Error, Ok, error_from
from collectorqueue._native.router cimport as_route, describe_miss
from collectorqueue._native.sums cimport count_free, note_hold

from collectorqueue.errors import EventAborted, Unrouted

cdef object CancelledError = asyncio.CancelledError
cdef bint HAS_EAGER_TASKS = sys.version_info >= (3, 12)


@cython.final
@cython.no_gc_clear
cdef class Consumer(Driver):
    """One competing consumer. Made, started and replaced by the pool."""

    def __cinit__(self, Core core, make_branch, CollectorEvent only=None):
        self.core = core
        self.make_branch = make_branch
        self.only = only
        self.stage = FRESH
        core.seats[self] = None

    # -- what its task calls ------------------------------------------------------

    def __await__(self):
        return self

    def __iter__(self):
        return self

    def __next__(self):
        return self.turn(None)

    def send(self, value):
        return self.turn(None)

    def throw(self, typ, val=None, tb=None):
        return self.turn(val if isinstance(val, BaseException) else (
            typ if isinstance(typ, BaseException) else typ()))

    def close(self):
        if self.stage != ENDED:
            coroutine, self.coroutine = self.coroutine, None
            self.stage = ENDED
            self.core.seats.pop(self, None)
            if coroutine is not None and hasattr(coroutine, "close"):
                coroutine.close()

    @property
    def only_event(self):
        """The one event it is for, if it is not counted in the pool; else None."""
        return self.only

    @property
    def cr_await(self):
        """The handler's coroutine it is in, for debuggers."""
        return self.coroutine

    @property
    def cr_frame(self):
        """The handler's frame, for `task.print_stack()`."""
        return getattr(self.coroutine, "cr_frame", None)

    @property
    def __name__(self):
        return "consumer"

    @property
    def __qualname__(self):
        return "collectorqueue.consumer"

    # -- the machine --------------------------------------------------------------

    cdef object turn(self, object thrown):
        """Go on until there is something to wait for, and return that."""
        self.core.turning += 1
        try:
            return self.go_on(thrown)
        except (StopIteration, CancelledError):
            raise
        except BaseException as exc:
            # A fault of ours. It may cost this consumer, never the event's waiters.
            self.stage = ENDED
            self.core.seats.pop(self, None)
            if self.event is not None:
                self.core.settle(self.event, FAILED, error_from(exc), monotonic_ns())
                self.close_event()
            self.expect_successor()
            raise
        finally:
            self.core.turning -= 1
            if self.context is not None:
                step_out(self.context)

    cdef object go_on(self, object thrown):
        cdef Core core = self.core
        self.now = monotonic_ns()
        if self.stage == COLLECTING:
            if self.resume(thrown) == SUSPENDED:
                note_hold(core, self.step, monotonic_ns() - self.now)
                return self.pause()
            if self.own_part_done() == WAITING:
                return self.pause()
        elif self.stage == JOINING:
            self.bell = None
            if thrown is not None and self.is_cancelled:
                self.give_up_event()
                return self.leave(thrown)
            if self.gathering.held and self.gathering.results is not None:
                return self.pause()
            self.close_event()
        elif self.stage == HELD:
            self.stage = COLLECTING
            if thrown is not None and self.is_cancelled:
                self.give_up_event()
                return self.leave(thrown)
            self.begun_ns = self.event.start_ns
            if thrown is not None:
                self.never_begun(thrown)
            elif self.begin(self.step, self.event) == SUSPENDED:
                return self.pause()
            if self.own_part_done() == WAITING:
                return self.pause()
        else:
            if self.stage == IDLE:
                self.bell = None
                if self.woken:
                    self.woken = False
                    core.coming -= 1
                elif self in core.idle:
                    core.idle.remove(self)
            elif self.only is None:
                core.coming -= 1
            if thrown is not None:
                return self.leave(thrown)
        return self.next_event()

    cdef object next_event(self):
        """Between two events: leave, wait, or take the next and collect it."""
        cdef Core core = self.core
        while True:
            if self.leaving:
                return self.leave(CancelledError())
            if self.spent or self.retiring:
                return self.end()
            if self.only is not None:
                if self.only.state != QUEUED:
                    return self.end()
                self.event = self.only
                core.leave_lane(self.event)
                self.event.place = IN_HAND
            else:
                if core.excess:
                    core.excess -= 1
                    self.retiring = True
                    return self.end()
                if core.in_slice and self.now >= core.slice_end and waiting(core):
                    self.stage = SLICED
                    core.is_loop_bound = True
                    core.coming += 1
                    return None
                self.event = core.take(self.now)
                if self.event is None:
                    return self.go_idle()
            if self.start() == WAITING:
                note_hold(core, self.step, monotonic_ns() - self.now)
                return self.pause()
            if not core.in_slice and waiting(core):
                core.begin_slice(self.now)

    cdef int start(self) except -1:
        """Route the event in hand and begin to collect it."""
        cdef CollectorEvent event = self.event
        self.stage = COLLECTING
        if self.context is None:
            self.context = RunContext(self.core.base_context)
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
            if (<Step>route).outlet is not None and self.send_out(<Step>route):
                return FREE
        self.core.take_out(event, self.now)
        count_ns(&self.core.times.waits, self.now - event.sent_ns)
        if type(route) is Step:
            if self.begin(<Step>route, event) == SUSPENDED:
                return WAITING
            return self.own_part_done()
        if not <tuple>route:
            self.now = monotonic_ns()
            self.core.settle(event, UNROUTED, Error(Unrouted(describe_miss(event.payload))),
                             self.now)
            self.close_event()
            return FREE
        return self.start_several(<tuple>route)

    cdef bint send_out(self, Step step) except -1:
        """Its collector runs in another process: the event is not ours any more."""
        cdef CollectorEvent event = self.event
        self.forget_event()
        if self.only is None:
            step.outlet.offer(event, self.now)
        else:
            step.outlet.rush(event, self.now)
        return True

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

    cdef int start_several(self, tuple route) except -1:
        """Begin all collectors, in order: the last in our own task, each other that may
        have to wait in a task of its own, or in another process."""
        cdef Py_ssize_t at
        cdef Py_ssize_t last = len(route) - 1
        cdef Gathering gathering = gather(self.core, self.event, last + 1)
        cdef Step step
        self.event.route = route
        self.gathering = gathering
        for at in range(last + 1):
            step = <Step>route[at]
            if gathering.gave_up:
                # Cancelled by one of its collectors: the others do not begin.
                why = self.abort_why or "cancelled"
                gathering.collected(at, Error(EventAborted(why)), True)
                gathering.let_go()
                continue
            if step.outlet is not None:
                step.outlet.take_part(gathering, at)
                continue
            if at == last and not self.spent:
                return self.start_last(step)
            # Before Python 3.12 a task begins a turn later: what follows it must not pass.
            if step.inline and not self.spent and (
                    HAS_EAGER_TASKS or not gathering.branches):
                self.run_inline(step, at)
            else:
                self.step = None
                self.branch_off(step, at)
        self.settle_cancels()
        return self.wait_for_others()

    cdef int settle_cancels(self) except -1:
        """What was asked of our task concerns an event that it does not drive any more."""
        if self.cancels > self.own_cancels + self.our_cancels:
            self.leaving = True
        elif self.cancels:
            self.spent = True
            self.take_back_cancels()
        return 0

    cdef int start_last(self, Step step) except -1:
        if self.gathering.branches and not HAS_EAGER_TASKS:
            self.step = step
            self.stage = HELD
            return WAITING
        self.begun_ns = self.now
        if self.begin(step, self.event) == SUSPENDED:
            return WAITING
        return self.own_part_done()

    cdef int run_inline(self, Step step, Py_ssize_t at) except -1:
        """Call a plain function; if it returns something to await, a task takes that on."""
        cdef int64_t begun = self.now
        cdef Branch branch
        if self.call(step, self.event) == SUSPENDED:
            coroutine, self.coroutine = self.coroutine, None
            own, ours = self.own_cancels > 0, self.our_cancels > 0
            self.settle_cancels()
            self.branch_on(coroutine, step, at)
            if own or ours:
                branch = <Branch>self.gathering.branches[len(self.gathering.branches) - 1]
                branch.inherit(self.abort_why if ours else None)
        else:
            self.now = monotonic_ns()
            count_run(step, type(self.answer) is Ok, self.now - begun)
            self.gathering.collected(at, self.answer, self.verdict == GIVEN_UP)
            self.gathering.let_go()
            self.answer = None
        end_part(self.context)
        return 0

    cdef int branch_off(self, Step step, Py_ssize_t at) except -1:
        """Have a collector called and driven in a task of its own."""
        cdef Scope scope = Scope.__new__(Scope)
        scope.event = self.event
        base = self.core.base_context if self.event.result is None else self.event.result
        self.make_branch(self.new_branch(step, at), scoped_copy(base, scope))
        self.now = monotonic_ns()
        return 0

    cdef int branch_on(self, object coroutine, Step step, Py_ssize_t at) except -1:
        """Have a coroutine that was not begun yet driven in a task of its own."""
        cdef Branch branch = self.new_branch(step, at)
        branch.begun = True
        branch.coroutine = coroutine
        self.make_branch(branch, self.context.hand_over())
        self.now = monotonic_ns()
        return 0

    cdef Branch new_branch(self, Step step, Py_ssize_t at):
        cdef Branch branch = Branch.__new__(Branch)
        branch.gathering = self.gathering
        branch.core = self.core
        branch.at = at
        branch.step = step
        branch.event = self.event
        self.gathering.branches.append(branch)
        return branch

    cdef int own_part_done(self) except -1:
        """What the consumer itself drove is over."""
        cdef int64_t begun = self.now
        self.stage = COLLECTING
        self.now = monotonic_ns()
        note_hold(self.core, self.step, self.now - begun)
        if self.gathering is None:
            self.finish()
            return FREE
        count_run(self.step, type(self.answer) is Ok, self.now - self.begun_ns)
        at = len(self.event.route) - 1
        self.gathering.collected(at, self.answer, self.verdict == GIVEN_UP)
        self.gathering.let_go()
        return self.wait_for_others()

    cdef int wait_for_others(self) except -1:
        """Nothing of the event is left to do for the consumer itself."""
        cdef bint waits = self.gathering.held > 0 and self.gathering.results is not None
        if self.leaving and waits:
            self.give_up_event()
            return FREE
        if waits:
            self.stage = JOINING
            return WAITING
        self.close_event()
        return FREE

    cdef int finish(self) except -1:
        """The only collector is done, and so is the event."""
        cdef CollectorEvent event = self.event
        cdef char outcome = OK
        if type(self.answer) is not Ok:
            outcome = outcome_of(self.answer)
        count_run(self.step, outcome != FAILED, self.now - event.start_ns)
        if self.verdict == GIVEN_UP:
            outcome = ABORTED
        self.core.settle(event, outcome, self.answer, self.now)
        self.close_event()
        return 0

    cdef int close_event(self) except -1:
        """Nothing of the event is left in the consumer, but its step: mostly the next's."""
        self.answer = None
        self.gathering = None
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
            gathering.gave_up = True
            gathering.abort_why = self.abort_why
            gathering.settle()
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
        if gathering is None:
            if self.step is not None and self.step.detached:
                self.core.settle(self.event, ABORTED, Error(EventAborted(why)), monotonic_ns())
            return self.cancel_task()
        gathering.gave_up = True
        gathering.abort_why = why
        for branch in gathering.branches:
            detached = detached and (<Branch>branch).is_over_or_detached()
            (<Branch>branch).abort(why)
        if self.stage != JOINING:
            detached = detached and self.step is not None and self.step.detached
            self.cancel_task()
        if detached and self.event is not None:
            gathering.settle()
            gathering.ring()
        return 0

    # -- waiting ------------------------------------------------------------------

    cdef object pause(self):
        """Give the turn up for the event in hand; others may go on."""
        cdef Core core = self.core
        cdef Py_ssize_t queued = waiting(core)
        if queued + core.busy > core.peak_demand:
            core.peak_demand = queued + core.busy
        if queued and core.coming == 0:
            core.call_for_help()
        if self.stage == COLLECTING:
            yielded, self.yielded = self.yielded, None
            return yielded
        if self.stage == HELD:
            return None
        return self.ring_later()

    cdef object ring_later(self):
        self.bell = self.core.create_future()
        self.bell._asyncio_future_blocking = True
        if self.gathering is not None:
            self.gathering.bell = self.bell
        return self.bell

    cdef object go_idle(self):
        self.stage = IDLE
        self.step = None
        if self.context is not None:
            tidy(self.context)
        self.core.is_loop_bound = False
        self.core.idle.append(self)
        self.core.elsewhere.all_offered()
        return self.ring_later()

    cdef object end(self):
        """Leave in peace."""
        cdef Core core = self.core
        self.stage = ENDED
        core.seats.pop(self, None)
        if self.spent:
            self.expect_successor()
        if waiting(core) and core.coming == 0:
            core.call_for_help()
        raise StopIteration

    cdef int expect_successor(self) except -1:
        """The pool will put another consumer in this one's place, a turn later."""
        if self.only is None and not self.retiring:
            self.needs_successor = True
            self.core.vacate()
        return 0

    cdef object leave(self, object thrown):
        """End as cancelled, and keep the cancellation."""
        cdef Core core = self.core
        self.stage = ENDED
        self.lost = True
        core.seats.pop(self, None)
        self.expect_successor()
        if waiting(core) and core.coming == 0:
            core.call_for_help()
        raise thrown


Coroutine.register(Consumer)
