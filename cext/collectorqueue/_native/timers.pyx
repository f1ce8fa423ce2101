"""One structure for all deadlines of one queue: a heap, and one alarm for its first entry.

Rules of residence: when, not what. What is due is handed to `on_due`, which knows whether
it still matters. An idle heap sets no alarm.
"""
import heapq

cimport cython
from libc.stdint cimport int64_t

from collectorqueue._native.clock cimport monotonic_ns


cdef class Alarm:
    """What is told at a time; it has one at most, the last that was set."""

    cdef int ring(self, int64_t now) except -1:
        return 0


@cython.final
cdef class Timers:
    """Deadlines in nanoseconds of the core's clock, in order; O(log n) an entry."""

    def __cinit__(self, loop, on_due):
        self.loop = loop
        self.on_due = on_due
        self.heap = []

    cdef int add(self, int64_t when_ns, object what) except -1:
        self.sequence += 1
        heapq.heappush(self.heap, (when_ns, self.sequence, what))
        if self.armed_ns == 0 or when_ns < self.armed_ns:
            self.arm()
        return 0

    cdef int set_alarm(self, Alarm what, int64_t when_ns) except -1:
        """Have it ring then, and not when it was to before."""
        what.due_ns = when_ns
        return self.add(when_ns, what)

    cdef int arm(self) except -1:
        if self.alarm is not None:
            self.alarm.cancel()
            self.alarm = None
        self.armed_ns = 0
        if self.heap:
            self.armed_ns = self.heap[0][0]
            # A loop may round down: at least a microsecond, so that it cannot spin.
            delay = max(self.armed_ns - monotonic_ns(), 1000) / 1e9
            self.alarm = self.loop.call_later(delay, self.ring)
        return 0

    def ring(self):
        """The alarm: hand over all that is due, set the next."""
        cdef int64_t now = monotonic_ns()
        cdef int64_t when
        self.alarm = None
        self.armed_ns = now     # what is added meanwhile need not set one
        try:
            while self.heap and self.heap[0][0] <= now:
                when, _, what = heapq.heappop(self.heap)
                if not isinstance(what, Alarm):
                    self.on_due(what)
                elif (<Alarm>what).due_ns == when:
                    (<Alarm>what).due_ns = 0
                    (<Alarm>what).ring(now)
        finally:
            self.arm()

    def keep(self, wanted):
        """Drop every entry whose object is not `wanted(it)`, or an Alarm set otherwise."""
        self.heap = [
            entry for entry in self.heap
            if ((<Alarm>entry[2]).due_ns == entry[0] if isinstance(entry[2], Alarm)
                else wanted(entry[2]))
        ]
        heapq.heapify(self.heap)
        self.arm()

    def stop(self):
        """Forget all deadlines."""
        self.heap = []
        self.arm()

    def __len__(self):
        return len(self.heap)
