"""What is counted of one queue: its ledger, and how long it had how much to do.

Rules of residence: numbers. Whoever changes a count says how late it is, so that averages
come from integrals over time and not from samples.
"""
from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memset

from collectorqueue._native.clock cimport monotonic_ns
from collectorqueue._native.counters cimport Tally, free_tally, quantiles_of
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
        self.queued_ns = self.busy_ns = self.consumer_ns = self.present_ns = 0
        self.at_cap_ns = 0
        self.at_cap_now = False
        self.wait_ns = self.service_ns = 0
        self.hold_ns = 0
        self.sent_ns = self.stayed_ns = 0
        self.holder = None
        forget_tally(&self.wait_times)
        forget_tally(&self.service_times)
        forget_tally(&self.sojourn_times)

    def __dealloc__(self):
        free_tally(&self.wait_times)
        free_tally(&self.service_times)
        free_tally(&self.sojourn_times)

    def totals(self):
        """Sums since the start: (now, queued, busy, consumers) in ns of the clock and of
        event- and consumer-nanoseconds, which wrap at 2**64; accepted, started, ended; wait
        and service in ns."""
        cdef uint64_t now = <uint64_t>monotonic_ns()
        ended = self.ok + self.failed + self.unrouted + self.dropped + self.aborted
        return (now, self.queued_ns + <uint64_t>self.queued * now,
                self.busy_ns + <uint64_t>self.busy * now,
                self.consumer_ns + <uint64_t>self.consumers * now,
                self.accepted, self.started, ended, self.wait_ns, self.service_ns)

    def little_residual(self):
        """Conservation, as a share: what events stayed, by their own stamps, against how many
        were present when. Anything but 0.0 is an event lost, doubled or stamped wrongly."""
        cdef uint64_t now = <uint64_t>monotonic_ns()
        cdef uint64_t count = <uint64_t>(self.queued + self.in_flight)
        cdef uint64_t present = self.present_ns + count * now
        cdef int64_t off = <int64_t>(present - (count * now - self.sent_ns + self.stayed_ns))
        return abs(off) / max(1.0, <double>present)

    def quantiles(self):
        """Of waits, services and sojourns, as `quantiles_of` gives them."""
        return (quantiles_of(&self.wait_times), quantiles_of(&self.service_times),
                quantiles_of(&self.sojourn_times))

    @property
    def at_cap(self):
        """Seconds in which events waited and the pool was at its largest."""
        cdef uint64_t now = <uint64_t>monotonic_ns() if self.at_cap_now else 0
        return (self.at_cap_ns + now) / 1e9

    @property
    def longest_hold(self):
        """(seconds, the collector's Step or None) of the run that held the loop longest."""
        return self.hold_ns / 1e9, self.holder


cdef void forget_tally(Tally *tally) noexcept:
    free_tally(tally)
    memset(tally, 0, sizeof(Tally))
