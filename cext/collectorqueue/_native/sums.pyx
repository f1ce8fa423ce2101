"""What is counted of one queue: its ledger, and how long it had how much to do.

Rules of residence: numbers. Whoever changes a count says first how late it is
(`count_time`), so that averages come from integrals over time and not from samples.
"""
from libc.stdint cimport int64_t

from collectorqueue._native.clock cimport monotonic_ns
from collectorqueue._native.event cimport Hub


cdef class Sums(Hub):
    """The counts of one queue since it was started."""

    def clear(self):
        """Back to an empty ledger."""
        self.accepted = self.ok = self.failed = self.unrouted = 0
        self.dropped = self.aborted = self.queued = self.in_flight = 0
        self.overflow_sends = self.started = 0
        self.consumers = self.busy = self.blocked = 0
        self.counted_ns = monotonic_ns()
        self.queued_ns = self.busy_ns = self.consumer_ns = 0
        self.wait_ns = self.service_ns = 0

    def totals(self):
        """Sums since the start: (now, queued, busy, consumers) in ns of the clock and of
        event- and consumer-nanoseconds; accepted, started, ended; wait and service in ns."""
        count_time(self, monotonic_ns())
        ended = self.ok + self.failed + self.unrouted + self.dropped + self.aborted
        return (self.counted_ns, self.queued_ns, self.busy_ns, self.consumer_ns,
                self.accepted, self.started, ended, self.wait_ns, self.service_ns)
