"""The door of a queue: who may send now, and what becomes of a payload without room.

Rules of residence: deciding about one payload; how it is put is the core's. `hand_over` is
for other threads, and takes no lock: between looking for room and taking it no Python code
runs, so that the interpreter's own lock makes it one step. The loop is woken once for all
that is handed over until it looks.
"""
import enum

from collectorqueue._native.context cimport Scope
from collectorqueue._native.event cimport CollectorEvent
from collectorqueue._native.payload cimport Payload
from collectorqueue._native.places cimport Places

from collectorqueue.errors import QueueClosed, QueueFull, QueueNotStarted, WrongThread

cdef enum:
    AT_ONCE = 1000          # accepted in one turn of the loop: less than a millisecond


class Overflow(enum.StrEnum):
    """What happens to a send when the queue is full."""

    WAIT = "wait"
    REJECT = "reject"
    DROP_OLDEST = "drop_oldest"
    DROP_INCOMING = "drop_incoming"


cdef class Door(Places):
    """Who may send to one queue now."""

    def clear(self):
        """Nothing is handed over."""
        Places.clear(self)
        self.handed_over = []
        self.taking = []
        self.taken = self.handed = 0
        self.oldest_dropped = self.incoming_dropped = 0
        self.rung = False

    def bound_bytes(self, most, measure):
        Places.bound_bytes(self, most, measure)
        self.threads_must_ask = True

    @property
    def is_here(self):
        """Whether the queue's own thread is asking."""
        return this_thread() == self.thread

    def check_accepting(self):
        """Raise what a send raises that comes too early or too late, in any thread."""
        if self.phase == NEW:
            raise QueueNotStarted(
                "the queue is not started: use `async with queue` or `await queue.start()`")
        if self.phase == BROKEN:
            raise self.failure
        if self.phase == CLOSED:
            raise QueueClosed("the queue is closed")
        if self.phase == DRAINING and self.inside() is None:
            raise QueueClosed("the queue is draining: only its handlers may still send")

    def check_thread(self, str what):
        """Raise WrongThread if it runs, in another thread than that which calls."""
        if self.phase in (OPEN, DRAINING) and this_thread() != self.thread:
            if not self.loop.is_closed():
                raise WrongThread(
                    f"{what} is set in the thread of its queue, {self.thread}, "
                    f"got {this_thread()}")

    cdef int has_room(self, Payload payload, bint may_wait) except -1:
        """The cases that are not plain; a Room, or an error."""
        cdef Scope scope
        cdef Py_ssize_t taken
        cdef int64_t size
        self.check_accepting()
        if this_thread() != self.thread:
            raise WrongThread(
                f"a queue is used from the thread it was started in, {self.thread}, "
                f"got a send from {this_thread()}"
            )
        scope = self.inside()
        self.measured = None        # it may have been refused, and changed, since
        size = self.size_of(payload)
        taken = self.queued + self.reserved + self.handed
        # A place that came free belongs to those who wait for one, in order.
        if (taken < self.capacity and self.has_bytes(size, 1)
                and (scope is not None or not (self.reserved or self.parked))):
            return ROOM
        if self.drops_oldest or self.drops_incoming:
            self.take_all()     # those are older
            while (self.queued + self.reserved >= self.capacity
                    or not self.has_bytes(size, 1)):
                if self.drops_incoming or not self.make_room(payload):
                    return NEVER
            return ROOM
        if self.waits_when_full and scope is not None:
            # To wait in a handler for its own queue would be a deadlock.
            if taken < 2 * self.capacity and self.has_bytes(size, 2):
                self.overflow_sends += 1
                return ROOM
            self.refuse(f"the queue holds twice its capacity of {self.bound()}, and a handler "
                        "that waited for room would wait for itself")
        if self.waits_when_full and may_wait:
            return NOT_NOW
        self.refuse(f"the queue is full: its capacity is {self.bound()}")

    cdef bint has_bytes(self, int64_t size, int64_t times) noexcept:
        """Whether there are so many bytes left, of the bound or of that many times it."""
        return (not self.max_bytes
                or self.queued_bytes + self.reserved_bytes + size <= times * self.max_bytes)

    def bound(self):
        """What it may hold, in words."""
        text = f"{self.capacity} events"
        return f"{text} and {self.max_bytes} bytes" if self.max_bytes else text

    cdef int refuse(self, str why) except -1:
        self.refused_sends += 1
        self.measured = None
        if self.on_overflow is not None:
            self.on_overflow()
        raise QueueFull(why, self.capacity)

    cdef bint make_room(self, Payload payload) except -1:
        """Drop the event that is least wanted; False: that is this payload."""
        return False

    cdef Scope inside(self):
        """The scope of the handler of this queue that is calling; None from outside."""
        return None

    # -- from other threads ---------------------------------------------------------

    cdef bint hand_over(self, Payload payload) except -1:
        """In any thread: take a payload, if there is a place for it; it will be accepted.

        False: not like this, or there is no place now. Raises RuntimeError when the loop
        has been closed.
        """
        if (self.phase != OPEN or self.threads_must_ask or self.parked or self.reserved
                or self.queued + self.handed >= self.capacity
                or this_thread() == self.thread):
            return False
        self.handed += 1
        try:
            self.handed_over.append(payload)
        except BaseException:
            self.handed -= 1
            raise
        payload.sealed = True
        if not self.rung:
            self.rung = True
            try:
                self.loop.call_soon_threadsafe(self.take_some)
            except BaseException:
                # The loop has ended, or an interrupt has come: what raises was never accepted.
                self.rung = False
                self.take_back(payload)
                raise
        return True

    cdef int take_back(self, Payload payload) except -1:
        """Give up a payload that was handed over, if it is not accepted yet."""
        cdef Py_ssize_t at
        for at in range(len(self.handed_over) - 1, -1, -1):
            if self.handed_over[at] is payload:
                del self.handed_over[at]
                self.handed -= 1
                break
        if self.handed and not self.loop.is_closed():
            self.rung = True    # others rely on that call
            self.loop.call_soon_threadsafe(self.take_some)
        return 0

    def take_all(self):
        """On the loop: accept all that was handed over."""
        self.take_in(self.handed)

    def full_for_threads(self, str why not None):
        """In any thread: the error of a send that found no room, which is counted."""
        self.refused_sends += 1
        self.measured = None
        if self.on_overflow is not None and not self.loop.is_closed():
            self.loop.call_soon_threadsafe(self.on_overflow)
        return QueueFull(why, self.capacity)

    def take_some(self):
        """On the loop: accept what was handed over, or a part of it and the rest later."""
        self.rung = False
        try:
            self.take_in(AT_ONCE if self.phase == OPEN else self.handed)
        finally:
            if self.handed and not self.rung:
                self.rung = True
                self.call_soon(self.take_some)

    cdef int take_in(self, Py_ssize_t most) except -1:
        """Accept so many that were handed over, in order."""
        cdef Payload payload
        while most > 0 and self.handed > 0:
            if self.taken == len(self.taking):
                self.taking = self.handed_over
                self.handed_over = []
                self.taken = 0
            payload = <Payload>self.taking[self.taken]
            self.taking[self.taken] = None
            self.taken += 1
            most -= 1
            self.handed -= 1
            self.accept(payload)
        return 0

    cdef CollectorEvent accept(self, Payload payload):
        """Put it, and return its event."""
        return None
