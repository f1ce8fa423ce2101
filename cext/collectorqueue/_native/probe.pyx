"""A lane to try by hand, without a queue around it.

Rules of residence: what tests and benchmarks of the lanes need.
"""
cimport cython
from libc.stdint cimport int64_t

from collectorqueue._native.event cimport ABORTED, CollectorEvent
from collectorqueue._native.lanes cimport make_lane
from collectorqueue._native.untracked cimport track


@cython.final
cdef class Probe:
    """One lane, driven with bare payloads."""

    def __cinit__(self, queue_type="fifo", int64_t default_priority=1000,
                  int64_t ageing=10_000):
        self.lane = make_lane(queue_type, default_priority, ageing)

    def put(self, payload):
        """Queue a payload; returns its event."""
        cdef CollectorEvent event = CollectorEvent.__new__(CollectorEvent)
        self.sequence += 1
        event.id = self.sequence
        event.payload = payload
        track(event)
        self.lane.push(event)
        return event

    def get(self):
        """The next payload; IndexError when there is none."""
        cdef CollectorEvent event = self.lane.pop()
        if event is None:
            raise IndexError("the lane is empty")
        return event.payload

    def drop(self, CollectorEvent event not None):
        """End an event where it waits."""
        event.state = ABORTED
        self.lane.forget(event)

    def payloads(self):
        """All that waits, next one first."""
        return [(<CollectorEvent>event).payload for event in self.lane.events()]

    def places(self):
        """How many places the lane has allocated, and how many hold an event."""
        held = sum(1 for slot in self.lane.slots if slot is not None)
        return len(self.lane.slots), held

    def __len__(self):
        return len(self.lane)
