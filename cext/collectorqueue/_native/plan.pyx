"""What happens at one collector: its step, with the tallies that go with it.

Rules of residence: what is decided once, at registration, so that an event pays for
nothing that is off. The steps of the delivery policies will join here.
"""
cimport cython
from libc.stdint cimport int64_t

from collectorqueue._native.counters cimport free_tally, quantiles_of
from collectorqueue._native.event cimport Labelled
from collectorqueue._native.outlet cimport Outlet


@cython.final
cdef class Step(Labelled):
    """One collector's compiled plan: how to call it, and what became of its calls."""

    def __cinit__(self, key, collector, call, ctx, *, bint with_ctx=False,
                  bint detached=False, bint inline=False, bint whole_router=False,
                  int64_t order=0):
        self.collector = collector
        self.call = call
        self.ctx = ctx
        self.with_ctx = with_ctx
        self.detached = detached
        self.inline = inline
        self.kind = ROUTER if whole_router else CALL
        self.order = order

    def __dealloc__(self):
        free_tally(&self.waits)
        free_tally(&self.runs)

    @property
    def received(self):
        """How many events came to it."""
        return self.ok + self.failed + self.running

    def quantiles(self):
        """Of waits and runs, as `quantiles_of` gives them."""
        return quantiles_of(&self.waits, NULL), quantiles_of(&self.runs, NULL)

    def when_at_rest(self, callback):
        """Call `callback()` once nothing of it runs; at once if nothing does."""
        if self.running == 0:
            callback()
        else:
            self.at_rest = callback
            self.leaving = True

    def started(self):
        """A custom router calls it: count that."""
        begin_step(self)

    def ended(self, bint good, int64_t ns):
        """That call is over, after `ns`."""
        count_run(self, good, ns)

    cdef int come_to_rest(self) except -1:
        at_rest, self.at_rest = self.at_rest, None
        self.leaving = False
        at_rest()
        return 0

    def rebind(self, call):
        """Call this from now on, with the same arguments."""
        self.call = call

    def lead_out(self, Outlet outlet not None):
        """Its events go to other processes from now on."""
        self.outlet = outlet

    def __repr__(self):
        return f"<Step {self.key!r}>"


cdef Step missing_step(object key, object error):
    cdef Step step = Step(key, error, None, None, inline=True)
    step.kind = MISSING
    return step
