"""The events of one ordering key: those on their way, and those that wait behind them.

Rules of residence: the order of one key. It lives as long as one of its events does.
"""
import collections

cimport cython

from collectorqueue._native.event cimport CollectorEvent


@cython.final
@cython.freelist(64)
cdef class KeyLine:
    """One ordering key that has events."""

    cdef int go(self, CollectorEvent event) except -1:
        """It is on its way from now on."""
        if self.head is None:
            self.head = event
            return 0
        if self.joined is None:
            self.joined = {}
        self.joined[event] = None
        return 0

    cdef int leave(self, CollectorEvent event) except -1:
        """It is not on its way any more."""
        if self.trying is event:
            self.trying = None
        if event is not self.head:
            if self.joined:
                self.joined.pop(event, None)
            return 0
        self.head = next(iter(self.joined)) if self.joined else None
        if self.head is not None:
            del self.joined[self.head]
        return 0

    cdef list on_their_way(self):
        return [] if self.head is None else [self.head, *(self.joined or ())]

    cdef int add(self, CollectorEvent event) except -1:
        """It waits behind all others."""
        if self.first is None:
            self.first = event
            return 0
        if self.others is None:
            # One can be given up in the middle, and the first taken, in O(1).
            self.others = collections.OrderedDict()
        self.others[event] = None
        return 0

    cdef int add_again(self, CollectorEvent event) except -1:
        """It was on its way, and waits before all that were sent after it."""
        cdef CollectorEvent other
        if self.first is None or event.id > self.first.id and not self.others:
            return self.add(event)
        if event.id < self.first.id:
            if self.others is None:
                self.others = collections.OrderedDict()
            self.others[self.first] = None
            self.others.move_to_end(self.first, False)
            self.first = event
            return 0
        waiting = [self.first, *(self.others or ())]
        self.first = None
        self.others = None
        for other in waiting:
            if event is not None and event.id < other.id:
                self.add(event)
                event = None
            self.add(other)
        if event is not None:
            self.add(event)
        return 0

    cdef int remove(self, CollectorEvent event) except -1:
        """It waits no more."""
        if event is self.first:
            self.next()
        else:
            del self.others[event]
        return 0

    cdef CollectorEvent next(self):
        """Take the first of those that wait; None: there is none."""
        cdef CollectorEvent event = self.first
        self.first = self.others.popitem(False)[0] if self.others else None
        return event

    cdef CollectorEvent last(self):
        """Behind which the next one waits."""
        if self.others:
            return next(reversed(self.others))
        if self.first is None:
            return next(reversed(self.joined)) if self.joined else self.head
        return self.first

    cdef list waiting(self):
        return [] if self.first is None else [self.first, *(self.others or ())]
