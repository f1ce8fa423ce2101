"""One event at several collectors.

Rules of residence: who drives which part. The last is driven by the consumer itself, and so
are those that are plain functions and never wait; each other by a Branch in a task of its
own, because a coroutine must not change tasks half-way; and what must wait, by nobody.
"""
import sys

cimport cython
from libc.stdint cimport int64_t

from collectorqueue._native.batching cimport Batching
from collectorqueue._native.branch cimport Branch
from collectorqueue._native.clock cimport monotonic_ns
from collectorqueue._native.context cimport Scope, end_part, scoped_copy
from collectorqueue._native.driver cimport GIVEN_UP, SUSPENDED, Driver
from collectorqueue._native.event cimport CollectorEvent
from collectorqueue._native.gate cimport Gate
from collectorqueue._native.gathering cimport Gathering, gather
from collectorqueue._native.plan cimport DIVERTS, Step, count_run
from collectorqueue._native.results cimport Error, Ok

from collectorqueue.errors import EventAborted

cdef bint HAS_EAGER_TASKS = sys.version_info >= (3, 12)


@cython.no_gc_clear
cdef class Spreading(Driver):
    """Has the collectors of one event run, in order and side by side."""

    cdef bint set_apart(self, Step step, Py_ssize_t at) except -1:
        """Whether a part does not begin here and now: it is held, batched or sent out."""
        cdef Gathering gathering = self.gathering
        if step.gate is not None and not step.gate.enter(self.now):
            (<Gate>step.gate).hold(gathering.set_aside(at), self.now)
        elif step.batching is not None:
            (<Batching>step.batching).add(gathering.set_aside(at), self.now)
        elif step.outlet is not None:
            step.outlet.take_part(gathering, at)
            return True
        else:
            return False
        gathering.let_go()
        return True

    cdef int start_several(self, tuple route) except -1:
        """Begin all collectors, in order: the last in our own task, each other that may
        have to wait in a task of its own, or in another process."""
        cdef Py_ssize_t at
        cdef Py_ssize_t last = len(route) - 1
        cdef Gathering gathering = gather(self.core, self.event, route)
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
            if step.policies & DIVERTS and self.set_apart(step, at):
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
        if self.begin(step, self.event, self.event.payload) == SUSPENDED:
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
            self.gathering.part_over(at, self.answer, self.verdict == GIVEN_UP)
            self.gathering.let_go()
            self.answer = None
        end_part(self.context)
        return 0

    cdef int branch_off(self, Step step, Py_ssize_t at) except -1:
        """Have a collector called and driven in a task of its own."""
        cdef Scope scope = Scope.__new__(Scope)
        scope.event = self.event
        scope.step = step
        base = self.core.base_context if self.event.result is None else self.event.result
        self.make_branch(self.new_branch(step, at, scope), scoped_copy(base, scope))
        self.now = monotonic_ns()
        return 0

    cdef int branch_on(self, object coroutine, Step step, Py_ssize_t at) except -1:
        """Have a coroutine that was not begun yet driven in a task of its own."""
        cdef Branch branch = self.new_branch(step, at, self.context.scope)
        branch.begun = True
        branch.coroutine = coroutine
        self.make_branch(branch, self.context.hand_over())
        self.now = monotonic_ns()
        return 0

    cdef Branch new_branch(self, Step step, Py_ssize_t at, Scope scope):
        cdef Branch branch = Branch.__new__(Branch)
        branch.scope = scope
        branch.gathering = self.gathering
        branch.core = self.core
        branch.at = at
        branch.step = step
        branch.event = self.event
        self.gathering.branches.append(branch)
        return branch

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

    cdef dict made_by_now(self):
        return None if self.gathering is None else self.gathering.made_by_now()

    # -- of those who know the rest of the way ----------------------------------------

    cdef int own_part_done(self) except -1:
        """What the consumer itself drove is over."""
        return FREE

    cdef int close_event(self) except -1:
        """Nothing of the event is left to do here."""
        return 0

    cdef int give_up_event(self) except -1:
        """Its task must end: settle what there is, and cancel the other collectors."""
        return 0
