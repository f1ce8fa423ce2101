"""Which of the waiting events to give up first, when one must go.

Rules of residence: a second order of events that wait in another one. What has left is
found out late, when it comes up or when it is the majority.
"""
import heapq

cimport cython
from libc.stdint cimport int64_t

from collectorqueue._native.event cimport BATCH, PART, QUEUED, CollectorEvent
from collectorqueue._native.payload cimport Payload

cdef enum:
    FEW = 32                # that have left, and are not worth a sweep


@cython.final
cdef class Worst:
    """The longest waiting first; by priority, of those that are least urgent."""

    def __cinit__(self, bint by_priority, int64_t default_priority, int places):
        self.heap = []
        self.by_priority = by_priority
        self.default_priority = default_priority
        self.places = places

    cdef int64_t number(self, Payload payload) noexcept:
        return number_of(payload, self.default_priority)

    cdef bint holds(self, CollectorEvent event) noexcept:
        return (event.state == QUEUED and event.start_ns == 0
                and self.places >> event.place & 1)

    cdef int push(self, CollectorEvent event, Py_ssize_t waiting) except -1:
        """This event waits, with so many."""
        if event.flags & (PART | BATCH) or event.start_ns:
            return 0        # what has started is not given up
        number = -self.number(event.payload) if self.by_priority else 0
        heapq.heappush(self.heap, (number, event.id, event))
        return self.trim(None, waiting)

    cdef int trim(self, CollectorEvent leaving, Py_ssize_t waiting) except -1:
        """Let go of those that left long ago, and of one that does now."""
        if len(self.heap) > FEW + 2 * waiting or not waiting:
            # Each once: it may have waited here and there.
            self.heap = list({
                each[2]: each for each in self.heap
                if each[2] is not leaving and self.holds(each[2])
            }.values())
            heapq.heapify(self.heap)
        return 0

    cdef CollectorEvent first(self, Payload incoming):
        """The event to give up; None: there is none, or rather what comes in."""
        cdef CollectorEvent event
        while self.heap:
            event = self.heap[0][2]
            if self.holds(event):
                if (self.by_priority
                        and self.number(incoming) > self.number(event.payload)):
                    return None
                return event
            heapq.heappop(self.heap)
        return None

    cdef bint less_wanted(self, CollectorEvent one, CollectorEvent other) noexcept:
        """Whether to give up the one before the other."""
        cdef int64_t first = self.number(one.payload)
        cdef int64_t second = self.number(other.payload)
        if self.by_priority and first != second:
            return first > second
        return one.id < other.id
