"""One structure for all deadlines of one queue: a heap, and one alarm for its first entry.

Rules of residence: when, not what. What is due is handed to `on_due`, which knows whether
it still matters. An idle heap sets no alarm.
"""
import heapq

cimport cython
from libc.stdint cimport int64_t

from collectorqueue._native.clock cimport monotonic_ns


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
        self.alarm = None
        self.armed_ns = 0
        while self.heap and self.heap[0][0] <= now:
            self.on_due(heapq.heappop(self.heap)[2])
        self.arm()

    def keep(self, wanted):
        """Drop every entry whose object is not `wanted(it)`."""
        self.heap = [entry for entry in self.heap if wanted(entry[2])]
        heapq.heapify(self.heap)
        self.arm()

    def stop(self):
        """Forget all deadlines."""
        self.heap = []
        self.arm()

    def __len__(self):
        return len(self.heap)
