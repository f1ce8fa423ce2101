"""Where queued events wait: FIFO ring, LIFO stack, PRIORITY heap.

Rules of residence: order only. Bounds, senders and counts live in the core; no sentinel
ever enters a lane. Events sit in a Python list, so that the garbage collector sees them.
The last reference to an event may be one of a lane, and then the destructor of its payload
runs, which may send and cancel: nothing is let go before the lane is in order again.
An event that ends while it waits (cancelled, expired) stays as a dead entry until its turn
or until dead entries are the majority, so giving one up costs O(1) on average.
"""
import enum
import heapq
from operator import attrgetter

cimport cython
from cpython.ref cimport PyObject
from libc.stdint cimport int64_t

from collectorqueue._native.event cimport (
    ABORTED, BATCH, IN_LANE, LATE, PART, QUEUED, RETURNED, CollectorEvent,
)
from collectorqueue._native.payload cimport Payload
from collectorqueue._native.ranks cimport Ranks, size_of, slot_put, slot_take
from collectorqueue._native.worst cimport Worst, number_of

cdef extern from "Python.h":
    bint PyGC_Disable()
    bint PyGC_Enable()


class QueueType(enum.StrEnum):
    """In which order queued events are taken."""

    FIFO = "fifo"
    LIFO = "lifo"
    PRIORITY = "priority"


cdef enum:
    SMALLEST = 64           # places; a queue that never holds more costs 512 bytes
    KEPT = 65536            # an empty lane larger than this gives its memory back
    FEW = 32                # dead entries that are not worth a sweep


# What stands where an event was that left, and may come back.
cdef CollectorEvent DEAD = CollectorEvent.__new__(CollectorEvent)
DEAD.state = ABORTED


cdef Lane make_lane(object queue_type, int64_t default_priority, int64_t ageing,
                    bint drops=False):
    """`drops`: `least_wanted` will be asked."""
    cdef PriorityLane by_priority
    if queue_type == "fifo":
        return FifoLane()
    if queue_type == "lifo":
        return LifoLane()
    by_priority = PriorityLane()
    by_priority.default_priority = default_priority
    by_priority.ageing = ageing
    if drops:
        by_priority.worst = Worst(True, default_priority, 1 << IN_LANE)
    return by_priority


cdef Lane make_sorted_lane(object queue_type, int64_t default_priority, int64_t ageing,
                           bint drops=False):
    """The same for events that come as they were taken from the first: it makes the order
    anew, which a stack would turn round."""
    cdef PriorityLane by_number
    if queue_type != "lifo":
        return make_lane(queue_type, default_priority, ageing, drops)
    by_number = PriorityLane()
    by_number.newest_first = True
    if drops:
        by_number.worst = Worst(False, 0, 1 << IN_LANE)
    return by_number


cdef inline bint holds(Lane lane, CollectorEvent event) noexcept:
    """Whether an entry is not a dead one: its event waits, and here."""
    return event.state == QUEUED and event.place == lane.place


cdef inline bint is_droppable(CollectorEvent event) noexcept:
    """Whether it may be given up for another: it is an event, and has not started."""
    return not event.flags & (PART | BATCH) and event.start_ns == 0


cdef class Lane:
    """The order of waiting; `push` and `pop` are O(1), O(log n) under PRIORITY."""

    def __cinit__(self):
        self.slots = [None] * SMALLEST

    cdef int push(self, CollectorEvent event) except -1:
        raise TypeError("a Lane is FifoLane, LifoLane or PriorityLane")

    cdef CollectorEvent pop(self):
        return None

    cdef list events(self):
        """The waiting events, next one first."""
        return []

    cdef int refill(self, list events) except -1:
        """Hold exactly these, as `events()` gave them."""
        return 0

    cdef int forget(self, CollectorEvent left) except -1:
        """This event waits here no more: it has ended, or is about to begin out of turn.

        Sweeps when such are the majority.
        """
        cdef bint collects
        self.gone += 1
        if self.gone > FEW and self.gone * 2 > self.used:
            # Before Python 3.12 it may collect at any allocation, and so run destructors.
            collects = PyGC_Disable()
            try:
                self.refill([event for event in self.events() if event is not left])
            finally:
                if collects:
                    PyGC_Enable()
        return 0

    cdef int bury(self, CollectorEvent left) except -1:
        """The same for one that may come back: what stands in its place is dead for good."""
        cdef Py_ssize_t at
        # Mostly one that came lately.
        for at in range(len(self.slots) - 1, -1, -1):
            if self.slots[at] is left:
                self.slots[at] = DEAD
                break
        return self.forget(left)

    cdef CollectorEvent first(self):
        """The next one, which stays; None: there is none. What is gone is passed once."""
        return None

    cdef CollectorEvent least_wanted(self, Payload incoming):
        """The event to give up for one that comes in; None: there is none, or rather that.

        It has waited longest, and has not started. Asked again and again it stays cheap.
        """
        return None

    cdef int stand_at(self, char place) except -1:
        """Where its events are."""
        self.place = place
        return 0

    cdef Lane put_back(self, CollectorEvent event):
        """Take an event in that came before others did; returns the lane to use now."""
        self.push(event)
        return self

    def __len__(self):
        return self.used - self.gone


@cython.final
cdef class FifoLane(Lane):
    """First in, first out: a ring."""

    cdef int push(self, CollectorEvent event) except -1:
        cdef Py_ssize_t size = size_of(<PyObject *>self.slots)
        if self.used == size:
            self.grow()
            size = len(self.slots)
        slot_put(<PyObject *>self.slots, (self.head + self.used) & (size - 1),
                 <PyObject *>event)
        self.used += 1
        return 0

    cdef CollectorEvent pop(self):
        cdef Py_ssize_t size
        cdef CollectorEvent event
        while self.used:
            size = size_of(<PyObject *>self.slots)
            event = <CollectorEvent>slot_take(<PyObject *>self.slots, self.head)
            self.used -= 1
            # Empty: from the start again, where the places are still in the cache.
            self.head = (self.head + 1) & (size - 1) if self.used else 0
            if holds(self, event):
                return event
            self.gone -= 1
            event = None
        if size_of(<PyObject *>self.slots) > KEPT:
            self.slots = [None] * SMALLEST
        return None

    cdef CollectorEvent least_wanted(self, Payload incoming):
        cdef CollectorEvent event = self.first()
        if event is None or is_droppable(event):
            return event
        for event in self.events():
            if is_droppable(event):
                return event
        return None

    cdef CollectorEvent first(self):
        cdef Py_ssize_t size
        cdef CollectorEvent event
        while self.used:
            size = len(self.slots)
            event = <CollectorEvent>self.slots[self.head]
            if holds(self, event):
                return event
            self.slots[self.head] = None
            self.used -= 1
            self.gone -= 1
            self.head = (self.head + 1) & (size - 1) if self.used else 0
            event = None
        return None

    cdef Lane put_back(self, CollectorEvent event):
        cdef MergingLane merging = MergingLane()
        merging.ring = self
        return merging.put_back(event)

    cdef int grow(self) except -1:
        cdef Py_ssize_t size = len(self.slots)
        cdef bint collects = PyGC_Disable()     # see forget
        try:
            # Laid out from the start again, so that the new mask fits.
            slots = self.slots[self.head:] + self.slots[:self.head] + [None] * size
            self.slots = slots
            self.head = 0
        finally:
            if collects:
                PyGC_Enable()
        return 0

    cdef list events(self):
        cdef Py_ssize_t size = len(self.slots)
        cdef Py_ssize_t at
        cdef list found = []
        for at in range(self.used):
            event = self.slots[(self.head + at) & (size - 1)]
            if holds(self, <CollectorEvent>event):
                found.append(event)
        return found

    cdef int refill(self, list events) except -1:
        cdef Py_ssize_t size = SMALLEST
        while size < len(events):
            size *= 2
        before = self.slots     # until this returns
        self.slots = events + [None] * (size - len(events))
        self.head = 0
        self.used = len(events)
        self.gone = 0
        return 0


@cython.final
cdef class MergingLane(Lane):
    """First in, first out, for events too that come back after others came in.

    Three lanes that are each in order: what comes in, what comes back in order, as mostly
    it does, and what does not. The first of their firsts is next.
    """

    def __cinit__(self):
        self.returned = FifoLane()
        self.late = PriorityLane()

    cdef int push(self, CollectorEvent event) except -1:
        self.ring.push(event)
        return self.add_up()

    cdef Lane put_back(self, CollectorEvent event):
        if self.returned.used == 0 or event.id > self.last_returned:
            event.flags |= RETURNED
            self.last_returned = event.id
            self.returned.push(event)
        else:
            event.flags |= LATE
            self.late.push(event)
        self.add_up()
        return self

    cdef CollectorEvent pop(self):
        cdef CollectorEvent event = None, other
        cdef Lane lane
        while event is None and (self.ring.used or self.returned.used or self.late.used):
            if not self.returned.used and not self.late.used:
                event = self.ring.pop()
                break
            event = self.ring.first()
            other = self.returned.first()
            if event is None or (other is not None and other.id < event.id):
                event = other
            other = self.late.first()
            if event is None or (other is not None and other.id < event.id):
                event = other
            if event is None:
                continue
            lane = (self.late if event.flags & LATE
                    else self.returned if event.flags & RETURNED else self.ring)
            # Another, or none, if what was let go of meanwhile has cancelled it.
            event = lane.pop()
        if event is not None:
            event.flags &= ~(LATE | RETURNED)
        self.add_up()
        return event

    cdef int add_up(self) noexcept:
        self.used = self.ring.used + self.returned.used + self.late.used
        self.gone = self.ring.gone + self.returned.gone + self.late.gone
        return 0

    cdef list events(self):
        return list(heapq.merge(self.ring.events(), self.returned.events(),
                                self.late.events(), key=attrgetter("id")))

    cdef int forget(self, CollectorEvent left) except -1:
        if left.flags & LATE:
            self.late.forget(left)
        elif left.flags & RETURNED:
            self.returned.forget(left)
        else:
            self.ring.forget(left)
        left.flags &= ~(LATE | RETURNED)
        return self.add_up()

    cdef CollectorEvent least_wanted(self, Payload incoming):
        cdef CollectorEvent first = self.ring.least_wanted(incoming)
        cdef CollectorEvent event
        for event in [self.returned.least_wanted(incoming), *self.late.events()]:
            if event is not None and is_droppable(event) and (
                    first is None or event.id < first.id):
                first = event
        self.add_up()
        return first

    cdef int bury(self, CollectorEvent left) except -1:
        if left.flags & LATE:
            self.late.bury(left)
        elif left.flags & RETURNED:
            self.returned.bury(left)
        else:
            self.ring.bury(left)
        left.flags &= ~(LATE | RETURNED)
        return self.add_up()


@cython.final
cdef class LifoLane(Lane):
    """Last in, first out: a stack."""

    cdef int push(self, CollectorEvent event) except -1:
        if self.used == len(self.slots):
            self.slots.extend([None] * len(self.slots))
        slot_put(<PyObject *>self.slots, self.used, <PyObject *>event)
        self.used += 1
        return 0

    cdef CollectorEvent pop(self):
        cdef CollectorEvent event
        while self.used:
            self.used -= 1
            event = <CollectorEvent>slot_take(<PyObject *>self.slots, self.used)
            if holds(self, event):
                return event
            self.gone -= 1
            event = None
        self.bottom = 0
        if len(self.slots) > KEPT:
            self.slots = [None] * SMALLEST
        return None

    cdef CollectorEvent least_wanted(self, Payload incoming):
        self.bottom = min(self.bottom, self.used)
        while self.bottom < self.used:
            event = <CollectorEvent>self.slots[self.bottom]
            if holds(self, <CollectorEvent>event):
                break
            self.bottom += 1
        for at in range(self.bottom, self.used):
            event = <CollectorEvent>self.slots[at]
            if holds(self, <CollectorEvent>event) and is_droppable(event):
                return event
        return None

    cdef list events(self):
        cdef Py_ssize_t at
        cdef list found = []
        for at in range(self.used - 1, -1, -1):
            event = self.slots[at]
            if holds(self, <CollectorEvent>event):
                found.append(event)
        return found

    cdef int refill(self, list events) except -1:
        cdef Py_ssize_t size = SMALLEST
        while size < len(events):
            size *= 2
        before = self.slots     # until this returns
        self.slots = events[::-1] + [None] * (size - len(events))
        self.bottom = 0
        self.used = len(events)
        self.gone = 0
        return 0


@cython.final
cdef class PriorityLane(Lane):
    """The most urgent first: a heap over `priority * ageing + accept sequence`.

    The key never changes while an event waits, so this is a plain heap, and yet an event
    of any priority is reached: later ones have larger keys. Equal keys go in send order.
    """

    def __cinit__(self):
        self.ranks = Ranks()
        self.slots = self.ranks.slots

    cdef int push(self, CollectorEvent event) except -1:
        cdef int64_t key = -event.id
        if not self.newest_first:
            key = event.id + self.ageing * number_of(event.payload, self.default_priority)
        if self.worst is not None:
            self.worst.push(event, self.used + 1)
        self.ranks.push(key, event.id, event)
        self.used += 1
        return 0

    cdef CollectorEvent least_wanted(self, Payload incoming):
        return self.worst.first(incoming)

    cdef int stand_at(self, char place) except -1:
        self.place = place
        if self.worst is not None:
            self.worst.places = 1 << place
        return 0

    cdef CollectorEvent pop(self):
        cdef CollectorEvent event
        while self.used:
            self.used -= 1
            event = <CollectorEvent>self.ranks.pop()
            if holds(self, event):
                if self.worst is not None:
                    self.worst.trim(event, self.used)
                return event
            self.gone -= 1
            event = None
        if len(self.slots) > KEPT:
            self.refill([])
        return None

    cdef CollectorEvent first(self):
        cdef CollectorEvent event
        while self.used:
            event = <CollectorEvent>self.ranks.slots[self.ranks.heap[0].slot]
            if holds(self, event):
                return event
            self.ranks.pop()
            self.used -= 1
            self.gone -= 1
            event = None
        return None

    cdef list events(self):
        return [event for event in self.ranks.things() if holds(self, <CollectorEvent>event)]

    cdef int refill(self, list events) except -1:
        before = self.slots     # until this returns
        self.ranks = Ranks()
        self.slots = self.ranks.slots
        self.used = 0
        self.gone = 0
        if self.worst is not None:
            worst, self.worst.heap = self.worst.heap, []
        for event in events:
            self.push(event)
        return 0
