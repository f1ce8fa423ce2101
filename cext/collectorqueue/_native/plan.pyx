"""What happens at one collector: its step, with the tallies that go with it.

Rules of residence: what is decided once, at registration, so that an event pays for
nothing that is off. The steps of the delivery policies will join here.
"""
cimport cython
from libc.stdint cimport int64_t

from collectorqueue._native.counters cimport Histogram
from collectorqueue._native.event cimport Labelled


@cython.final
cdef class Step(Labelled):
    """One collector's compiled plan: how to call it, and what became of its calls."""

    def __cinit__(self, key, collector, call, ctx, *, bint with_ctx=False,
                  bint detached=False, bint whole_router=False, int64_t order=0):
        self.collector = collector
        self.call = call
        self.ctx = ctx
        self.with_ctx = with_ctx
        self.detached = detached
        self.kind = ROUTER if whole_router else CALL
        self.order = order
        self.route = (self,)
        self.wait = Histogram()
        self.run = Histogram()

    def when_at_rest(self, callback):
        """Call `callback()` once nothing of it runs; at once if nothing does."""
        if self.running == 0:
            callback()
        else:
            self.at_rest = callback

    def started(self):
        """A custom router calls it: count that."""
        self.received += 1
        self.running += 1
        self.peak_running = max(self.peak_running, self.running)

    def ended(self, bint good, int64_t ns):
        """That call is over, after `ns`."""
        self.running -= 1
        if good:
            self.ok += 1
        else:
            self.failed += 1
        self.run.add(ns)
        if self.at_rest is not None and self.running == 0:
            at_rest, self.at_rest = self.at_rest, None
            at_rest()

    def rebind(self, call):
        """Call this from now on, with the same arguments."""
        self.call = call

    def __repr__(self):
        return f"<Step {self.key!r}>"


cdef Step missing_step(object key, object error):
    cdef Step step = Step(key, error, None, None)
    step.kind = MISSING
    return step


cdef int count_run(Step step, bint good, int64_t ns) except -1:
    """One call of a collector is over."""
    if step.kind == MISSING:
        step.failed += 1
        return 0
    step.running -= 1
    if good:
        step.ok += 1
    else:
        step.failed += 1
    step.run.add(ns)
    if step.at_rest is not None and step.running == 0:
        at_rest, step.at_rest = step.at_rest, None
        at_rest()
    return 0
