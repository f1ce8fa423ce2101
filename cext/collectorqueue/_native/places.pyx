"""Places in the queue: how many there are, and who waits for one.

Rules of residence: blocked senders, first come first served. What is put into a place is the
core's.
"""
import collections

from asyncio import get_running_loop

from libc.stdint cimport int64_t

from collectorqueue._native.payload cimport Payload
from collectorqueue._native.seats cimport Seats

from collectorqueue.errors import PayloadTooLarge, WrongLoop

cdef int64_t MOST = 2**32 - 1   # bytes of one payload, where they are counted


cdef class Places(Seats):
    """The room of one queue."""

    def clear(self):
        """Nobody waits."""
        Seats.clear(self)
        self.senders = collections.OrderedDict()
        self.parked = self.reserved = self.handed = 0
        self.queued_bytes = self.reserved_bytes = 0
        self.reserved_sizes = {}
        self.measured = None

    def bound_bytes(self, int64_t most, measure):
        """Hold so many bytes at most, as `measure(value)` counts them."""
        self.max_bytes = most
        self.measure = measure

    cdef int64_t size_of(self, Payload payload) except -1:
        """A payload's bytes; 0 if they are not counted. Raises PayloadTooLarge."""
        cdef int64_t size
        if not self.max_bytes:
            return 0
        if payload is self.measured:
            return self.measured_size
        size = self.measure(payload.value)
        if size > self.max_bytes or size > MOST:
            raise PayloadTooLarge(
                f"a payload of {size} bytes never fits: at most "
                f"{min(self.max_bytes, MOST)} are taken")
        self.measured = payload
        self.measured_size = size
        return size

    def check_loop(self):
        """Raise WrongLoop unless the queue's own loop is running this."""
        loop = get_running_loop()
        if loop is not self.loop:
            raise WrongLoop(f"a queue is used on its own loop, {self.loop!r}, got {loop!r}")

    def bytes_of(self, Payload payload not None):
        """The same as `size_of`."""
        return self.size_of(payload)

    def park(self, int64_t size=0):
        """A future for a place, behind all other blocked senders."""
        self.check_loop()
        self.measured = None
        place = self.loop.create_future()
        self.senders[place] = size
        self.parked += 1
        if self.reserved == 0:
            self.admit()
        return place

    def unpark(self, place):
        """A blocked sender has gone; a place that was his passes to the next."""
        if place in self.senders:
            del self.senders[place]
            self.parked -= 1
            if self.max_bytes:
                self.admit()        # he may have been too large for what there is
        elif place.done() and not place.cancelled() and place.exception() is None:
            self.give_place(place)
            self.admit()

    cdef int give_place(self, object place) except -1:
        """A place is not reserved any more."""
        self.reserved -= 1
        if self.max_bytes:
            self.reserved_bytes -= self.reserved_sizes.pop(place, 0)
        return 0

    cdef int admit(self) except -1:
        cdef int64_t size
        while self.parked and self.queued + self.reserved + self.handed < self.capacity:
            if self.max_bytes:
                size = next(iter(self.senders.values()))
                if self.queued_bytes + self.reserved_bytes + size > self.max_bytes:
                    break
            place, size = self.senders.popitem(False)
            self.parked -= 1
            if not place.done():
                self.reserved += 1
                if self.max_bytes:
                    self.reserved_bytes += size
                    self.reserved_sizes[place] = size
                place.set_result(None)
        return 0

    def refuse_senders(self, error):
        senders = self.senders
        self.senders = collections.OrderedDict()
        self.parked = 0
        for place in senders:
            if not place.done():
                place.set_exception(error)
                place.exception()   # whoever waits still gets it; nobody is warned twice
