"""The consumers of one queue, as it sees them: who is idle, who may leave, whose turn it is.

Rules of residence: how many, not how many there should be: that is told from outside. A
consumer is a Seat here; what it does between two events is its own.
"""
from libc.stdint cimport int64_t

from collectorqueue._native.clock cimport monotonic_ns
from collectorqueue._native.event cimport RUNNING
from collectorqueue._native.sums cimport Sums, count_consumers, note_cap

cdef enum:
    SLICE_NS = 1_000_000    # of one loop turn, for the whole pool: the loop stays free


cdef class Seat:
    """What the core knows of a consumer."""

    cdef int abort(self, str why) except -1:
        """Cancel what it runs."""
        return 0

    cdef int abort_item(self, CollectorEvent item, str why) except -1:
        """Discard what comes of one event of the batch that it runs."""
        return 0

    cdef int collect_now(self, object caller) except -1:
        """Take the one event that waits, and begin with it in the step of the calling task."""
        return 0

    cpdef int disown(self) except -1:
        """Leave it to itself: what it still runs was given up."""
        return 0


cdef class Seats(Sums):
    """The seats that consumers take, and give up."""

    def clear(self):
        """Nobody is there."""
        Sums.clear(self)
        self.seats = {}
        self.idle = []
        self.peak_consumers = self.vacant = 0
        self.excess = self.coming = self.turning = 0
        self.in_slice = self.is_loop_bound = False
        self.peak_demand = 0

    def attend(self, loop, context):
        """This loop is the one that turns."""
        self.loop = loop
        self.create_future = loop.create_future
        self.call_soon = loop.call_soon
        self.base_context = context

    # -- how many -----------------------------------------------------------------

    def add_seats(self, Py_ssize_t count):
        """That many consumers are being started."""
        count_consumers(self, count, monotonic_ns())
        self.coming += count
        self.peak_consumers = max(self.peak_consumers, self.consumers)

    cdef int vacate(self) except -1:
        """A consumer has left without being told to; its seat waits for a successor."""
        self.vacant += 1
        self.coming += 1
        return 0

    def fill_seats(self, Py_ssize_t count):
        """Successors of so many are being started."""
        self.vacant -= count

    def lose_seats(self, Py_ssize_t count):
        """So many who have left get no successors."""
        self.vacant -= count
        self.give_up_seats(count)

    def give_up_seats(self, Py_ssize_t count):
        """So many that were to be started are not."""
        self.coming -= count
        count_consumers(self, -count, monotonic_ns())

    def reclaim(self, Py_ssize_t count):
        """Keep consumers that were told to leave; returns how many of `count` were."""
        cdef Py_ssize_t kept = min(count, self.excess)
        self.excess -= kept
        count_consumers(self, kept, monotonic_ns())
        return kept

    def retire(self, Py_ssize_t count):
        """Let consumers go: idle ones now, the longest idle first, busy ones after their event.

        As many as are there, at the most: vacant seats are not for this to give up.
        """
        cdef Seat seat
        cdef Py_ssize_t idle
        count = min(count, self.consumers - self.vacant)
        idle = min(count, len(self.idle))
        for seat in self.idle[:idle]:
            seat.retiring = True
            if not seat.bell.done():
                seat.bell.set_result(None)
        del self.idle[:idle]
        self.excess += count - idle
        count_consumers(self, -count, monotonic_ns())

    def set_max_consumers(self, Py_ssize_t maximum):
        self.max_consumers = maximum
        note_cap(self, monotonic_ns())

    # -- what they do -------------------------------------------------------------

    @property
    def starting(self):
        return self.coming

    def running(self):
        """The events that run now."""
        return [(<Seat>seat).event for seat in self.seats
                if (<Seat>seat).event is not None
                and (<Seat>seat).event.state == RUNNING]

    def abort_running(self, str why):
        """Cancel everything that runs."""
        for seat in list(self.seats):
            if (<Seat>seat).event is not None:
                (<Seat>seat).abort(why)

    def disown_running(self):
        """What still runs was given up: it must not touch what comes after this run."""
        for seat in list(self.seats):
            if (<Seat>seat).event is not None:
                (<Seat>seat).disown()

    cdef int wake_one(self) except -1:
        """Wake the consumer that went idle last; it will wake the next if it must wait."""
        cdef Seat seat
        while self.idle:
            seat = self.idle.pop()
            if not seat.bell.done():
                self.coming += 1
                seat.woken = True
                seat.bell.set_result(None)
                return 0
        return 0

    cdef int begin_slice(self, int64_t now) except -1:
        self.in_slice = True
        self.slice_end = now + SLICE_NS
        # Bound anew each time: kept, it would be a circle that nothing could break, since
        # neither it nor a core can be cleared.
        self.call_soon(self.end_slice, context=self.base_context)
        return 0

    def end_slice(self):
        self.in_slice = False
