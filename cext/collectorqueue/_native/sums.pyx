"""What is counted of one queue: its ledger, and how long it had how much to do.

Rules of residence: numbers. Whoever changes a count says how late it is, so that averages
come from integrals over time and not from samples.
Theory: the recent past is the difference of two readings. One is made every ten seconds by
whoever is the first to change a count after that: until then nothing had changed, so it is
exact for the instant it was due, and a queue at rest needs no timer for it.
"""
from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memset

from collectorqueue._native.clock cimport monotonic_ns
from collectorqueue._native.counters cimport copy_tally, forget_tally, quantiles_of
from collectorqueue._native.event cimport Hub


cdef class Sums(Hub):
    """The counts of one queue since it was started."""

    def clear(self):
        """Back to an empty ledger."""
        self.accepted = self.ok = self.failed = self.unrouted = 0
        self.dropped = self.aborted = self.queued = self.in_flight = 0
        self.overflow_sends = self.refused_sends = 0
        self.consumers = self.busy = self.blocked = 0
        self.counted_ns = monotonic_ns()
        self.queued_ns = self.busy_ns = self.consumer_ns = self.present_ns = 0
        self.at_cap_ns = 0
        self.at_cap_now = False
        self.hold_ns = 0
        self.sent_ns = self.stayed_ns = 0
        self.holder = None
        self.forget_tallies()
        self.reading_due_ns = self.counted_ns + READING_NS
        self.opened_ns = self.counted_ns

    def __dealloc__(self):
        self.forget_tallies()

    cdef void forget_tallies(self) noexcept:
        cdef int at
        forget_times(&self.times)
        for at in range(READINGS):
            forget_times(&self.readings[at].times)
            self.readings[at].at = 0

    cdef int64_t ended(self) noexcept:
        """Events that have an outcome."""
        return self.ok + self.failed + self.unrouted + self.dropped + self.aborted

    cdef int make_readings(self, int64_t now) except -1:
        """Nothing has changed since they were due; what nobody will look at is skipped."""
        cdef int64_t missed = (now - self.reading_due_ns) // READING_NS + 1
        self.reading_due_ns += max(0, missed - READINGS) * READING_NS
        while self.reading_due_ns <= now:
            self.read(self.reading_due_ns, &self.readings[self.next_reading], True)
            self.next_reading = (self.next_reading + 1) % READINGS
            self.reading_due_ns += READING_NS
        return 0

    cdef int read(self, int64_t at, Reading *reading, bint with_times) except -1:
        """What the sums are at this time, if nothing has changed since the last change."""
        reading.queued_ns = self.queued_ns + <uint64_t>self.queued * <uint64_t>at
        reading.busy_ns = self.busy_ns + <uint64_t>self.busy * <uint64_t>at
        reading.consumer_ns = self.consumer_ns + <uint64_t>self.consumers * <uint64_t>at
        reading.present_ns = (
            self.present_ns + <uint64_t>(self.queued + self.in_flight) * <uint64_t>at)
        reading.accepted = self.accepted
        reading.ended = self.ended()
        if with_times:
            forget_times(&reading.times)
            copy_tally(&reading.times.waits, &self.times.waits)
            copy_tally(&reading.times.services, &self.times.services)
            copy_tally(&reading.times.sojourns, &self.times.sojourns)
        reading.at = at
        return 0

    def recent(self):
        """Of the last minute, up to ten seconds more, or since the start if that is less:
        its seconds; mean numbers of events queued, of consumers busy, of consumers, and of
        events queued or running; how many events were accepted and ended; quantiles of
        waits, services and sojourns, or None where `quantiles` are the same."""
        cdef Reading start, end
        cdef Reading *before = &start
        cdef int64_t now = monotonic_ns()
        cdef double ns
        if now >= self.reading_due_ns:
            self.make_readings(now)
        memset(&start, 0, sizeof(Reading))
        start.at = self.opened_ns
        if self.readings[self.next_reading].at:
            before = &self.readings[self.next_reading]     # the oldest
        self.read(now, &end, False)
        # What changes from now on is not to be dated back behind this reading.
        self.counted_ns = max(self.counted_ns, now)
        ns = max(1, end.at - before.at)
        return (
            ns / 1e9,
            grown(before.queued_ns, end.queued_ns) / ns,
            grown(before.busy_ns, end.busy_ns) / ns,
            grown(before.consumer_ns, end.consumer_ns) / ns,
            grown(before.present_ns, end.present_ns) / ns,
            end.accepted - before.accepted,
            end.ended - before.ended,
            None if before is &start else quantiles_of_times(&self.times, &before.times),
        )

    def little_residual(self):
        """Conservation, as a share: what events stayed, by their own stamps, against how many
        were present when. Anything but 0.0 is an event lost, doubled or stamped wrongly."""
        cdef uint64_t now = <uint64_t>monotonic_ns()
        cdef uint64_t count = <uint64_t>(self.queued + self.in_flight)
        cdef uint64_t present = self.present_ns + count * now
        cdef int64_t off = <int64_t>(present - (count * now - self.sent_ns + self.stayed_ns))
        return abs(off) / max(1.0, <double>present)

    def quantiles(self):
        """Of waits, services and sojourns since the start, as `quantiles_of` gives them."""
        cdef Times nothing
        memset(&nothing, 0, sizeof(Times))
        return quantiles_of_times(&self.times, &nothing)

    @property
    def at_cap(self):
        """Seconds in which events waited and the pool was at its largest."""
        cdef uint64_t now = <uint64_t>monotonic_ns() if self.at_cap_now else 0
        return (self.at_cap_ns + now) / 1e9

    @property
    def longest_hold(self):
        """(seconds, the collector's Step or None) of the run that held the loop longest."""
        return self.hold_ns / 1e9, self.holder


cdef inline double grown(uint64_t before, uint64_t after) noexcept:
    """What an integral has grown by; the two may have wrapped."""
    return <double>max(0, <int64_t>(after - before))


cdef void forget_times(Times *times) noexcept:
    forget_tally(&times.waits)
    forget_tally(&times.services)
    forget_tally(&times.sojourns)


cdef tuple quantiles_of_times(Times *times, Times *before):
    return (quantiles_of(&times.waits, &before.waits),
            quantiles_of(&times.services, &before.services),
            quantiles_of(&times.sojourns, &before.sojourns))
