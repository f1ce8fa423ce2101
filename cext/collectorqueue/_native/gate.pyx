"""How much of one collector may run: so many at once, so many in a time.

Rules of residence: admission. What must wait is held here in the order of the queue, and
holds no consumer; what is let in goes back to the lane, before what was sent after it.

The rate is a token bucket kept as one number, the time at which the next one would come
that keeps to the interval (the generic cell rate algorithm, from ATM networks).
"""
cimport cython
from libc.stdint cimport int64_t

from collectorqueue._native.clock cimport monotonic_ns
from collectorqueue._native.core cimport Core, core_of
from collectorqueue._native.event cimport (
    ADMITTED, AT_GATE, IN_HAND, PART, ROUTED, CollectorEvent,
)
from collectorqueue._native.holders cimport Holder, Share, is_call
from collectorqueue._native.payload cimport Payload
from collectorqueue._native.untracked cimport track


@cython.final
cdef class Gate(Holder):
    """The limits of one collector."""

    def __cinit__(self, Core core not None, Py_ssize_t running=0):
        self.home = core.home
        self.taken = running
        self.held = core.make_lane(AT_GATE, False)

    def set_limit(self, Py_ssize_t limit):
        """So many runs at once from now on; 0: without limit."""
        cdef Core core = core_of(self.home)
        self.limit = limit
        core.has_limits = core.has_limits or limit > 0
        self.let_in(monotonic_ns())
        core.waits.judge_again(core)

    def set_rate(self, double rate, double per, double burst):
        """So many in `per` seconds, `burst` at once after a rest; a rate of 0: no limit."""
        cdef int64_t now = monotonic_ns()
        self.interval_ns = per * 1e9 / rate if rate else 0
        self.tolerance_ns = self.interval_ns * (burst - 1)
        self.next_ns = min(self.next_ns, now + self.tolerance_ns + self.interval_ns)
        self.due_ns = 0
        self.let_in(now)

    cdef bint is_full(self) noexcept:
        return self.limit > 0 and self.taken >= self.limit

    cdef Py_ssize_t limit_reached(self) noexcept:
        return self.limit if self.is_full() else 0

    cdef double wait_ns(self, int64_t now) noexcept:
        """How long until the rate lets one in."""
        if not self.interval_ns:
            return 0
        return self.next_ns - self.tolerance_ns - now

    cdef int take(self, int64_t now) except -1:
        self.taken += 1
        if self.interval_ns:
            self.next_ns = max(self.next_ns, <double>now) + self.interval_ns
        return 0

    cdef bint enter(self, int64_t now) except -1:
        """Whether one may run now: then it is counted, until `leave`."""
        if len(self.held) or self.is_full() or self.wait_ns(now) > 0:
            return False
        self.take(now)
        return True

    cdef bint admit(self, CollectorEvent run, int64_t now) except -1:
        """The same; what may not waits here."""
        if self.enter(now):
            return True
        self.hold(run, now)
        return False

    cdef int hold(self, CollectorEvent run, int64_t now) except -1:
        cdef Core core = core_of(self.home)
        run.flags |= ROUTED
        core.stand_apart(run, AT_GATE)
        self.held.push(run)
        core.gates[self] = None
        core.judge_soon()       # where it goes may not have been known
        return self.let_in(now)

    cdef int forget(self, CollectorEvent run) except -1:
        """It waits here no more."""
        self.held.forget(run)
        if not len(self.held):
            core_of(self.home).gates.pop(self, None)
        return 0

    cdef int leave(self) except -1:
        """One that was let in is over."""
        self.taken -= 1
        if not self.held.used:
            return 0
        if self.home.hub is NULL:       # a call has gone on though its queue is gone
            return self.dismiss_calls()
        self.let_in(monotonic_ns())
        return 0

    cdef int take_back(self) except -1:
        if self.interval_ns:
            self.next_ns -= self.interval_ns
            self.due_ns = 0
        return self.leave()

    cdef int let_in(self, int64_t now) except -1:
        """Let in what may run, and ring when the rate lets the next."""
        cdef Core core = core_of(self.home)
        cdef CollectorEvent run
        cdef double wait
        while len(self.held) and not self.is_full():
            wait = self.wait_ns(now)
            if wait > 0:
                if not self.due_ns:
                    core.timers.set_alarm(self, now + <int64_t>wait + 1)
                break
            run = self.held.pop()
            if core.is_expired(run, now):
                continue
            future = (<Share>run.waiters).future if run.flags & PART else None
            if future is None:
                self.take(now)
                run.flags |= ADMITTED
                core.put_back(run)
                continue
            run.place = IN_HAND
            if not future.done():       # or the call is not wanted any more
                self.take(now)
                future.set_result(None)
        if not len(self.held):
            core.gates.pop(self, None)
        return 0

    cdef int ring(self, int64_t now) except -1:
        return self.let_in(now)

    def enter_call(self):
        """Wait for one's turn as a custom router does: a future of that and what stands for
        the call here, or None."""
        cdef int64_t now = monotonic_ns()
        cdef Core core
        cdef CollectorEvent run
        cdef Share share
        if self.home.hub is NULL:       # nobody would ring
            self.take(now)
            return None
        if self.enter(now):
            return None
        core = core_of(self.home)
        share = Share.__new__(Share)
        share.future = core.create_future()
        run = CollectorEvent.__new__(CollectorEvent)
        track(run)
        core.sequence += 1
        run.id = core.sequence
        run.payload = Payload(None)
        run.sent_ns = now
        run.flags = PART
        run.waiters = share
        self.hold(run, now)
        return share.future, run

    def forget_call(self, CollectorEvent run not None):
        """A call that waits is not wanted any more."""
        if run.place == AT_GATE and self.home.hub is not NULL:
            run.place = IN_HAND
            self.forget(run)

    def leave_call(self):
        """A call that was let in is over."""
        self.leave()

    def give_back(self):
        """A call that was let in is not made."""
        self.take_back()

    cdef bint holds_events(self) except -1:
        cdef CollectorEvent next_one = self.held.first()    # mostly it tells, however many wait
        return next_one is not None and (
            not is_call(next_one) or Holder.holds_events(self))

    cdef list runs(self):
        return self.held.events()
