"""The events of one ordering key: those on their way, and those that wait behind them.

Rules of residence: the order of one key. It lives as long as one of its events does.
"""
import collections

cimport cython
from libc.stdint cimport int64_t

from collectorqueue._native.event cimport CollectorEvent


@cython.final
@cython.freelist(64)
cdef class KeyLine:
    """One ordering key that has events."""

    cdef int go(self, CollectorEvent event) except -1:
        """It is on its way from now on."""
        cdef int64_t number = 0
        if self.returned:
            number = self.returned.pop(event, 0)
        if number == 0:
            self.gone += 1
            number = self.gone
        if self.head is None:
            self.head = event
            self.head_number = number
            return 0
        if self.joined is None:
            self.joined = {}
        self.joined[event] = number
        return 0

    cdef int64_t leave(self, CollectorEvent event) except -1:
        """It is not on its way any more; returns the number that it had."""
        cdef int64_t number
        if self.trying is event:
            self.trying = None
        if event is not self.head:
            return self.joined.pop(event, 0) if self.joined else 0
        number = self.head_number
        self.head = next(iter(self.joined)) if self.joined else None
        if self.head is not None:
            self.head_number = self.joined.pop(self.head)
        return number

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

    cdef int add_again(self, CollectorEvent event, int64_t number) except -1:
        """It was on its way, with this number: it waits before all that have not been, and in
        order with those that have."""
        if self.first is None:
            self.add(event)
        else:
            self.put_among(event, number)
        if self.returned is None:
            self.returned = {}
        self.returned[event] = number
        return 0

    cdef int put_among(self, CollectorEvent event, int64_t number) except -1:
        cdef Py_ssize_t at = 0
        for other in self.returned or ():
            at += <int64_t>self.returned[other] < number
        if at == 0:
            if self.others is None:
                self.others = collections.OrderedDict()
            self.others[self.first] = None
            self.others.move_to_end(self.first, False)
            self.first = event
            return 0
        waiting = self.waiting()
        waiting.insert(at, event)
        self.first = None
        self.others = None
        for other in waiting:
            self.add(other)
        return 0

    cdef int remove(self, CollectorEvent event) except -1:
        """It waits no more."""
        if self.returned:
            self.returned.pop(event, None)
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
