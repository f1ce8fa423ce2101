"""One structure for all deadlines of one queue: a heap, and one alarm for its first entry.

Rules of residence: when, not what. What is due is told, or its queue is, which knows
whether it still matters. An idle heap sets no alarm. An entry costs some 40 bytes.
"""
cimport cython
from libc.stdint cimport int64_t

from collectorqueue._native.clock cimport monotonic_ns
from collectorqueue._native.event cimport Hub
from collectorqueue._native.ranks cimport Ranks


cdef class Alarm:
    """What is told at a time; it has one at most, the last that was set."""

    cdef int ring(self, int64_t now) except -1:
        return 0


@cython.final
cdef class Timers:
    """Deadlines in nanoseconds of the core's clock, in order; O(log n) an entry."""

    def __cinit__(self, loop, Hub hub not None):
        self.loop = loop
        self.hub = hub
        self.ranks = Ranks()

    cdef int add(self, int64_t when_ns, object what) except -1:
        self.sequence += 1
        self.ranks.push(when_ns, self.sequence, what)
        if self.armed_ns == 0 or when_ns < self.armed_ns:
            self.arm()
        return 0

    cdef int set_alarm(self, Alarm what, int64_t when_ns) except -1:
        """Have it ring then, and not when it was to before."""
        what.due_ns = when_ns
        return self.add(when_ns, what)

    cdef int arm(self) except -1:
        cdef int64_t first = 0
        alarm = None
        if self.alarm is None:
            self.armed_ns = 0
        if self.ranks.used:
            first = self.ranks.heap[0].key
            # A loop may round down: at least a microsecond, so that it cannot spin.
            delay = max(first - monotonic_ns(), 1000) / 1e9
            alarm = self.loop.call_later(delay, self.ring)
        # Not sooner: without memory for another, the one that is set stays.
        if self.alarm is not None:
            self.alarm.cancel()
        self.alarm = alarm
        self.armed_ns = first
        return 0

    def ring(self):
        """The alarm: tell all that is due, set the next."""
        cdef int64_t now = monotonic_ns()
        cdef int64_t when
        self.alarm = None
        self.armed_ns = now     # what is added meanwhile need not set one
        try:
            while self.ranks.used and self.ranks.heap[0].key <= now:
                when = self.ranks.heap[0].key
                what = self.ranks.pop()
                if not isinstance(what, Alarm):
                    self.hub.time_has_come(what, now)
                elif (<Alarm>what).due_ns == when:
                    (<Alarm>what).due_ns = 0
                    (<Alarm>what).ring(now)
        finally:
            self.arm()

    cdef int sweep(self) except -1:
        """Let go of what does not wait for its time any more."""
        cdef Ranks before = self.ranks
        cdef Py_ssize_t at
        cdef int64_t when
        self.ranks = Ranks()
        for at in range(before.used):
            when = before.heap[at].key
            what = before.slots[before.heap[at].slot]
            if ((<Alarm>what).due_ns == when if isinstance(what, Alarm)
                    else self.hub.waits_for_time(what)):
                self.ranks.push(when, before.heap[at].sequence, what)
        return self.arm()

    cdef list events(self):
        """The events that have a time, in order; some of them do not wait for it any more."""
        return [what for what in self.ranks.things() if not isinstance(what, Alarm)]

    def stop(self):
        """Forget all deadlines."""
        self.ranks = Ranks()
        self.arm()

    def __len__(self):
        return self.ranks.used
