"""What happens at one collector: its step, with the tallies that go with it.

Rules of residence: what is decided once, at registration, so that an event pays for
nothing that is off.
"""
cimport cython
from libc.stdint cimport int64_t

from collectorqueue._native.counters cimport forget_tally, free_tally, quantiles_of
from collectorqueue._native.event cimport Hub, Labelled
from collectorqueue._native.holders cimport Holder
from collectorqueue._native.outlet cimport Outlet
from collectorqueue._native.retrial cimport Retrial


@cython.final
cdef class Step(Labelled):
    """One collector's compiled plan: how to call it, and what became of its calls."""

    def __cinit__(self, key, collector, call, ctx, *, bint with_ctx=False,
                  bint detached=False, bint inline=False, bint whole_router=False):
        self.collector = collector
        self.call = call
        self.ctx = ctx
        self.with_ctx = with_ctx
        self.detached = detached
        self.inline = inline
        self.kind = ROUTER if whole_router else CALL

    def __dealloc__(self):
        free_tally(&self.waits)
        free_tally(&self.runs)

    @property
    def received(self):
        """How many runs of it began, each of an event, or of one of a batch."""
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
            self.minded = True

    def started(self):
        """A custom router calls it: count that."""
        begin_step(self)

    def ended(self, bint good, int64_t ns):
        """That call is over, after `ns`."""
        count_run(self, good, ns)

    cdef int run_over(self) except -1:
        if self.gate is not None:
            self.gate.leave()
        if self.running == 0 and self.at_rest is not None:
            at_rest, self.at_rest = self.at_rest, None
            at_rest()
        return 0

    def rebind(self, call):
        """Call this from now on, with the same arguments."""
        self.call = call

    def lead_out(self, Outlet outlet not None):
        """Its events go to other processes from now on."""
        self.outlet = outlet
        self.policies |= DIVERTS

    def serves(self):
        """Whether its queue may begin runs of it: it is there, and live."""
        return (not self.removed and self.home is not None and self.home.hub is not NULL
                and (<object>self.home.hub).is_live)

    def begin_anew(self, Hub queue not None):
        """What it kept and counted in an earlier run of the queue is over, but for handlers
        that run on."""
        self.home = queue.home
        self.ok = self.failed = 0
        self.peak_running = self.running
        forget_tally(&self.waits)
        forget_tally(&self.runs)
        self.gate = self.batching = None
        self.retrial = self.convert = None
        self.validates = False
        self.timeout_ns = 0
        self.policies = 0 if self.outlet is None else DIVERTS

    def limit_by(self, Holder gate not None):
        """Its events pass this gate from now on."""
        self.gate = gate
        self.policies |= DIVERTS
        self.minded = True

    def fill(self, Holder batching not None):
        """Its events are run in batches."""
        self.batching = batching
        self.policies |= DIVERTS

    def try_again(self, Retrial retrial not None):
        """What fails is tried again by this rule."""
        self.retrial = retrial
        self.policies |= RETRIES

    def convert_by(self, convert, bint validates):
        """Its payloads are made what `convert(payload)` returns; or, tried when sent too."""
        self.convert = convert
        self.validates = validates
        self.policies |= CONVERTS

    def give_time(self, double seconds):
        """A run may take so long."""
        self.timeout_ns = max(1, <int64_t>(seconds * 1e9))
        self.policies |= TIMED

    def __repr__(self):
        return f"<Step {self.key!r}>"


cdef Step missing_step(object key, object error):
    cdef Step step = Step(key, error, None, None, inline=True)
    step.kind = MISSING
    return step
