"""Where queued events wait: FIFO ring, LIFO stack, PRIORITY heap.

Rules of residence: order only. Bounds, senders and counts live in the core; no sentinel
ever enters a lane. Events sit in a Python list, so that the garbage collector sees them.
An event that ends while it waits (cancelled, expired) stays as a dead entry until its turn
or until dead entries are the majority, so giving one up costs O(1) on average.
"""
import enum
import heapq
from operator import attrgetter

cimport cython
from cpython.ref cimport PyObject
from libc.stdint cimport int64_t
from libc.stdlib cimport free, realloc

from collectorqueue._native.event cimport ABORTED, IN_LANE, LATE, QUEUED, CollectorEvent
from collectorqueue._native.payload cimport Payload
from collectorqueue._native.untracked cimport track
from collectorqueue._native.worst cimport Worst, number_of

cdef extern from *:
    """
    /* Both keep the list's own count right without the cost of a list method. A free place
       holds None, which from Python 3.12 on is not counted. */
    static inline void cq_slot_put(PyObject *list, Py_ssize_t at, PyObject *o) {
        Py_INCREF(o);
    #if PY_VERSION_HEX < 0x030C0000
        Py_DECREF(Py_None);
    #endif
        PyList_SET_ITEM(list, at, o);
    }
    static inline PyObject *cq_slot_take(PyObject *list, Py_ssize_t at) {
        PyObject *o = PyList_GET_ITEM(list, at);
    #if PY_VERSION_HEX < 0x030C0000
        Py_INCREF(Py_None);
    #endif
        PyList_SET_ITEM(list, at, Py_None);
        return o;
    }
    static inline Py_ssize_t cq_size(PyObject *list) { return PyList_GET_SIZE(list); }
    """
    # By pointers: an object's type would have it counted up and down again.
    void slot_put "cq_slot_put"(PyObject *slots, Py_ssize_t at, PyObject *event) noexcept
    object slot_take "cq_slot_take"(PyObject *slots, Py_ssize_t at)
    Py_ssize_t size_of "cq_size"(PyObject *slots) noexcept


class QueueType(enum.StrEnum):
    """In which order queued events are taken."""

    FIFO = "fifo"
    LIFO = "lifo"
    PRIORITY = "priority"


cdef enum:
    SMALLEST = 64           # places; a queue that never holds more costs 512 bytes
    KEPT = 65536            # an empty lane larger than this gives its memory back
    FEW = 32                # dead entries that are not worth a sweep


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
        self.gone += 1
        if self.gone > FEW and self.gone * 2 > self.used:
            self.refill([event for event in self.events() if event is not left])
        return 0

    cdef CollectorEvent least_wanted(self, Payload incoming):
        """The event to give up for one that comes in; None: there is none, or rather that.

        It has waited longest. Asked again and again it stays cheap: what is gone is passed
        once.
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
        cdef Py_ssize_t size = size_of(<PyObject *>self.slots)
        cdef CollectorEvent event
        while self.used:
            event = <CollectorEvent>slot_take(<PyObject *>self.slots, self.head)
            self.used -= 1
            # Empty: from the start again, where the places are still in the cache.
            self.head = (self.head + 1) & (size - 1) if self.used else 0
            if holds(self, event):
                return event
            self.gone -= 1
        if size > KEPT:
            self.slots = [None] * SMALLEST
        return None

    cdef CollectorEvent least_wanted(self, Payload incoming):
        cdef Py_ssize_t size = len(self.slots)
        cdef CollectorEvent event
        while self.used:
            event = <CollectorEvent>self.slots[self.head]
            if holds(self, event):
                return event
            self.slots[self.head] = None
            self.used -= 1
            self.gone -= 1
            self.head = (self.head + 1) & (size - 1) if self.used else 0
        return None

    cdef Lane put_back(self, CollectorEvent event):
        cdef MergingLane merging = MergingLane()
        merging.ring = self
        merging.late = PriorityLane()
        return merging.put_back(event)

    cdef int grow(self) except -1:
        cdef Py_ssize_t size = len(self.slots)
        # Laid out from the start again, so that the new mask fits.
        slots = self.slots[self.head:] + self.slots[:self.head] + [None] * size
        self.slots = slots
        self.head = 0
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
        self.slots = events + [None] * (size - len(events))
        self.head = 0
        self.used = len(events)
        self.gone = 0
        return 0


@cython.final
cdef class MergingLane(Lane):
    """First in, first out, for events too that come back after others came in.

    A ring as long as there are none: those that are late wait in a heap beside it.
    """

    cdef int push(self, CollectorEvent event) except -1:
        self.ring.push(event)
        return self.add_up()

    cdef Lane put_back(self, CollectorEvent event):
        event.flags |= LATE
        self.late.push(event)
        self.add_up()
        return self

    cdef CollectorEvent pop(self):
        cdef CollectorEvent event = None
        cdef CollectorEvent next_one
        if self.late.used:
            next_one = self.ring.least_wanted(None)
            if next_one is None or self.late.heap[0].sequence < next_one.id:
                event = self.late.pop()
                if event is not None:
                    event.flags &= ~LATE
        if event is None:
            event = self.ring.pop()
        self.add_up()
        return event

    cdef int add_up(self) noexcept:
        self.used = self.ring.used + self.late.used
        self.gone = self.ring.gone + self.late.gone
        return 0

    cdef list events(self):
        return list(heapq.merge(self.ring.events(), self.late.events(), key=attrgetter("id")))

    cdef int forget(self, CollectorEvent left) except -1:
        if left.flags & LATE:
            left.flags &= ~LATE
            self.late.forget(left)
        else:
            self.ring.forget(left)
        return self.add_up()

    cdef CollectorEvent least_wanted(self, Payload incoming):
        cdef CollectorEvent event = self.ring.least_wanted(incoming)
        cdef CollectorEvent other
        self.add_up()
        for other in self.late.events():
            if event is None or other.id < event.id:
                event = other
        return event


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
        self.bottom = 0
        if len(self.slots) > KEPT:
            self.slots = [None] * SMALLEST
        return None

    cdef CollectorEvent least_wanted(self, Payload incoming):
        self.bottom = min(self.bottom, self.used)
        while self.bottom < self.used:
            event = <CollectorEvent>self.slots[self.bottom]
            if holds(self, <CollectorEvent>event):
                return event
            self.bottom += 1
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

    def __dealloc__(self):
        free(self.heap)

    cdef int push(self, CollectorEvent event) except -1:
        cdef Py_ssize_t at, parent
        cdef Rank rank
        cdef Rank *heap
        if self.heap is NULL or self.used == len(self.slots):
            self.grow()
        heap = self.heap
        rank.slot = self.free_slots.pop()
        rank.sequence = event.id
        if self.newest_first:
            rank.key = -event.id
        else:
            rank.key = event.id + self.ageing * number_of(
                event.payload, self.default_priority)
        slot_put(<PyObject *>self.slots, rank.slot, <PyObject *>event)
        at = self.used
        self.used += 1
        while at > 0:
            parent = (at - 1) >> 1
            if not before(&rank, &heap[parent]):
                break
            heap[at] = heap[parent]
            at = parent
        heap[at] = rank
        if self.worst is not None:
            self.worst.push(event, self.used)
        return 0

    cdef CollectorEvent least_wanted(self, Payload incoming):
        return self.worst.first(incoming)

    cdef int stand_at(self, char place) except -1:
        self.place = place
        if self.worst is not None:
            self.worst.places = 1 << place
        return 0

    cdef CollectorEvent pop(self):
        cdef Py_ssize_t at, child, slot
        cdef Rank last
        cdef Rank *heap = self.heap
        cdef CollectorEvent event
        while self.used:
            slot = heap[0].slot
            self.used -= 1
            last = heap[self.used]
            at = 0
            while True:
                child = 2 * at + 1
                if child >= self.used:
                    break
                if child + 1 < self.used and before(&heap[child + 1], &heap[child]):
                    child += 1
                if not before(&heap[child], &last):
                    break
                heap[at] = heap[child]
                at = child
            heap[at] = last
            event = <CollectorEvent>slot_take(<PyObject *>self.slots, slot)
            self.free_slots.append(slot)
            if holds(self, event):
                if self.worst is not None:
                    self.worst.trim(event, self.used)
                return event
            self.gone -= 1
        if len(self.slots) > KEPT:
            self.refill([])
        return None

    cdef int grow(self) except -1:
        cdef Py_ssize_t old = len(self.slots) if self.heap is not NULL else 0
        cdef Py_ssize_t new = old * 2 if old else len(self.slots)
        cdef Rank *heap = <Rank *>realloc(self.heap, new * sizeof(Rank))
        if heap is NULL:
            raise MemoryError()
        self.heap = heap
        self.slots.extend([None] * (new - len(self.slots)))
        if self.free_slots is None:
            self.free_slots = []
        self.free_slots.extend(range(new - 1, old - 1, -1))
        return 0

    cdef list events(self):
        cdef Py_ssize_t at
        cdef CollectorEvent event
        cdef list ranked = []
        for at in range(self.used):
            event = self.slots[self.heap[at].slot]
            if holds(self, event):
                ranked.append((self.heap[at].key, self.heap[at].sequence, event))
        ranked.sort()
        return [rank[2] for rank in ranked]

    cdef int refill(self, list events) except -1:
        free(self.heap)
        self.heap = NULL
        self.slots = [None] * SMALLEST
        self.free_slots = None
        self.used = 0
        self.gone = 0
        if self.worst is not None:
            self.worst.heap = []
        for event in events:
            self.push(event)
        return 0


cdef inline bint before(Rank *one, Rank *other) noexcept:
    if one.key != other.key:
        return one.key < other.key
    return one.sequence < other.sequence


@cython.final
cdef class Probe:
    """A lane to try by hand: what tests and benchmarks drive, with bare payloads."""

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
