"""Places in the queue: how many there are, and who waits for one.

Rules of residence: blocked senders, first come first served. What is put into a place is the
core's.
"""
import collections

from asyncio import get_running_loop

from collectorqueue._native.seats cimport Seats

from collectorqueue.errors import WrongLoop


cdef class Places(Seats):
    """The room of one queue."""

    def clear(self):
        """Nobody waits."""
        Seats.clear(self)
        self.senders = collections.OrderedDict()
        self.parked = self.reserved = self.handed = 0

    def check_loop(self):
        """Raise WrongLoop unless the queue's own loop is running this."""
        loop = get_running_loop()
        if loop is not self.loop:
            raise WrongLoop(f"a queue is used on its own loop, {self.loop!r}, got {loop!r}")

    def park(self):
        """A future for a place, behind all other blocked senders."""
        self.check_loop()
        place = self.loop.create_future()
        self.senders[place] = None
        self.parked += 1
        if self.reserved == 0:
            self.admit()
        return place

    def unpark(self, place):
        """A blocked sender has gone; a place that was his passes to the next."""
        if place in self.senders:
            del self.senders[place]
            self.parked -= 1
        elif place.done() and not place.cancelled() and place.exception() is None:
            self.reserved -= 1
            self.admit()

    cdef int admit(self) except -1:
        while self.parked and self.queued + self.reserved + self.handed < self.capacity:
            place, _ = self.senders.popitem(False)
            self.parked -= 1
            if not place.done():
                self.reserved += 1
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
