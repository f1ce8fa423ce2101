"""Waiting until everything accepted so far has ended: `publisher.wait()`.

Rules of residence: counting towards zero. Events are numbered as they are accepted, so a
barrier is a number; each stands for the unsettled events between the one before it and
itself, and an event that ends touches just one of them. A wait from inside a handler names
its events one by one (`Members`), because it must leave out those that wait like itself.
"""
cimport cython
from libc.stdint cimport int64_t

from collectorqueue._native.event cimport OK, CollectorEvent, add_waiter


@cython.final
cdef class Barrier:
    """One number up to which everything must end."""


@cython.final
cdef class Barriers:
    """All waits from outside of handlers, oldest first."""

    def __cinit__(self):
        self.standing = []

    cdef object add(self, int64_t last_id, int64_t unsettled, object loop):
        """A future for the moment when all events up to `last_id` have ended."""
        cdef Barrier barrier
        if self.standing:
            barrier = self.standing[len(self.standing) - 1]
            if barrier.last_id == last_id and not barrier.future.done():
                return barrier.future
        for barrier in self.standing:
            unsettled -= barrier.left
        barrier = Barrier()
        barrier.last_id = last_id
        barrier.left = unsettled
        barrier.future = loop.create_future()
        self.standing.append(barrier)
        self.fall()
        return barrier.future

    cdef int settled(self, int64_t event_id) except -1:
        cdef Barrier barrier = None
        cdef Py_ssize_t low = 0
        cdef Py_ssize_t high = len(self.standing)
        cdef Py_ssize_t middle
        while low < high:
            middle = (low + high) >> 1
            if (<Barrier>self.standing[middle]).last_id < event_id:
                low = middle + 1
            else:
                high = middle
        if low < len(self.standing):
            barrier = <Barrier>self.standing[low]
            barrier.left -= 1
            if low == 0 and barrier.left <= 0:
                self.fall()
        return 0

    cdef int fall(self) except -1:
        """Wake everyone whose barrier has nothing before it any more."""
        cdef Py_ssize_t fallen = 0
        cdef Barrier barrier
        for barrier in self.standing:
            if barrier.left > 0:
                break
            fallen += 1
            if not barrier.future.done():
                barrier.future.set_result(None)
        if fallen:
            del self.standing[:fallen]
        return 0


@cython.final
cdef class Members:
    """The events one wait inside a handler is for; stands among their waiters."""

    def __cinit__(self, loop, owner):
        self.owner = owner
        self.events = {}
        self.future = loop.create_future()

    cdef int add(self, CollectorEvent event) except -1:
        if event.state < OK:
            self.events[event] = None
            add_waiter(event, Member(self, event))
        return 0

    cdef int leave_out(self, CollectorEvent event) except -1:
        self.events.pop(event, None)
        if not self.events and not self.future.done():
            self.future.set_result(None)
        return 0


@cython.final
cdef class Member:
    """One of them, in the place of a future that waits for the event."""

    def __cinit__(self, members, event):
        self.members = members
        self.event = event

    def done(self):
        return False

    def set_result(self, _):
        self.members.leave_out(self.event)
