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

    cdef int add(self, CollectorEvent event) except -1:
        """It waits behind all others."""
        if self.waiting is None:
            # One can be given up in the middle, and the first taken, in O(1).
            self.waiting = collections.OrderedDict()
        self.waiting[event] = None
        return 0

    cdef int add_again(self, CollectorEvent event) except -1:
        """It was on its way, and waits before all that were sent after it."""
        cdef CollectorEvent other
        self.add(event)
        self.waiting.move_to_end(event, False)
        # Mostly it is the first. Of several in one batch, some may be back before it.
        before = []
        for other in self.waiting:
            if other is event:
                continue
            if other.id > event.id:
                break
            before.append(other)
        for other in reversed(before):
            self.waiting.move_to_end(other, False)
        return 0

    cdef CollectorEvent next(self):
        """Take the first of those that wait; None: there is none."""
        if not self.waiting:
            return None
        return self.waiting.popitem(False)[0]
